//! Writing a commit to the stores, step by step.

use super::apart::apart;
use super::{Commit, CommitStores};
use crate::notices::CommitNotices;
use crate::parking::rows;
use sluice_model::{DisabledReason, Subscription, SubscriptionStatus};
use sluice_ports::catalogue::CatalogueError;
use sluice_ports::rows::RowChange;
use sluice_ports::{FailureClass, PortError};
use std::sync::Arc;
use std::time::Duration;

/// The longest that disabling a subscription may delay a commit.
const DISABLE_WITHIN: Duration = Duration::from_secs(2);

/// One store's part of a commit.
#[derive(Debug, Clone, Copy)]
pub(super) enum CommitStep {
    Batches,
    Grown,
    Puts,
    DeadLetters,
    /// Product events about this commit.
    Notices,
    Facts,
    Usage,
    Done,
    Shrunk,
    Disable,
}

/// In this order, because a waiting delivery reads its events from the batches.
const STEPS: [CommitStep; 10] = [
    CommitStep::Batches,
    CommitStep::Grown,
    CommitStep::Puts,
    CommitStep::DeadLetters,
    CommitStep::Notices,
    CommitStep::Facts,
    CommitStep::Usage,
    CommitStep::Done,
    CommitStep::Shrunk,
    CommitStep::Disable,
];

/// One attempt to write a commit.
pub(super) struct CommitWriter<'a> {
    pub commit: &'a Commit,
    pub stores: &'a CommitStores,
    pub now_ms: u64,
}

impl CommitWriter<'_> {
    /// Makes the steps after the first `made`, and counts those that succeed. A failed step may be
    /// partly made; repeating it changes nothing.
    pub(super) async fn write_on(&self, made: &mut usize) -> Result<(), PortError> {
        for step in STEPS.iter().skip(*made) {
            match self.make(*step).await {
                // The same call would be refused for ever.
                Err(error) if error.class() == FailureClass::Refused => {
                    tracing::warn!(%error, "a store refused a part of a commit; writing its items one by one");
                    self.make_apart(*step).await?;
                }
                made => made?,
            }
            *made += 1;
        }
        Ok(())
    }

    async fn make(&self, step: CommitStep) -> Result<(), PortError> {
        let Self { commit, stores, .. } = self;
        match step {
            CommitStep::Batches if !commit.batches.is_empty() => {
                stores.events.put_batches(commit.batches.clone()).await
            }
            CommitStep::Grown => {
                self.write_shapes().await?;
                for round in self.grown_rounds() {
                    stores.rows.write_in_any_order(round).await?;
                }
                Ok(())
            }
            CommitStep::Puts if !commit.puts.is_empty() => {
                stores.queue.put(commit.puts.values().cloned().collect()).await
            }
            CommitStep::DeadLetters if !commit.dead_letters.is_empty() => {
                stores.events.put_dead_letters(commit.dead_letters.clone()).await
            }
            CommitStep::Notices => self.tell().await,
            CommitStep::Facts if !commit.facts.is_empty() => {
                stores.events.add_facts(commit.facts.values().cloned().collect()).await
            }
            CommitStep::Usage if !commit.usage.is_empty() => {
                stores.rows.write_in_any_order(commit.usage.clone()).await
            }
            CommitStep::Done if !commit.done.is_empty() => {
                stores.queue.done(commit.done.iter().copied().collect()).await
            }
            CommitStep::Shrunk if !commit.shrunk.is_empty() => {
                stores.rows.write_in_any_order(commit.shrunk.values().cloned().collect()).await
            }
            CommitStep::Disable => {
                for (subscription, reason) in commit.disable.values() {
                    self.disable(subscription, *reason).await;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Makes a step that its store refused, item by item. An item that is refused alone is set
    /// aside.
    async fn make_apart(&self, step: CommitStep) -> Result<(), PortError> {
        let Self { commit, stores, now_ms } = *self;
        for item in apart(commit, step) {
            let alone = CommitWriter { commit: &item.commit(), stores, now_ms };
            match Box::pin(alone.make(step)).await {
                Err(error) if error.class() == FailureClass::Refused => {
                    item.set_aside(stores, &error.to_string(), now_ms).await?;
                }
                made => made?,
            }
        }
        Ok(())
    }

    /// Tells customers about the commit. All that is reported is durable by now, except subscriptions
    /// that the last step disables.
    async fn tell(&self) -> Result<(), PortError> {
        let Self { commit, stores, now_ms } = *self;
        if commit.dead_letters.is_empty() && commit.disable.is_empty() && commit.high.is_empty() {
            return Ok(());
        }
        let told = CommitNotices {
            dead_letters: &commit.dead_letters,
            disabled: commit
                .disable
                .values()
                .map(|(subscription, reason)| (&**subscription, *reason))
                .collect(),
            high: commit.high.values().map(|(subscription, high)| (&**subscription, high)).collect(),
        };
        stores.notices.tell(&told, now_ms).await
    }

    async fn write_shapes(&self) -> Result<(), PortError> {
        if self.commit.shapes.is_empty() {
            return Ok(());
        }
        let rows = self.commit.shapes.values().map(|(_, row)| RowChange::Put(row.clone())).collect();
        self.stores.rows.write_in_any_order(rows).await?;
        self.commit.shapes.values().for_each(|(shape, row)| shape.is_durable(row));
        Ok(())
    }

    /// The rows that grew, in rounds that are written one after the other: each round has the next
    /// row of every list. Lists do not depend on each other, so many lists take no more time than the
    /// longest.
    fn grown_rounds(&self) -> Vec<Vec<RowChange>> {
        let (mut rounds, mut list, mut round) = (Vec::<Vec<RowChange>>::new(), None, 0);
        for ((partition, key), change) in &self.commit.grown {
            let next = Some((partition, rows::list_of(key)));
            round = if next == list { round + 1 } else { 0 };
            list = next;
            if rounds.len() == round {
                rounds.push(Vec::new());
            }
            rounds[round].push(change.clone());
        }
        rounds
    }

    /// Tries once to disable a subscription. A catalogue that is away must not stop deliveries, and
    /// the next 410 or full backlog tries again.
    async fn disable(&self, subscription: &Arc<Subscription>, reason: DisabledReason) {
        let mut disabled = Subscription::clone(subscription);
        disabled.version += 1;
        disabled.updated_at_ms = self.now_ms;
        disabled.status = SubscriptionStatus::Disabled { reason };
        match tokio::time::timeout(DISABLE_WITHIN, self.stores.catalogue.put_subscription(&disabled)).await {
            Ok(Ok(())) => {
                tracing::warn!(subscription = %subscription.id, reason = reason.as_str(), "disabled the subscription");
            }
            // The owner changed or deleted it since, and the owner's change counts.
            Ok(Err(CatalogueError::Conflict(_) | CatalogueError::NotFound)) => {}
            Ok(Err(CatalogueError::Port(error))) => {
                tracing::warn!(subscription = %subscription.id, reason = reason.as_str(), %error, "could not disable the subscription");
            }
            Err(_elapsed) => {
                tracing::warn!(subscription = %subscription.id, reason = reason.as_str(), "the catalogue did not answer in time");
            }
        }
    }
}
