//! Records that cannot be read, set aside as they came, so that somebody can
//! look at them when the stream has forgotten them. They are durable before
//! the reader passes them.
//!
//! ```text
//! pk          sk                          attributes
//! x#<shard>   <sequence number>#<part>    v up to 300 KB of the record, detail, at in ms, ttl
//! ```

use super::stream::{Aside, GotRecord};
use crate::clients::Clients;
use crate::config::AwsConfig;
use crate::failure;
use async_trait::async_trait;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use sluice_model::clock;
use sluice_ports::PortError;
use sluice_ports::log::ShardId;

/// Bytes of a part: an item may have 400 KB.
const PART_BYTES: usize = 300_000;

/// Unreadable records in the table of the events.
pub(super) struct RowsAside {
    client: aws_sdk_dynamodb::Client,
    table: String,
    keep_s: u64,
}

impl RowsAside {
    pub(super) fn new(clients: &Clients, config: &AwsConfig) -> Self {
        Self {
            client: clients.dynamodb.clone(),
            table: config.events_table.clone(),
            keep_s: u64::from(config.retention_days) * 86_400,
        }
    }
}

#[async_trait]
impl Aside for RowsAside {
    async fn put(&self, shard: &ShardId, record: &GotRecord, detail: &str) -> Result<(), PortError> {
        let (sequence, bytes) = (record.position.to_decimal(), &record.bytes[..]);
        let number = |value: u64| AttributeValue::N(value.to_string());
        let now_ms = clock::now_ms();
        let empty: &[u8] = &[];
        let parts = if bytes.is_empty() { vec![empty] } else { bytes.chunks(PART_BYTES).collect() };
        for (part, bytes) in parts.into_iter().enumerate() {
            let request = self.client.put_item().table_name(&self.table);
            let sent = request
                .item("pk", AttributeValue::S(format!("x#{shard}")))
                .item("sk", AttributeValue::S(format!("{sequence:0>56}#{part}")))
                .item("v", AttributeValue::B(Blob::new(bytes)))
                .item("detail", AttributeValue::S(detail.to_owned()))
                .item("at", number(now_ms))
                .item("ttl", number(now_ms / 1000 + self.keep_s))
                .send()
                .await;
            let what = || format!("set aside record {sequence} of {shard}");
            sent.map_err(|error| failure::unavailable(what(), &error))?;
        }
        Ok(())
    }
}
