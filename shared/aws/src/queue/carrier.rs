//! Copying dead letters to their queue, for alarms, tools and AWS's own redrive.

use super::message::{self, IDS_MAX, Outgoing};
use super::requests::Queue;
use crate::clients::Clients;
use crate::config::AwsConfig;
use crate::store_metrics::{self as metrics, SideCall};
use sluice_model::DeadLetter;
use sluice_ports::{FailureClass, PortError};

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

    /// Sends dead letters whose items are stored. The items are the truth, so a queue that
    /// refuses the messages or denies access delays nothing.
    pub(crate) async fn carry(&self, letters: &[DeadLetter]) -> Result<(), PortError> {
        let mut ids_max = IDS_MAX;
        let mut left: Vec<&DeadLetter> = letters.iter().collect();
        while !left.is_empty() {
            let messages: Vec<Outgoing> =
                left.iter().map(|letter| message::dead_letter(letter, ids_max)).collect();
            let report = self.queue.send(&messages).await;
            if let Some(error) = report.error {
                if error.class() != FailureClass::Denied {
                    return Err(error);
                }
                metrics::side_call_failed(SideCall::CarryDeadLetters);
                tracing::warn!(%error, "dead letters are stored, but were not copied to their queue");
                return Ok(());
            }
            let Some((_, reason)) = report.refused.first() else { return Ok(()) };
            if ids_max == 0 {
                metrics::side_call_failed(SideCall::CarryDeadLetters);
                let count = report.refused.len();
                tracing::warn!(
                    count,
                    reason,
                    "the dead-letter queue refuses some of the stored dead letters"
                );
                return Ok(());
            }
            // The messages may be too large: try again with fewer ids.
            ids_max /= 4;
            left = report.refused.iter().map(|(place, _)| left[*place]).collect();
        }
        Ok(())
    }
}
