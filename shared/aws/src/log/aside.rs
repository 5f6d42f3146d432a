//! Setting aside records that cannot be read: their bytes are kept for people to look
//! at after the stream has forgotten them. They are durable before the reader passes
//! the record.
//!
//! ```text
//! pk          sk                          attributes
//! x#<shard>   <sequence number>#<part>    v up to 300 KB of the record, detail, at in ms, ttl
//! ```

use super::stream::{Aside, StoredRecord};
use crate::attribute::{bytes, number, text};
use crate::clients::Clients;
use crate::config::AwsConfig;
use crate::failure;
use async_trait::async_trait;
use sluice_model::clock;
use sluice_ports::PortError;
use sluice_ports::log::ShardId;

/// Bytes of a part; an item may have 400 KB.
const PART_BYTES: usize = 300_000;
/// The most bytes of a description.
const DETAIL_BYTES_MAX: usize = 2_000;

/// The table of events as the store of unreadable records.
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
    async fn put(&self, shard: &ShardId, record: &StoredRecord, detail: &str) -> Result<(), PortError> {
        let sequence = record.position.to_decimal();
        let now_ms = clock::now_ms();
        // Many damaged batches have a long description; an item has at most 400 KB.
        let detail = &detail[..detail.floor_char_boundary(DETAIL_BYTES_MAX)];
        // A record without bytes still has one part.
        let parts = record.bytes.chunks(PART_BYTES).chain(record.bytes.is_empty().then_some(&[][..]));
        for (part, part_bytes) in parts.enumerate() {
            let request = self.client.put_item().table_name(&self.table);
            let sent = request
                .item("pk", text(format!("x#{shard}")))
                .item("sk", text(format!("{sequence:0>56}#{part}")))
                .item("v", bytes(part_bytes))
                .item("detail", text(detail))
                .item("at", number(now_ms))
                .item("ttl", number(now_ms / 1000 + self.keep_s))
                .send()
                .await;
            let attempted = || format!("set aside record {sequence} of {shard}");
            sent.map_err(|error| failure::port_error(attempted(), &error))?;
        }
        Ok(())
    }
}
