//! Reads a list that comes in pages, item by item.

use crate::core::Core;
use crate::error::SdkError;
use crate::request::QueryPairs;
use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::Arc;

/// Every item of every page; a page is fetched when its first item is needed.
#[derive(Debug)]
pub struct Pages<T> {
    core: Arc<Core>,
    path: String,
    query: Result<QueryPairs, SdkError>,
    items: &'static str,
    page: VecDeque<Value>,
    cursor: Option<String>,
    is_over: bool,
    item: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Pages<T> {
    pub(crate) fn new<Q: Serialize>(core: Arc<Core>, path: &str, query: &Q, items: &'static str) -> Self {
        let query = QueryPairs::of(query);
        Self {
            core,
            path: path.to_owned(),
            query,
            items,
            page: VecDeque::new(),
            cursor: None,
            is_over: false,
            item: PhantomData,
        }
    }

    /// The next item, or `None` after the last. After an error the next call tries again.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn next(&mut self) -> Result<Option<T>, SdkError> {
        loop {
            if let Some(item) = self.page.pop_front() {
                return serde_json::from_value(item)
                    .map(Some)
                    .map_err(|error| SdkError::Answer(error.to_string()));
            }
            if self.is_over {
                return Ok(None);
            }
            self.turn().await?;
        }
    }

    async fn turn(&mut self) -> Result<(), SdkError> {
        let query = self.query.clone()?;
        let query = match &self.cursor {
            Some(cursor) => query.with("cursor", Some(cursor)),
            None => query,
        };
        let request = self.core.target.prepare(Method::GET, &self.path, &query, None)?;
        let mut page: Value = self.core.send(&request).await?.value()?;
        self.cursor = page["cursor"].as_str().map(str::to_owned);
        self.is_over = page["has_more"] != true || self.cursor.is_none();
        match page.get_mut(self.items).map(Value::take) {
            Some(Value::Array(items)) => self.page = items.into(),
            _ => return Err(SdkError::Answer(format!("a page has no {}", self.items))),
        }
        Ok(())
    }
}
