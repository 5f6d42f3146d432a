//! The requests of one DynamoDB table with the keys `pk` and `sk`.

mod item;
mod write;

pub(crate) use item::{ItemKey, damaged, lives};
pub(crate) use write::{RefusedWrite, delete, put, put_item};

use super::attribute::{Item, number, text};
use super::failure;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use sluice_ports::{FailureClass, PortError};
use std::collections::HashMap;

/// One page of a query.
pub(crate) struct ItemPage {
    pub(crate) items: Vec<Item>,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<Item>,
}

/// The items of a partition between two sort keys, both included.
#[derive(Debug, Clone)]
pub(crate) struct KeyRange {
    pub(crate) partition: String,
    pub(crate) low: String,
    pub(crate) high: String,
}

/// An update: its expression, names and values.
#[derive(Debug)]
pub(crate) struct ItemUpdate {
    pub(crate) expression: String,
    pub(crate) names: HashMap<String, String>,
    pub(crate) values: HashMap<String, AttributeValue>,
}

/// The outcome of putting an item that must not replace another.
#[derive(Debug)]
pub(crate) enum PutNew {
    /// It is stored now.
    Stored,
    /// There is an item with its key already.
    WasThere,
    /// The service will never take it; the reason.
    Refused(String),
}

/// The condition that the stored item must meet to be replaced.
#[derive(Debug)]
pub(crate) struct ItemCondition {
    pub(crate) expression: String,
    pub(crate) values: HashMap<String, AttributeValue>,
}

/// The outcome of a conditional put.
#[derive(Debug)]
pub(crate) enum ConditionalPut {
    /// The item is stored.
    Stored,
    /// The condition does not hold; the stored item.
    Not(Item),
}

/// A table.
#[derive(Debug)]
pub(crate) struct ItemTable {
    client: aws_sdk_dynamodb::Client,
    name: String,
}

impl ItemTable {
    pub(crate) const fn new(client: aws_sdk_dynamodb::Client, name: String) -> Self {
        Self { client, name }
    }

    /// An item as it is now.
    pub(crate) async fn get(&self, key: ItemKey) -> Result<Option<Item>, PortError> {
        self.get_attributes(key, None).await
    }

    /// Some attributes of an item as it is now, or all of them. `attributes` is an expression
    /// in which `#ttl` stands for `ttl`.
    pub(crate) async fn get_attributes(
        &self,
        key: ItemKey,
        projection: Option<&str>,
    ) -> Result<Option<Item>, PortError> {
        let attempted = format!("read item {key}");
        let request = self.client.get_item().table_name(&self.name).consistent_read(true);
        let names = projection.filter(|wanted| wanted.contains("#ttl"));
        let request = request
            .set_key(Some(key.into_item()))
            .set_projection_expression(projection.map(Into::into))
            .set_expression_attribute_names(names.map(|_| HashMap::from([("#ttl".into(), "ttl".into())])));
        Ok(request.send().await.map_err(|error| failure::port_error(attempted, &error))?.item)
    }

    /// Puts an item unless there is one with its key.
    pub(crate) async fn put_new(&self, item: Item) -> Result<PutNew, PortError> {
        let request = self.client.put_item().table_name(&self.name).set_item(Some(item));
        match request.condition_expression("attribute_not_exists(pk)").send().await {
            Ok(_) => Ok(PutNew::Stored),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(PutNew::WasThere)
            }
            Err(error) if failure::class_of(&error) == FailureClass::Refused => {
                Ok(PutNew::Refused(failure::describe(&error)))
            }
            Err(error) => Err(failure::port_error("write a new item", &error)),
        }
    }

    /// Puts an item if the stored item meets a condition.
    pub(crate) async fn put_where(
        &self,
        item: Item,
        condition: ItemCondition,
    ) -> Result<ConditionalPut, PortError> {
        let key = ItemKey::in_item(&item).map(|key| key.to_string()).unwrap_or_default();
        let request = self.client.put_item().table_name(&self.name).set_item(Some(item));
        let request = request
            .condition_expression(condition.expression)
            .set_expression_attribute_values(Some(condition.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let error = match request.send().await {
            Ok(_) => return Ok(ConditionalPut::Stored),
            Err(error) => error,
        };
        if let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() {
            return Ok(ConditionalPut::Not(failed.item().cloned().unwrap_or_default()));
        }
        Err(failure::port_error(format!("write item {key}"), &error))
    }

    /// Updates an item, which is made if it is missing. Returns its attributes before the update.
    pub(crate) async fn update(&self, key: ItemKey, update: ItemUpdate) -> Result<Item, PortError> {
        let attempted = format!("update item {key}");
        let request = self.client.update_item().table_name(&self.name);
        let request = request
            .set_key(Some(key.into_item()))
            .update_expression(update.expression)
            .set_expression_attribute_names(Some(update.names))
            .set_expression_attribute_values(Some(update.values))
            .return_values(ReturnValue::AllOld);
        let answer = request.send().await.map_err(|error| failure::port_error(attempted, &error))?;
        Ok(answer.attributes.unwrap_or_default())
    }

    /// Deletes an item. Returns it, if it existed.
    pub(crate) async fn delete(&self, key: ItemKey) -> Result<Option<Item>, PortError> {
        let attempted = format!("delete item {key}");
        let request = self.client.delete_item().table_name(&self.name).return_values(ReturnValue::AllOld);
        let sent = request.set_key(Some(key.into_item())).send().await;
        let answer = sent.map_err(|error| failure::port_error(attempted, &error))?;
        Ok(answer.attributes.filter(|old| !old.is_empty()))
    }

    /// One page of a range of items.
    pub(crate) async fn query(
        &self,
        range: &KeyRange,
        ascending: bool,
        limit: Option<usize>,
        from: Option<Item>,
    ) -> Result<ItemPage, PortError> {
        let request = self.client.query().table_name(&self.name).consistent_read(true);
        let request = request
            .key_condition_expression("pk = :p AND sk BETWEEN :l AND :h")
            .expression_attribute_values(":p", text(&range.partition))
            .expression_attribute_values(":l", text(&range.low))
            .expression_attribute_values(":h", text(&range.high))
            .scan_index_forward(ascending)
            .set_limit(limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)))
            .set_exclusive_start_key(from);
        let attempted = || format!("query {}", range.partition);
        let answer = request.send().await.map_err(|error| failure::port_error(attempted(), &error))?;
        let next = answer.last_evaluated_key.filter(|key| !key.is_empty());
        Ok(ItemPage { items: answer.items.unwrap_or_default(), next })
    }

    /// All items of a range.
    pub(crate) async fn query_all(&self, range: &KeyRange) -> Result<Vec<Item>, PortError> {
        let (mut items, mut from) = (Vec::new(), None);
        loop {
            let page = self.query(range, true, None, from).await?;
            items.extend(page.items);
            from = page.next;
            if from.is_none() {
                return Ok(items);
            }
        }
    }
}

/// Adds the value of `:ttl` and the name `#ttl`, which an update's expression may use.
pub(crate) fn with_ttl(mut update: ItemUpdate, ttl: u64) -> ItemUpdate {
    update.names.insert("#ttl".into(), "ttl".into());
    update.values.insert(":ttl".into(), number(ttl));
    update
}
