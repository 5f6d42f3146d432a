//! The requests of a queue.

use super::settings::QueueSettings;
use crate::failure;
use crate::pauses::Pauses;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
    MessageSystemAttributeName, QueueAttributeName,
};
use futures_util::future::ready;
use futures_util::stream::{self, StreamExt as _};
use sluice_ports::{FailureClass, PortError};

/// The most messages that one request receives.
pub(super) const RECEIVED_MAX: usize = 10;
/// The most messages of one batch request.
pub(super) const BATCH_MAX: usize = 10;
/// The most requests at a time.
pub(super) const REQUESTS_MAX: usize = 8;
/// The most attempts in a row without progress.
pub(super) const TRIES: u32 = 5;

/// A received message.
#[derive(Debug)]
pub(super) struct ReceivedMessage {
    pub(super) body: String,
    pub(super) receipt: String,
    /// How often it was received, this time included.
    pub(super) receives: u32,
}

/// What a batch request left undone, and why.
#[derive(Debug, Default)]
pub(super) struct Undone {
    pub(super) receipts: Vec<String>,
    pub(super) error: Option<PortError>,
}

/// A queue.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(super) client: aws_sdk_sqs::Client,
    pub(super) url: String,
    pub(super) name: String,
    /// The queue's settings when it was opened, if it told them.
    pub(crate) settings: QueueSettings,
}

impl Queue {
    /// Finds the queue `name`.
    pub(crate) async fn open(client: aws_sdk_sqs::Client, name: &str) -> Result<Self, PortError> {
        let attempted = || format!("find the queue {name}");
        let sent = client.get_queue_url().queue_name(name).send().await;
        let answer = sent.map_err(|error| failure::port_error(attempted(), &error))?;
        let missing = || PortError::failed(FailureClass::Denied, attempted(), "the answer has no URL");
        let url = answer.queue_url.ok_or_else(missing)?;
        let asked = client.get_queue_attributes().queue_url(&url);
        let attributes = match asked.attribute_names(QueueAttributeName::All).send().await {
            Ok(answer) => answer.attributes.unwrap_or_default(),
            // Nothing depends on the settings: a message that is too large is split when it is refused.
            Err(error) => {
                let error = failure::port_error(format!("read the settings of the queue {name}"), &error);
                tracing::warn!(%error, "the queue's settings cannot be checked");
                std::collections::HashMap::new()
            }
        };
        Ok(Self { client, url, name: name.to_owned(), settings: QueueSettings::read(&attributes) })
    }

    /// Receives up to `max` messages; waits `wait_s` seconds for the first.
    pub(super) async fn receive(
        &self,
        max: usize,
        wait_s: i32,
        visibility_s: i32,
    ) -> Result<Vec<ReceivedMessage>, PortError> {
        let request = self.client.receive_message().queue_url(&self.url);
        let sent = request
            .max_number_of_messages(max.clamp(1, RECEIVED_MAX) as i32)
            .wait_time_seconds(wait_s)
            .visibility_timeout(visibility_s)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .send()
            .await;
        let attempted = || format!("receive from the queue {}", self.name);
        let answer = sent.map_err(|error| failure::port_error(attempted(), &error))?;
        let messages = answer.messages.unwrap_or_default().into_iter();
        Ok(messages.filter_map(received).collect())
    }

    /// Deletes messages. A message whose receipt is no longer valid was received by another
    /// process or is gone, and counts as deleted.
    pub(super) async fn delete(&self, receipts: Vec<String>) -> Undone {
        let undone = stream::iter(chunks(&receipts)).map(|chunk| self.delete_batch(chunk));
        undone.buffer_unordered(REQUESTS_MAX).fold(Undone::default(), |all, one| ready(all.join(one))).await
    }

    async fn delete_batch(&self, receipts: Vec<String>) -> Undone {
        let attempted = || format!("delete from the queue {}", self.name);
        let mut left = receipts;
        let mut pauses = Pauses::new(TRIES - 1);
        loop {
            let entries = left.iter().enumerate().map(|(place, receipt)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(place.to_string());
                entry.receipt_handle(receipt).build().expect("the id and the receipt are set")
            });
            let request = self.client.delete_message_batch().queue_url(&self.url);
            let answer = match request.set_entries(Some(entries.collect())).send().await {
                Ok(answer) => answer,
                Err(error) => {
                    return Undone { receipts: left, error: Some(failure::port_error(attempted(), &error)) };
                }
            };
            // A fault of the sender will not go away.
            let failed = answer.failed().iter().filter(|failed| !failed.sender_fault());
            let before = left.len();
            left =
                failed.filter_map(|failed| left.get(failed.id().parse::<usize>().ok()?).cloned()).collect();
            if left.is_empty() {
                return Undone::default();
            }
            if left.len() < before {
                pauses.progress();
            }
            if !pauses.pause().await {
                let words = format!("{} messages were not deleted", left.len());
                let error = PortError::failed(FailureClass::Busy, attempted(), words);
                return Undone { receipts: left, error: Some(error) };
            }
        }
    }

    /// Sets how long messages stay invisible from now on. If it fails for a message, the
    /// message comes back too early or too late, which does no harm.
    pub(super) async fn set_visibility(&self, receipts: Vec<String>, seconds: i32) -> Result<(), PortError> {
        let change = stream::iter(chunks(&receipts)).map(|chunk| self.set_visibility_batch(chunk, seconds));
        let first_error = |all: Result<(), PortError>, one| ready(all.and(one));
        change.buffer_unordered(REQUESTS_MAX).fold(Ok(()), first_error).await
    }

    async fn set_visibility_batch(&self, receipts: Vec<String>, seconds: i32) -> Result<(), PortError> {
        let entries = receipts.iter().enumerate().map(|(place, receipt)| {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(place.to_string());
            let entry = entry.receipt_handle(receipt).visibility_timeout(seconds);
            entry.build().expect("the id and the receipt are set")
        });
        let request = self.client.change_message_visibility_batch().queue_url(&self.url);
        let sent = request.set_entries(Some(entries.collect())).send().await;
        let attempted = || format!("change messages of the queue {}", self.name);
        sent.map(drop).map_err(|error| failure::port_error(attempted(), &error))
    }
}

impl Undone {
    fn join(mut self, other: Self) -> Self {
        self.receipts.extend(other.receipts);
        Self { receipts: self.receipts, error: self.error.or(other.error) }
    }
}

fn chunks(receipts: &[String]) -> Vec<Vec<String>> {
    receipts.chunks(BATCH_MAX).map(<[String]>::to_vec).collect()
}

fn received(message: Message) -> Option<ReceivedMessage> {
    let count = message.attributes.as_ref();
    let count = count.and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount));
    let receives = count.and_then(|count| count.parse().ok()).unwrap_or(1);
    Some(ReceivedMessage { body: message.body?, receipt: message.receipt_handle?, receives })
}
