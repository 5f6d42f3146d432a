//! Writing the items of a step of a commit one by one.
//!
//! Adapters split or set aside what their store refuses, so a commit hardly ever sees a refusal.
//! If it does, the step's items are written one by one, so that one item does not stop the
//! others, and an item that is refused alone is set aside. The events that waited in it become a
//! dead letter, which can be redriven.

use super::set_aside::{SetAside, SetAsideKind};
use super::writer::CommitStep;
use super::{Commit, CommitStores, RowId};
use crate::metrics;
use crate::parking::{ParkedEntry, ParkedItem, rows};
use serde::Serialize;
use sluice_model::wire::record::{BlockCodec, RecordEncoder};
use sluice_model::{
    Batch, DeadLetter, DeadLetterId, DeadLetterReason, Delivery, DeliveryId, EventRef, SubscriptionId,
};
use sluice_ports::event_store::{NewBatch, NewFact};
use sluice_ports::log::RecordDraft;
use sluice_ports::rows::{NewRow, Row, RowChange};
use sluice_ports::{FailureClass, PortError};
use std::sync::Arc;

/// One item to write to a store.
#[derive(Debug, Clone)]
pub(super) enum CommitItem {
    Batch(NewBatch),
    Grown(RowId, RowChange),
    Put(Delivery),
    DeadLetter(DeadLetter),
    Fact(NewFact),
    Usage(RowChange),
    Done(SubscriptionId, DeliveryId),
    Shrunk(RowId, RowChange),
}

/// The items of a step, in the order in which they are written.
pub(super) fn apart(commit: &Commit, step: CommitStep) -> Vec<CommitItem> {
    let rows = |rows: &mut dyn Iterator<Item = (&RowId, &RowChange)>,
                item: fn(RowId, RowChange) -> CommitItem| {
        rows.map(|(id, change)| item(id.clone(), change.clone())).collect()
    };
    match step {
        CommitStep::Batches => commit.batches.iter().cloned().map(CommitItem::Batch).collect(),
        CommitStep::Grown => rows(&mut commit.grown.iter(), CommitItem::Grown),
        CommitStep::Puts => commit.puts.values().cloned().map(CommitItem::Put).collect(),
        CommitStep::DeadLetters => commit.dead_letters.iter().cloned().map(CommitItem::DeadLetter).collect(),
        CommitStep::Facts => commit.facts.values().cloned().map(CommitItem::Fact).collect(),
        CommitStep::Usage => commit.usage.iter().cloned().map(CommitItem::Usage).collect(),
        CommitStep::Done => commit.done.iter().map(|(owner, id)| CommitItem::Done(*owner, *id)).collect(),
        CommitStep::Shrunk => rows(&mut commit.shrunk.iter(), CommitItem::Shrunk),
        // The log takes any product event, or is away; the catalogue is asked only once, whatever its
        // answer.
        CommitStep::Notices | CommitStep::Disable => Vec::new(),
    }
}

impl CommitItem {
    /// A commit with only this item.
    pub(super) fn commit(&self) -> Commit {
        let mut commit = Commit::default();
        match self.clone() {
            Self::Batch(new) => commit.batch(new),
            Self::Grown(id, change) => drop(commit.grown.insert(id, change)),
            Self::Put(delivery) => commit.put(delivery),
            Self::DeadLetter(letter) => commit.dead_letter(letter),
            Self::Fact(new) => commit.fact(new),
            Self::Usage(change) => commit.usage.push(change),
            Self::Done(subscription, id) => commit.done(subscription, id),
            Self::Shrunk(id, change) => drop(commit.shrunk.insert(id, change)),
        }
        commit
    }

    /// Sets the item aside, with the store's reason.
    pub(super) async fn set_aside(
        self,
        stores: &CommitStores,
        reason: &str,
        now_ms: u64,
    ) -> Result<(), PortError> {
        let keep = |kind, item: String, bytes| async move {
            SetAside { kind, item, reason, bytes }.keep(&*stores.rows, now_ms).await
        };
        match self {
            Self::Batch(new) => {
                keep(SetAsideKind::Batch, new.batch.id.first().to_string(), record_of(new.batch)).await
            }
            Self::Grown(_, RowChange::Put(row)) | Self::Shrunk(_, RowChange::Put(row)) => {
                keep(SetAsideKind::Row, name_of(&row), row.value.clone()).await?;
                match parked_events(row, now_ms) {
                    Some(delivery) => give_up(delivery, stores).await,
                    None => Ok(()),
                }
            }
            Self::Usage(RowChange::Put(row)) => keep(SetAsideKind::Row, name_of(&row), row.value).await,
            // A row that cannot be removed stays, and its deliveries are repeated.
            Self::Grown(..) | Self::Shrunk(..) | Self::Usage(_) | Self::Done(..) => Ok(()),
            Self::Put(delivery) => {
                keep(SetAsideKind::Delivery, delivery.id.to_string(), bytes_of(&delivery)).await?;
                give_up(delivery, stores).await
            }
            Self::DeadLetter(letter) => {
                keep(SetAsideKind::DeadLetter, letter.id.to_string(), bytes_of(&letter)).await
            }
            Self::Fact(new) => {
                let item = format!("{} of {}", new.batch.first(), new.subscription);
                keep(SetAsideKind::Fact, item, bytes_of(&new.fact)).await
            }
        }
    }
}

fn name_of(row: &NewRow) -> String {
    format!("{} {:02x?}", row.partition, row.key)
}

/// Makes a dead letter of a delivery that has no place to wait. The store may refuse that, too;
/// the delivery's bytes are already set aside.
async fn give_up(delivery: Delivery, stores: &CommitStores) -> Result<(), PortError> {
    let facts = NewFact::given_up(&delivery).collect();
    // The dead letter has the delivery's id, so giving up twice makes one dead letter.
    let id = DeadLetterId::from_u128(delivery.id.as_u128());
    let (reason, events) = (DeadLetterReason::Poison, delivery.event_count());
    let letter = DeadLetter { id, reason, delivery };
    metrics::count_dead_letter(reason, events);
    for written in [stores.events.put_dead_letters(vec![letter]).await, stores.events.add_facts(facts).await]
    {
        match written {
            Err(error) if error.class() == FailureClass::Refused => {
                tracing::error!(%error, "the dead letter of an item that is set aside is refused as well");
            }
            written => written?,
        }
    }
    Ok(())
}

/// The events that wait in a row, as a delivery.
fn parked_events(row: NewRow, now_ms: u64) -> Option<Delivery> {
    let (owner, entry) = rows::read(&Row { key: row.key, value: row.value }).ok()?;
    Some(match entry {
        ParkedEntry::Failed(failed) => failed.delivery,
        ParkedEntry::Chunk(_, items) => {
            let events = |item: ParkedItem| EventRef { batch: item.batch, events: item.events };
            owner.delivery(items.into_iter().map(events).collect(), now_ms)
        }
    })
}

fn record_of(batch: Arc<Batch>) -> Vec<u8> {
    let (lane, batches) = (Some(batch.lane()), vec![batch]);
    let record = RecordDraft { lane, producer: 0, sequence: 0, batches, parts: Vec::new() };
    let mut bytes = Vec::new();
    if let Ok(mut encoder) = RecordEncoder::new(BlockCodec::Zstd(1)) {
        encoder.encode(&record, &mut bytes);
    }
    bytes
}

fn bytes_of(item: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(item).expect("items are plain data")
}
