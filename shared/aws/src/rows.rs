//! Rows on DynamoDB, in the table of the events.
//!
//! ```text
//! pk             sk             attributes
//! r#<partition>  <key in hex>   v the value, t the token of the write,
//!                               x when it expires in ms, ttl the same in s
//! ```
//!
//! `needs_from_ms` needs no work here: events expire only by their age, and no row is
//! written that outlives its events.

use super::attribute::{Item, bytes, number, number_in, text, text_in};
use super::clients::Clients;
use super::config::AwsConfig;
use super::refused_items::RefusedItems;
use super::table::{ConditionalPut, ItemCondition, ItemKey, ItemTable, KeyRange, damaged, delete, put};
use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, WriteRequest};
use sluice_model::clock;
use sluice_model::ids::random_u128;
use sluice_ports::PortError;
use sluice_ports::rows::{NewRow, Row, RowChange, Rows};
use std::collections::HashMap;
use std::sync::Arc;

/// The rows of a deployment.
#[derive(Debug)]
pub struct DynamoRows {
    table: Arc<ItemTable>,
    refused: RefusedItems,
    requests_max: usize,
}

impl DynamoRows {
    /// Rows in the configured table of events.
    #[must_use]
    pub fn new(clients: &Clients, config: &AwsConfig) -> Self {
        let table = Arc::new(ItemTable::new(clients.dynamodb.clone(), config.events_table.clone()));
        let requests_max = config.store_requests_max;
        let keep_s = u64::from(config.retention_days) * 86_400;
        let refused = RefusedItems::new(Arc::clone(&table), requests_max, keep_s);
        Self { table, refused, requests_max }
    }

    /// Makes changes of different rows. Changes that DynamoDB refuses for good are set aside.
    async fn change(&self, changes: Vec<WriteRequest>) -> Result<(), PortError> {
        let written = self.table.write_all(changes, self.requests_max).await;
        let not_kept = self.refused.keep(written.refused).await;
        written.error.or(not_kept.error).map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Rows for DynamoRows {
    async fn write(&self, changes: Vec<RowChange>) -> Result<(), PortError> {
        // One after the other, because they must become durable in this order.
        for change in changes {
            let (_key, change) = write_request(change);
            self.change(vec![change]).await?;
        }
        Ok(())
    }

    async fn write_in_any_order(&self, changes: Vec<RowChange>) -> Result<(), PortError> {
        // DynamoDB refuses requests that name a key twice; the last change counts.
        let changes: HashMap<ItemKey, WriteRequest> = changes.into_iter().map(write_request).collect();
        self.change(changes.into_values().collect()).await
    }

    async fn put_if(&self, row: NewRow, expected: Option<Vec<u8>>) -> Result<bool, PortError> {
        let token = format!("{:032x}", random_u128());
        let expression = match expected {
            None => "attribute_not_exists(pk) OR x <= :now",
            Some(_) => "v = :expected AND (attribute_not_exists(x) OR x > :now)",
        };
        let mut values = HashMap::from([(":now".into(), number(clock::now_ms()))]);
        values.extend(expected.map(|expected| (":expected".into(), bytes(expected))));
        let condition = ItemCondition { expression: expression.into(), values };
        match self.table.put_where(item(row, &token), condition).await? {
            ConditionalPut::Stored => Ok(true),
            // Our write was sent twice because its answer was lost: the row in place is ours.
            ConditionalPut::Not(found) => Ok(text_in(&found, "t") == Some(token.as_str())),
        }
    }

    async fn get(&self, partition: &str, key: &[u8]) -> Result<Option<Vec<u8>>, PortError> {
        let found = self.table.get(item_key(partition, key)).await?;
        found.filter(lives).map(|mut item| value(&mut item)).transpose()
    }

    async fn list(&self, partition: &str, after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, PortError> {
        // Keys are hexadecimal, so all of them sort between these bounds.
        let all = KeyRange { partition: partition_key(partition), low: " ".into(), high: "g".into() };
        let mut rows = Vec::new();
        let mut from = after.map(|key| item_key(partition, key).into_item());
        while rows.len() < limit {
            let page = self.table.query(&all, true, Some(limit - rows.len()), from).await?;
            for mut item in page.items.into_iter().filter(lives) {
                let key = text_in(&item, "sk").and_then(unhex);
                let key = key.ok_or_else(|| damaged(format!("a key of {partition} is not hexadecimal")))?;
                rows.push(Row { key, value: value(&mut item)? });
            }
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        Ok(rows)
    }
}

fn write_request(change: RowChange) -> (ItemKey, WriteRequest) {
    match change {
        RowChange::Put(row) => (item_key(&row.partition, &row.key), put(item(row, ""))),
        RowChange::Remove { partition, key } => {
            let key = item_key(&partition, &key);
            (key.clone(), delete(key))
        }
    }
}

fn item(row: NewRow, token: &str) -> Item {
    let mut item = item_key(&row.partition, &row.key).into_item();
    item.extend([("v".into(), bytes(row.value)), ("t".into(), text(token))]);
    if let Some(expires_at_ms) = row.expires_at_ms {
        item.insert("x".into(), number(expires_at_ms));
        item.insert("ttl".into(), number(expires_at_ms.div_ceil(1000)));
    }
    item
}

/// Whether an item has not expired, to the millisecond.
fn lives(item: &Item) -> bool {
    number_in::<u64>(item, "x").is_none_or(|expires_at_ms| expires_at_ms > clock::now_ms())
}

fn value(item: &mut Item) -> Result<Vec<u8>, PortError> {
    match item.remove("v") {
        Some(AttributeValue::B(bytes)) => Ok(bytes.into_inner()),
        _ => Err(damaged("a row has no value")),
    }
}

fn partition_key(partition: &str) -> String {
    format!("r#{partition}")
}

fn item_key(partition: &str, key: &[u8]) -> ItemKey {
    ItemKey { partition: partition_key(partition), sort: hex(key) }
}

/// Hexadecimal sorts as the bytes do.
fn hex(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks_exact(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
