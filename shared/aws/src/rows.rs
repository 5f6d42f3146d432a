//! Rows on DynamoDB, in the table of the events.
//!
//! ```text
//! pk             sk             attributes
//! r#<partition>  <key in hex>   v the value, t the write's token,
//!                               x when it expires in ms, ttl the same in s
//! ```
//!
//! What `needs_from_ms` asks for holds by itself: events expire by their age
//! alone, and whoever writes rows lets none outlive them.

use super::clients::Clients;
use super::config::AwsConfig;
use super::failure;
use async_trait::async_trait;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use sluice_model::clock;
use sluice_model::ids::random_u128;
use sluice_ports::PortError;
use sluice_ports::rows::{NewRow, Row, RowChange, Rows};
use std::collections::HashMap;

type Item = HashMap<String, AttributeValue>;

/// The rows of a deployment.
#[derive(Debug)]
pub struct DynamoRows {
    client: aws_sdk_dynamodb::Client,
    table: String,
}

impl DynamoRows {
    /// Rows in the configured table of events.
    #[must_use]
    pub fn new(clients: &Clients, config: &AwsConfig) -> Self {
        Self { client: clients.dynamodb.clone(), table: config.events_table.clone() }
    }

    async fn put(&self, row: NewRow) -> Result<(), PortError> {
        let what = format!("write a row of {}", row.partition);
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item(row, "")));
        request.send().await.map(drop).map_err(|error| failure::unavailable(what, &error))
    }

    async fn remove(&self, partition: &str, key: &[u8]) -> Result<(), PortError> {
        let request = self.client.delete_item().table_name(&self.table);
        let sent = request.key("pk", pk(partition)).key("sk", text(hex(key))).send().await;
        sent.map(drop).map_err(|error| failure::unavailable(format!("remove a row of {partition}"), &error))
    }
}

#[async_trait]
impl Rows for DynamoRows {
    async fn write(&self, changes: Vec<RowChange>) -> Result<(), PortError> {
        // One after the other: that is the order in which they become durable.
        for change in changes {
            match change {
                RowChange::Put(row) => self.put(row).await?,
                RowChange::Remove { partition, key } => self.remove(&partition, &key).await?,
            }
        }
        Ok(())
    }

    async fn put_if(&self, row: NewRow, expected: Option<Vec<u8>>) -> Result<bool, PortError> {
        let what = format!("write a row of {}", row.partition);
        let token = format!("{:032x}", random_u128());
        let condition = match expected {
            None => "attribute_not_exists(pk) OR x <= :now",
            Some(_) => "v = :expected AND (attribute_not_exists(x) OR x > :now)",
        };
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item(row, &token)))
            .condition_expression(condition)
            .expression_attribute_values(":now", number(clock::now_ms()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let request = match expected {
            None => request,
            Some(expected) => request.expression_attribute_values(":expected", blob(expected)),
        };
        match request.send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(answer)) => match answer.err() {
                // A lost answer was sent again: the row that is there is this very write's.
                PutItemError::ConditionalCheckFailedException(failed) => Ok(failed
                    .item()
                    .and_then(|item| item.get("t")?.as_s().ok())
                    .is_some_and(|written| *written == token)),
                _ => Err(failure::unavailable(what, &SdkError::ServiceError(answer))),
            },
            Err(error) => Err(failure::unavailable(what, &error)),
        }
    }

    async fn get(&self, partition: &str, key: &[u8]) -> Result<Option<Vec<u8>>, PortError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let sent = request.key("pk", pk(partition)).key("sk", text(hex(key))).send().await;
        let what = || format!("read a row of {partition}");
        let found = sent.map_err(|error| failure::unavailable(what(), &error))?.item;
        found.filter(lives).map(|mut item| value(&mut item)).transpose()
    }

    async fn list(&self, partition: &str, after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, PortError> {
        let what = || format!("list rows of {partition}");
        let mut rows = Vec::new();
        // A key is never empty, so everything sorts above the empty one.
        let mut from =
            after.map(|key| Item::from([("pk".into(), pk(partition)), ("sk".into(), text(hex(key)))]));
        while rows.len() < limit {
            let request = self.client.query().table_name(&self.table).consistent_read(true);
            let sent = request
                .key_condition_expression("pk = :p")
                .expression_attribute_values(":p", pk(partition))
                .limit(i32::try_from(limit - rows.len()).unwrap_or(i32::MAX))
                .set_exclusive_start_key(from)
                .send()
                .await;
            let answer = sent.map_err(|error| failure::unavailable(what(), &error))?;
            for mut item in answer.items.unwrap_or_default().into_iter().filter(lives) {
                let key = item.get("sk").and_then(|sort| unhex(sort.as_s().ok()?));
                let key = key.ok_or_else(|| damaged(format!("a key of {partition} is not hexadecimal")))?;
                rows.push(Row { key, value: value(&mut item)? });
            }
            from = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                break;
            }
        }
        Ok(rows)
    }
}

fn item(row: NewRow, token: &str) -> Item {
    let mut item = Item::from([
        ("pk".into(), pk(&row.partition)),
        ("sk".into(), text(hex(&row.key))),
        ("v".into(), blob(row.value)),
        ("t".into(), text(token.to_owned())),
    ]);
    if let Some(expires_at_ms) = row.expires_at_ms {
        item.insert("x".into(), number(expires_at_ms));
        item.insert("ttl".into(), number(expires_at_ms.div_ceil(1000)));
    }
    item
}

/// Whether an item has not expired: the service deletes some time later.
fn lives(item: &Item) -> bool {
    let expires = item.get("x").and_then(|at| at.as_n().ok()?.parse::<u64>().ok());
    expires.is_none_or(|expires_at_ms| expires_at_ms > clock::now_ms())
}

fn value(item: &mut Item) -> Result<Vec<u8>, PortError> {
    match item.remove("v") {
        Some(AttributeValue::B(bytes)) => Ok(bytes.into_inner()),
        _ => Err(damaged("it has no value".to_owned())),
    }
}

fn damaged(detail: String) -> PortError {
    PortError::Damaged { what: "read a row".into(), detail }
}

fn pk(partition: &str) -> AttributeValue {
    text(format!("r#{partition}"))
}

const fn text(value: String) -> AttributeValue {
    AttributeValue::S(value)
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn blob(bytes: Vec<u8>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// Hexadecimal sorts as the bytes do.
fn hex(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks_exact(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
