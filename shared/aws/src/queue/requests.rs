//! The requests of a queue: ten messages each, what fails of them tried again.

use super::message::Outgoing;
use crate::failure;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
    MessageSystemAttributeName, SendMessageBatchRequestEntry,
};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use sluice_ports::PortError;
use std::time::Duration;

/// Messages that one request receives at the most.
pub(super) const RECEIVED_MAX: usize = 10;
/// Messages of one batch, and their bytes: SQS takes 10 and 1 MiB.
const BATCH_MAX: usize = 10;
const BATCH_BYTES_MAX: usize = 900 << 10;
/// Requests at a time.
const REQUESTS_MAX: usize = 8;
/// Tries at what a batch left undone.
const TRIES: u32 = 5;

/// A message that came.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) body: String,
    pub(super) receipt: String,
    /// How often it has come, this time included.
    pub(super) receives: u32,
}

/// A queue.
#[derive(Debug)]
pub(super) struct Queue {
    client: aws_sdk_sqs::Client,
    url: String,
    name: String,
}

impl Queue {
    /// The queue of that name.
    pub(super) async fn open(client: aws_sdk_sqs::Client, name: &str) -> Result<Self, PortError> {
        let what = || format!("find the queue {name}");
        let sent = client.get_queue_url().queue_name(name).send().await;
        let answer = sent.map_err(|error| failure::unavailable(what(), &error))?;
        let url = answer.queue_url.ok_or_else(|| PortError::unavailable(what(), "it has no URL"))?;
        Ok(Self { client, url, name: name.to_owned() })
    }

    /// Sends messages; all of them are stored when it answers.
    pub(super) async fn send(&self, messages: &[Outgoing]) -> Result<(), PortError> {
        let (mut chunks, mut bytes): (Vec<Vec<&Outgoing>>, usize) = (Vec::new(), 0);
        for message in messages {
            match chunks.last_mut() {
                Some(last) if last.len() < BATCH_MAX && bytes + message.body.len() <= BATCH_BYTES_MAX => {
                    last.push(message);
                    bytes += message.body.len();
                }
                _ => {
                    chunks.push(vec![message]);
                    bytes = message.body.len();
                }
            }
        }
        let send: Vec<_> = chunks.into_iter().map(|chunk| self.send_batch(chunk)).collect();
        stream::iter(send).buffer_unordered(REQUESTS_MAX).try_collect().await
    }

    async fn send_batch(&self, messages: Vec<&Outgoing>) -> Result<(), PortError> {
        let what = || format!("send to the queue {}", self.name);
        let mut left: Vec<usize> = (0..messages.len()).collect();
        let mut wait = Duration::from_millis(25);
        let mut why = String::new();
        for _ in 0..TRIES {
            let entries = left.iter().map(|place| {
                let message = messages[*place];
                SendMessageBatchRequestEntry::builder()
                    .id(place.to_string())
                    .message_body(&message.body)
                    .delay_seconds(message.delay_s)
                    .message_group_id(&message.group)
                    .build()
                    .expect("it has an id and a body")
            });
            let request = self.client.send_message_batch().queue_url(&self.url);
            let sent = request.set_entries(Some(entries.collect())).send().await;
            let answer = sent.map_err(|error| failure::unavailable(what(), &error))?;
            let stored: Vec<usize> =
                answer.successful().iter().filter_map(|of| of.id().parse().ok()).collect();
            left.retain(|place| !stored.contains(place));
            if left.is_empty() {
                return Ok(());
            }
            why = answer.failed().iter().map(|of| of.code().to_owned()).collect::<Vec<_>>().join(", ");
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        Err(PortError::unavailable(what(), format!("{} messages were not stored: {why}", left.len())))
    }

    /// Receives up to `max` messages; waits `wait_s` seconds for the first.
    pub(super) async fn receive(
        &self,
        max: usize,
        wait_s: i32,
        visibility_s: i32,
    ) -> Result<Vec<Received>, PortError> {
        let request = self.client.receive_message().queue_url(&self.url);
        let sent = request
            .max_number_of_messages(max.clamp(1, RECEIVED_MAX) as i32)
            .wait_time_seconds(wait_s)
            .visibility_timeout(visibility_s)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .send()
            .await;
        let what = || format!("receive from the queue {}", self.name);
        let answer = sent.map_err(|error| failure::unavailable(what(), &error))?;
        let messages = answer.messages.unwrap_or_default().into_iter();
        Ok(messages.filter_map(received).collect())
    }

    /// Deletes messages. One whose receipt no longer counts has gone to
    /// somebody else, or is gone: both are as good.
    pub(super) async fn delete(&self, receipts: &[String]) -> Result<(), PortError> {
        let what = || format!("delete from the queue {}", self.name);
        let delete = receipts.chunks(BATCH_MAX).map(|chunk| async move {
            let mut left: Vec<usize> = (0..chunk.len()).collect();
            let mut wait = Duration::from_millis(25);
            for _ in 0..TRIES {
                let entries = left.iter().map(|place| {
                    let entry = DeleteMessageBatchRequestEntry::builder().id(place.to_string());
                    entry.receipt_handle(&chunk[*place]).build().expect("it has an id and a receipt")
                });
                let request = self.client.delete_message_batch().queue_url(&self.url);
                let sent = request.set_entries(Some(entries.collect())).send().await;
                let answer = sent.map_err(|error| failure::unavailable(what(), &error))?;
                // What is the sender's fault will not get better.
                left = answer
                    .failed()
                    .iter()
                    .filter(|of| !of.sender_fault())
                    .filter_map(|of| of.id().parse().ok())
                    .collect();
                if left.is_empty() {
                    return Ok(());
                }
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            Err(PortError::unavailable(what(), format!("{} messages were not deleted", left.len())))
        });
        let delete: Vec<_> = delete.collect();
        stream::iter(delete).buffer_unordered(REQUESTS_MAX).try_collect().await
    }

    /// Sets how long messages stay invisible from now on. What fails of it
    /// comes back too early or too late, which is no harm.
    pub(super) async fn set_visibility(&self, receipts: &[String], seconds: i32) -> Result<(), PortError> {
        let what = || format!("change messages of the queue {}", self.name);
        let change = receipts.chunks(BATCH_MAX).map(|chunk| async move {
            let entries = chunk.iter().enumerate().map(|(place, receipt)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(place.to_string());
                entry
                    .receipt_handle(receipt)
                    .visibility_timeout(seconds)
                    .build()
                    .expect("it has an id and a receipt")
            });
            let request = self.client.change_message_visibility_batch().queue_url(&self.url);
            let sent = request.set_entries(Some(entries.collect())).send().await;
            sent.map(drop).map_err(|error| failure::unavailable(what(), &error))
        });
        let change: Vec<_> = change.collect();
        stream::iter(change).buffer_unordered(REQUESTS_MAX).try_collect().await
    }
}

fn received(message: Message) -> Option<Received> {
    let count = message.attributes.as_ref();
    let count = count.and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount));
    let receives = count.and_then(|count| count.parse().ok()).unwrap_or(1);
    Some(Received { body: message.body?, receipt: message.receipt_handle?, receives })
}
