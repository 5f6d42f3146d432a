//! The approximate number of messages in the queues, as SQS tells it.

use super::requests::Queue;
use crate::clients::Clients;
use crate::config::AwsConfig;
use crate::failure;
use aws_sdk_sqs::types::QueueAttributeName;
use sluice_ports::PortError;

/// The counted messages: those that can be received, those that are being worked, and those that
/// are delayed.
const COUNTED: [QueueAttributeName; 3] = [
    QueueAttributeName::ApproximateNumberOfMessages,
    QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    QueueAttributeName::ApproximateNumberOfMessagesDelayed,
];

/// The queues of deliveries and of dead letters.
#[derive(Debug)]
pub struct QueueDepths {
    deliveries: Queue,
    dead_letters: Queue,
}

impl QueueDepths {
    /// The configured queues.
    ///
    /// # Errors
    /// If there is no such queue.
    pub async fn open(clients: &Clients, config: &AwsConfig) -> Result<Self, PortError> {
        Ok(Self {
            deliveries: Queue::open(clients.sqs.clone(), &config.queue).await?,
            dead_letters: Queue::open(clients.sqs.clone(), &config.dead_letter_queue).await?,
        })
    }

    /// The number of messages of deliveries.
    ///
    /// # Errors
    /// If SQS does not answer.
    pub async fn deliveries(&self) -> Result<u64, PortError> {
        depth(&self.deliveries).await
    }

    /// The number of messages of dead letters.
    ///
    /// # Errors
    /// If SQS does not answer.
    pub async fn dead_letters(&self) -> Result<u64, PortError> {
        depth(&self.dead_letters).await
    }
}

async fn depth(queue: &Queue) -> Result<u64, PortError> {
    let request = queue.client.get_queue_attributes().queue_url(&queue.url);
    let sent = request.set_attribute_names(Some(COUNTED.into())).send().await;
    let failed = |error| failure::port_error(format!("count the messages of {}", queue.name), &error);
    let attributes = sent.map_err(failed)?.attributes.unwrap_or_default();
    let count = |name| attributes.get(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    Ok(COUNTED.iter().map(count).sum())
}
