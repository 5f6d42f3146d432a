//! Items of a commit that a store will never take as they are.
//!
//! Adapters split or set aside what their store refuses, so a commit hardly ever
//! sees a refusal. Where it does, the step's items are written one by one, so
//! that one item stops no other, and an item that is refused alone is set aside
//! in rows with its bytes and the reason:
//!
//! ```text
//! partition            key                                       value
//! set-aside/<kind>     digest of the item 16, piece u16 (BE)     version 1, postcard of [`Piece`]
//! ```
//!
//! Events that waited in it become a dead letter, which can be redriven.

use super::{Commit, CommitStep, CommitStores};
use crate::metrics;
use crate::parking::{ParkedEntry, ParkedItem, rows};
use serde::Serialize;
use sluice_model::wire::record::{BlockCodec, RecordEncoder};
use sluice_model::{Batch, DeadLetter, DeadLetterId, DeadLetterReason, Delivery, EventRef};
use sluice_ports::event_store::{NewBatch, NewFact};
use sluice_ports::log::RecordDraft;
use sluice_ports::rows::{NewRow, Row, RowChange};
use sluice_ports::{FailureClass, PortError, Rows};
use std::sync::Arc;

const VERSION: u8 = 1;
/// Bytes of one piece: small enough for any store.
const PIECE_BYTES_MAX: usize = 64 << 10;
/// Of a store's words.
const REASON_CHARS_MAX: usize = 1000;
/// How long an item is kept that was set aside.
const KEEP_MS: u64 = 90 * 86_400_000;

/// A kind of item that can be set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetAsideKind {
    /// A batch that a consumer matched.
    Batch,
    /// A row.
    Row,
    /// A delivery that was to wait.
    Delivery,
    /// A dead letter.
    DeadLetter,
    /// A fact.
    Fact,
}

impl SetAsideKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Batch, Self::Row, Self::Delivery, Self::DeadLetter, Self::Fact];

    /// Its name in metrics and partitions.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Row => "row",
            Self::Delivery => "delivery",
            Self::DeadLetter => "dead_letter",
            Self::Fact => "fact",
        }
    }
}

/// A part of an item that was set aside.
#[derive(Debug, Serialize)]
struct Piece<'a> {
    /// The item's id or key.
    item: &'a str,
    /// What the store said.
    reason: &'a str,
    /// How many pieces the item has.
    pieces: u16,
    bytes: &'a [u8],
}

/// An item that a store refused.
pub struct SetAside<'a> {
    /// Its kind.
    pub kind: SetAsideKind,
    /// Its id or key, for people.
    pub item: String,
    /// What the store said.
    pub reason: &'a str,
    /// The item itself.
    pub bytes: Vec<u8>,
}

impl SetAside<'_> {
    /// Keeps the item with its bytes and the reason, and counts it. Repeating
    /// it for the same item changes nothing.
    ///
    /// # Errors
    /// If the rows are away, or refuse even this: then the store is wrong, not the item.
    pub async fn keep(&self, stores: &dyn Rows, now_ms: u64) -> Result<(), PortError> {
        let written = stores.write_in_any_order(self.rows(now_ms)).await;
        written.map_err(|error| match error.class() {
            FailureClass::Refused => {
                let what = format!("set aside {} {}", self.kind.as_str(), self.item);
                PortError::failed(FailureClass::Denied, what, error)
            }
            _ => error,
        })?;
        metrics::count_set_aside(self.kind);
        let (kind, item, reason) = (self.kind.as_str(), &self.item, self.reason);
        tracing::error!(kind, item, reason, "a store will never take an item; it is set aside");
        Ok(())
    }

    fn rows(&self, now_ms: u64) -> Vec<RowChange> {
        let reason: String = self.reason.chars().take(REASON_CHARS_MAX).collect();
        let chunks: Vec<&[u8]> = match self.bytes.is_empty() {
            true => vec![&[]],
            false => self.bytes.chunks(PIECE_BYTES_MAX).collect(),
        };
        let pieces = u16::try_from(chunks.len()).unwrap_or(u16::MAX);
        let digest = digest(self.item.as_bytes(), &self.bytes);
        let row = |(number, bytes): (usize, &[u8])| {
            let piece = Piece { item: &self.item, reason: &reason, pieces, bytes };
            RowChange::Put(NewRow {
                partition: format!("set-aside/{}", self.kind.as_str()),
                key: [&digest[..], &(number as u16).to_be_bytes()].concat(),
                value: postcard::to_extend(&piece, vec![VERSION]).expect("rows are plain data"),
                expires_at_ms: Some(now_ms + KEEP_MS),
                needs_from_ms: None,
            })
        };
        chunks.into_iter().take(usize::from(u16::MAX)).enumerate().map(row).collect()
    }
}

/// The first half of the SHA-256 of an item: its place among those that were set aside.
fn digest(item: &[u8], bytes: &[u8]) -> [u8; 16] {
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    hash.update(item);
    hash.update(&[0]);
    hash.update(bytes);
    let mut half = [0; 16];
    half.copy_from_slice(&hash.finish().as_ref()[..16]);
    half
}

impl Commit {
    /// Makes a step whose store refused it, item by item. An item that is
    /// refused alone is set aside.
    pub(super) async fn make_apart(
        &self,
        step: CommitStep,
        stores: &CommitStores,
        now_ms: u64,
    ) -> Result<(), PortError> {
        for item in self.apart(step) {
            match Box::pin(item.make(step, stores, now_ms)).await {
                Err(error) if error.class() == FailureClass::Refused => {
                    item.set_aside(stores, &error.to_string(), now_ms).await?;
                }
                made => made?,
            }
        }
        Ok(())
    }

    /// A commit for each item of a step, in the order in which they are written.
    fn apart(&self, step: CommitStep) -> Vec<Self> {
        let mut apart = Vec::new();
        let mut one = |fill: &dyn Fn(&mut Self)| {
            let mut commit = Self::default();
            fill(&mut commit);
            apart.push(commit);
        };
        match step {
            CommitStep::Batches => {
                self.batches.iter().for_each(|new| one(&|commit| commit.batch(new.clone())));
            }
            CommitStep::Grown => self.grown.iter().for_each(|(id, change)| {
                one(&|commit| drop(commit.grown.insert(id.clone(), change.clone())));
            }),
            CommitStep::Puts => self.puts.values().for_each(|new| one(&|commit| commit.put(new.clone()))),
            CommitStep::DeadLetters => {
                self.dead_letters.iter().for_each(|new| one(&|commit| commit.dead_letter(new.clone())));
            }
            CommitStep::Facts => self.facts.values().for_each(|new| one(&|commit| commit.fact(new.clone()))),
            CommitStep::Usage => {
                self.usage.iter().for_each(|change| one(&|commit| commit.usage.push(change.clone())));
            }
            CommitStep::Done => {
                self.done
                    .iter()
                    .for_each(|(subscription, id)| one(&|commit| commit.done(*subscription, *id)));
            }
            CommitStep::Shrunk => self.shrunk.iter().for_each(|(id, change)| {
                one(&|commit| drop(commit.shrunk.insert(id.clone(), change.clone())));
            }),
            // The log takes any event of the product, or is away.
            CommitStep::Notices => {}
            // It asks the catalogue once, whatever the answer.
            CommitStep::Disable => {}
        }
        apart
    }

    /// Sets the one item of this commit aside.
    async fn set_aside(self, stores: &CommitStores, reason: &str, now_ms: u64) -> Result<(), PortError> {
        let keep = |kind, item: String, bytes| async move {
            SetAside { kind, item, reason, bytes }.keep(&*stores.rows, now_ms).await
        };
        for NewBatch { batch, .. } in self.batches {
            keep(SetAsideKind::Batch, batch.id.first().to_string(), record_of(batch)).await?;
        }
        for change in self.grown.into_values().chain(self.shrunk.into_values()) {
            // A row that is to go and cannot stays: what it says is done again.
            let RowChange::Put(row) = change else { continue };
            keep(SetAsideKind::Row, format!("{} {:02x?}", row.partition, row.key), row.value.clone()).await?;
            if let Some(delivery) = parked_events(row, now_ms) {
                give_up(delivery, stores).await?;
            }
        }
        for change in self.usage {
            let RowChange::Put(row) = change else { continue };
            keep(SetAsideKind::Row, format!("{} {:02x?}", row.partition, row.key), row.value).await?;
        }
        for delivery in self.puts.into_values() {
            keep(SetAsideKind::Delivery, delivery.id.to_string(), bytes_of(&delivery)).await?;
            give_up(delivery, stores).await?;
        }
        for letter in self.dead_letters {
            keep(SetAsideKind::DeadLetter, letter.id.to_string(), bytes_of(&letter)).await?;
        }
        for new in self.facts.into_values() {
            let item = format!("{} of {}", new.batch.first(), new.subscription);
            keep(SetAsideKind::Fact, item, bytes_of(&new.fact)).await?;
        }
        Ok(())
    }
}

/// Makes a dead letter of a delivery that has no place to wait. The store may
/// refuse that, too: the delivery's bytes are set aside already.
async fn give_up(delivery: Delivery, stores: &CommitStores) -> Result<(), PortError> {
    let facts = NewFact::given_up(&delivery).collect();
    // The id is the delivery's: given up twice, it is one dead letter.
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
