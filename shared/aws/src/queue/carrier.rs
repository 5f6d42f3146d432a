//! Carrying dead letters to their queue, for alarms, tools and AWS's own redrive.

use super::message;
use super::requests::Queue;
use crate::clients::Clients;
use crate::config::AwsConfig;
use sluice_model::DeadLetter;
use sluice_ports::PortError;

/// Sends dead letters to the queue of dead letters.
#[derive(Debug)]
pub struct DeadLetterCarrier {
    queue: Queue,
}

impl DeadLetterCarrier {
    /// The configured queue.
    ///
    /// # Errors
    /// If there is no such queue.
    pub async fn open(clients: &Clients, config: &AwsConfig) -> Result<Self, PortError> {
        Ok(Self { queue: Queue::open(clients.sqs.clone(), &config.dead_letter_queue).await? })
    }

    pub(crate) async fn carry(&self, letters: &[DeadLetter]) -> Result<(), PortError> {
        let messages: Vec<_> = letters.iter().map(message::dead_letter).collect();
        self.queue.send(&messages).await
    }
}
