//! The requests of the event store, one function each.

use super::facts::Update;
use super::layout::{Item, Key, number};
use crate::failure;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, ReturnValue, WriteRequest};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use sluice_ports::PortError;
use std::collections::HashMap;
use std::time::Duration;

/// Items of one BatchWriteItem, and its bytes: the service takes 25 and 16 MB.
const WRITE_ITEMS_MAX: usize = 25;
const WRITE_BYTES_MAX: usize = 8 << 20;
/// Tries at items that the service leaves unprocessed.
const WRITE_TRIES: u32 = 6;

/// One page of a query.
pub(super) struct Page {
    pub(super) items: Vec<Item>,
    /// Where to go on, if there is more.
    pub(super) next: Option<Item>,
}

/// The table.
#[derive(Debug)]
pub(super) struct Table {
    client: aws_sdk_dynamodb::Client,
    name: String,
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn size(item: &Item) -> usize {
    item.values().map(|value| value.as_b().map_or(64, |bytes| bytes.as_ref().len())).sum()
}

impl Table {
    pub(super) const fn new(client: aws_sdk_dynamodb::Client, name: String) -> Self {
        Self { client, name }
    }

    /// An item as it is now.
    pub(super) async fn get(&self, (partition, sort): Key) -> Result<Option<Item>, PortError> {
        let what = || format!("read item {partition} {sort}");
        let request = self.client.get_item().table_name(&self.name).consistent_read(true);
        let sent = request.key("pk", text(&partition)).key("sk", text(&sort)).send().await;
        Ok(sent.map_err(|error| failure::unavailable(what(), &error))?.item)
    }

    /// How many events a batch's item says that it has.
    pub(super) async fn get_count(&self, (partition, sort): Key) -> Result<Option<u16>, PortError> {
        let what = || format!("read item {partition} {sort}");
        let request = self.client.get_item().table_name(&self.name).consistent_read(true);
        let request = request.key("pk", text(&partition)).key("sk", text(&sort)).projection_expression("n");
        let item = request.send().await.map_err(|error| failure::unavailable(what(), &error))?.item;
        Ok(item.and_then(|item| item.get("n")?.as_n().ok()?.parse().ok()))
    }

    /// Puts items, whatever was there before.
    pub(super) async fn put_all(&self, items: Vec<Item>, requests_max: usize) -> Result<(), PortError> {
        let (mut chunks, mut bytes) = (vec![Vec::new()], 0);
        for item in items {
            let last = chunks.last_mut().expect("there is one");
            if last.len() == WRITE_ITEMS_MAX || (bytes + size(&item) > WRITE_BYTES_MAX && !last.is_empty()) {
                chunks.push(Vec::new());
                bytes = 0;
            }
            bytes += size(&item);
            chunks.last_mut().expect("there is one").push(item);
        }
        stream::iter(chunks.into_iter().filter(|chunk| !chunk.is_empty()))
            .map(|chunk| self.put_chunk(chunk))
            .buffer_unordered(requests_max)
            .try_collect()
            .await
    }

    async fn put_chunk(&self, items: Vec<Item>) -> Result<(), PortError> {
        let what = "write items";
        let write = |item| {
            let put = PutRequest::builder().set_item(Some(item)).build().expect("it has an item");
            WriteRequest::builder().put_request(put).build()
        };
        let mut left: Vec<WriteRequest> = items.into_iter().map(write).collect();
        let mut wait = Duration::from_millis(25);
        for _ in 0..WRITE_TRIES {
            let sent = self.client.batch_write_item().request_items(&self.name, left).send().await;
            let answer = sent.map_err(|error| failure::unavailable(what, &error))?;
            left = answer.unprocessed_items.and_then(|mut all| all.remove(&self.name)).unwrap_or_default();
            if left.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        Err(PortError::unavailable(what, format!("{} items were left unprocessed", left.len())))
    }

    /// Puts an item where there is none; says whether it was new.
    pub(super) async fn put_new(&self, item: Item) -> Result<bool, PortError> {
        let request = self.client.put_item().table_name(&self.name).set_item(Some(item));
        match request.condition_expression("attribute_not_exists(pk)").send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(answer))
                if matches!(answer.err(), PutItemError::ConditionalCheckFailedException(_)) =>
            {
                Ok(false)
            }
            Err(error) => Err(failure::unavailable("write a new item", &error)),
        }
    }

    /// Adds to the sets of an item.
    pub(super) async fn add(&self, (partition, sort): Key, update: Update) -> Result<(), PortError> {
        let request = self.client.update_item().table_name(&self.name);
        let request = request
            .key("pk", text(&partition))
            .key("sk", text(&sort))
            .update_expression(update.expression)
            .set_expression_attribute_names(Some(update.names))
            .set_expression_attribute_values(Some(update.values));
        let sent = request.send().await;
        sent.map(drop)
            .map_err(|error| failure::unavailable(format!("add to item {partition} {sort}"), &error))
    }

    /// Marks events as acknowledged where they are not; gives those that were and since when.
    pub(super) async fn acknowledge(
        &self,
        (partition, sort): Key,
        indexes: &[u16],
        now_ms: u64,
        ttl: u64,
    ) -> Result<Vec<(u16, u64)>, PortError> {
        let sets = indexes.iter().map(|index| format!("i{index} = if_not_exists(i{index}, :now)"));
        let expression = format!("SET #ttl = :ttl, {}", sets.collect::<Vec<_>>().join(", "));
        let request = self.client.update_item().table_name(&self.name);
        let request = request
            .key("pk", text(&partition))
            .key("sk", text(&sort))
            .update_expression(expression)
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", number(now_ms))
            .expression_attribute_values(":ttl", number(ttl))
            .return_values(ReturnValue::AllOld);
        let what = || format!("acknowledge events of {partition} {sort}");
        let answer = request.send().await.map_err(|error| failure::unavailable(what(), &error))?;
        let old = super::layout::acks(&answer.attributes.unwrap_or_default())?;
        Ok(old.into_iter().filter(|(index, _)| indexes.contains(index)).collect())
    }

    /// Deletes an item; says whether it was there.
    pub(super) async fn delete(&self, (partition, sort): Key) -> Result<bool, PortError> {
        let request = self.client.delete_item().table_name(&self.name).return_values(ReturnValue::AllOld);
        let sent = request.key("pk", text(&partition)).key("sk", text(&sort)).send().await;
        let what = || format!("delete item {partition} {sort}");
        let answer = sent.map_err(|error| failure::unavailable(what(), &error))?;
        Ok(answer.attributes.is_some_and(|old| !old.is_empty()))
    }

    /// Items of a partition between two keys, both included.
    pub(super) async fn query(
        &self,
        partition: &str,
        (low, high): Key,
        ascending: bool,
        limit: Option<usize>,
        from: Option<Item>,
    ) -> Result<Page, PortError> {
        let request = self.client.query().table_name(&self.name).consistent_read(true);
        let request = request
            .key_condition_expression("pk = :p AND sk BETWEEN :l AND :h")
            .set_expression_attribute_values(Some(HashMap::from([
                (":p".into(), text(partition)),
                (":l".into(), AttributeValue::S(low)),
                (":h".into(), AttributeValue::S(high)),
            ])))
            .scan_index_forward(ascending)
            .set_limit(limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)))
            .set_exclusive_start_key(from);
        let what = || format!("query {partition}");
        let answer = request.send().await.map_err(|error| failure::unavailable(what(), &error))?;
        let next = answer.last_evaluated_key.filter(|key| !key.is_empty());
        Ok(Page { items: answer.items.unwrap_or_default(), next })
    }

    /// All items of a partition between two keys.
    pub(super) async fn query_all(&self, partition: &str, range: Key) -> Result<Vec<Item>, PortError> {
        let (mut items, mut from) = (Vec::new(), None);
        loop {
            let page = self.query(partition, range.clone(), true, None, from).await?;
            items.extend(page.items);
            from = page.next;
            if from.is_none() {
                return Ok(items);
            }
        }
    }
}
