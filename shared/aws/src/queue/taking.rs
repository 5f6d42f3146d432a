//! Taking deliveries: receiving messages and carrying out their verdicts.
//!
//! No received delivery can be stranded: it counts as taken only while a
//! [`TakenDeliveries`] holds it, which gives back the deliveries that it still has when it
//! is dropped. If a request beside a delivery's own path fails, the failure is counted
//! and logged, and delays nothing.

use super::QueueState;
use super::requests::{RECEIVED_MAX, ReceivedMessage};
use super::verdict::{MessageJudge, MessageVerdict, WantedDeliveries};
use crate::store_metrics::{self as metrics, SideCall};
use sluice_model::Delivery;
use sluice_ports::PortError;
use std::sync::Arc;

/// The most receive requests of one take.
const RECEIVES_MAX: usize = 4;

/// Taken deliveries. Those that nobody takes over go back to the queue.
pub(super) struct TakenDeliveries {
    deliveries: Vec<Delivery>,
    inner: Arc<QueueState>,
}

impl TakenDeliveries {
    const fn nothing(inner: Arc<QueueState>) -> Self {
        Self { deliveries: Vec::new(), inner }
    }

    /// Gives the deliveries to the caller, who must put them again or end them.
    pub(super) fn take_over(mut self) -> Vec<Delivery> {
        std::mem::take(&mut self.deliveries)
    }
}

impl Drop for TakenDeliveries {
    fn drop(&mut self) {
        if self.deliveries.is_empty() {
            return;
        }
        let receipts = self.inner.book.lock().give_back(&self.deliveries);
        // If the runtime is ending, the deliveries come back once they are visible again.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let inner = Arc::clone(&self.inner);
        runtime.spawn(async move { inner.set_visibility(receipts, 0).await });
    }
}

/// Messages to handle together once all verdicts are known.
#[derive(Default)]
struct Leftovers {
    delete: Vec<String>,
    postpone: Vec<String>,
}

impl QueueState {
    /// Receives messages and carries out their verdicts.
    pub(super) async fn take(
        self: Arc<Self>,
        wanted: &WantedDeliveries,
    ) -> Result<TakenDeliveries, PortError> {
        let (messages, failed) = self.receive(wanted.max).await;
        let mut taken = TakenDeliveries::nothing(Arc::clone(&self));
        let mut judge = MessageJudge::new(wanted, self.receives_max, self.clock.now_ms());
        let mut verdicts = Vec::with_capacity(messages.len());
        {
            let mut book = self.book.lock();
            for received in messages {
                match judge.judge(&received, &mut book) {
                    MessageVerdict::GiveOut(delivery) => taken.deliveries.push(delivery),
                    verdict => verdicts.push((verdict, received.receipt)),
                }
            }
        }
        let mut leftovers = Leftovers::default();
        for (verdict, receipt) in verdicts {
            self.act(verdict, receipt, &mut leftovers).await;
        }
        self.delete(leftovers.delete).await;
        if !leftovers.postpone.is_empty() {
            let stay_s = self.postponed.lock().postpone(leftovers.postpone.len(), self.clock.now_ms());
            self.set_visibility(leftovers.postpone, stay_s as i32).await;
        }
        match failed {
            Some(error) if taken.deliveries.is_empty() => Err(error),
            _ => Ok(taken),
        }
    }

    async fn receive(&self, max: usize) -> (Vec<ReceivedMessage>, Option<PortError>) {
        let receives = max.div_ceil(RECEIVED_MAX).clamp(1, RECEIVES_MAX);
        // Only the first request waits; the others take the messages that are there.
        let received = (0..receives).map(|turn| {
            let wait_s = if turn == 0 { self.wait_s } else { 0 };
            self.queue.receive(max.min(RECEIVED_MAX), wait_s, self.visibility_s)
        });
        let (mut messages, mut failed) = (Vec::new(), None);
        for page in futures_util::future::join_all(received).await {
            match page {
                Ok(page) => messages.extend(page),
                Err(error) => failed = Some(error),
            }
        }
        (messages, failed)
    }

    /// Carries out a verdict. If that fails, the message stays in the queue and comes again.
    async fn act(&self, verdict: MessageVerdict, receipt: String, leftovers: &mut Leftovers) {
        let (call, done) = match verdict {
            MessageVerdict::GiveOut(_) | MessageVerdict::Ignore => return,
            MessageVerdict::Delete => return leftovers.delete.push(receipt),
            MessageVerdict::Postpone => return leftovers.postpone.push(receipt),
            MessageVerdict::Unreadable(error) => {
                tracing::error!(error, "a message of the work queue cannot be read");
                return leftovers.postpone.push(receipt);
            }
            MessageVerdict::SendOn(delivery) => (SideCall::SendOn, self.send_on(delivery).await),
            MessageVerdict::PostponeAnew(delivery) => {
                let stay_s = self.postponed.lock().postpone(1, self.clock.now_ms());
                let anew = Delivery { due_ms: self.clock.now_ms() + stay_s * 1000, ..delivery };
                (SideCall::SendOn, self.send_on(anew).await)
            }
            MessageVerdict::GiveUp(delivery) => {
                tracing::error!(delivery = %delivery.id, receives = self.receives_max, "no process finished this delivery; it becomes a dead letter");
                match self.give_up(delivery.clone()).await {
                    // Its message stays until the dead letter is counted.
                    Ok(()) => return self.given_up.lock().push(delivery),
                    Err(error) => {
                        self.book.lock().give_back(&[delivery]);
                        (SideCall::GiveUp, Err(error))
                    }
                }
            }
            MessageVerdict::Revive(letter) => (SideCall::Revive, self.revive(&letter).await),
        };
        match done {
            Ok(()) => leftovers.delete.push(receipt),
            Err(error) => {
                metrics::side_call_failed(call);
                tracing::warn!(%error, ?call, "a message of the work queue was not handled; it will come again");
            }
        }
    }

    /// Deletes messages. Returns whether all are deleted. The others are deleted later, and
    /// may come again before.
    pub(super) async fn delete(&self, receipts: Vec<String>) -> bool {
        if receipts.is_empty() {
            return true;
        }
        let undone = self.queue.delete(receipts).await;
        let Some(error) = undone.error else { return true };
        metrics::side_call_failed(SideCall::DeleteMessages);
        tracing::warn!(%error, "messages that are no longer needed could not be deleted yet");
        self.undeleted.lock().add(undone.receipts);
        false
    }

    pub(super) async fn set_visibility(&self, receipts: Vec<String>, seconds: i32) {
        if receipts.is_empty() {
            return;
        }
        if let Err(error) = self.queue.set_visibility(receipts, seconds).await {
            metrics::side_call_failed(SideCall::ChangeVisibility);
            tracing::warn!(%error, "cannot set how long messages stay invisible; they come back too early or too late");
        }
    }
}
