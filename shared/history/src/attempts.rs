//! The history of attempts: for each subscription the newest few, kept for a
//! week through restarts, written at most once a second.
//!
//! A subscription's attempts are a ring of [`SLOTS`] rows for each process that
//! delivers for it: new attempts overwrite the oldest row, so nothing needs to be
//! deleted. Attempts of one write share a row, since a store bills by the row; a
//! row is a JSON array of attempts (in older data one attempt as an object).
//!
//! Besides the fields of [`AttemptRecord`] an attempt has `carried`, which tells the events
//! of its webhook: in base64 without padding, the postcard of a list with the id (16 bytes,
//! big-endian) and the [`EventSet`] of each batch. If those of a row would take more than
//! [`CARRIED_BYTES_MAX`], some attempts have no `carried`: they are listed for their
//! subscription, but not for an event. Older attempts have none, either.

#[cfg(any(test, feature = "contract"))]
pub mod contract;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sluice_model::wire::bytes_reader::BytesReader;
use sluice_model::{AttemptRecord, BatchId, EventId, EventRef, EventSet, SubscriptionId};
use sluice_ports::PortError;
use sluice_ports::rows::{NewRow, RowChange, Rows};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// Rows that each process keeps for a subscription; each holds at least one attempt.
pub const SLOTS: u16 = 128;

/// The most attempts of a row. With their excerpts they stay far below the most
/// bytes of a row (`VALUE_BYTES_MAX` of the rows port).
const ROW_ATTEMPTS_MAX: usize = 16;

/// The most bytes of a row that tell which events its attempts carried; failed attempts
/// come first.
pub const CARRIED_BYTES_MAX: usize = 4096;

/// How long an attempt is kept.
const KEPT_MS: u64 = 7 * 24 * 3_600_000;

/// The most subscriptions whose next slot is remembered.
const KNOWN_MAX: usize = 100_000;

/// The most rows that a reader reads, of all processes together.
const READ_MAX: usize = 4096;

/// Writes and reads attempts.
pub struct AttemptHistory {
    rows: Arc<dyn Rows>,
    /// This process's number, with which the keys of its rings begin.
    writer: u64,
    next: Mutex<HashMap<SubscriptionId, u16>>,
}

fn partition(subscription: SubscriptionId) -> String {
    format!("attempts/{subscription}")
}

/// An attempt as it is stored in a row.
#[derive(Serialize, Deserialize)]
struct StoredAttempt<'a> {
    #[serde(flatten)]
    record: Cow<'a, AttemptRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    carried: Option<String>,
}

impl StoredAttempt<'_> {
    fn read(self) -> Result<AttemptRecord, PortError> {
        let mut record = self.record.into_owned();
        if let Some(carried) = self.carried {
            let bytes = STANDARD_NO_PAD.decode(carried).map_err(damaged)?;
            let parts: Vec<([u8; 16], EventSet)> = postcard::from_bytes(&bytes).map_err(damaged)?;
            let parts = parts.into_iter();
            record.carried =
                parts.map(|(id, events)| EventRef { batch: BatchId::from_bytes(id), events }).collect();
        }
        Ok(record)
    }
}

fn damaged(error: impl std::fmt::Display) -> PortError {
    PortError::Damaged { attempted: "read attempts".into(), detail: error.to_string() }
}

/// The attempts of a row, the oldest first.
fn decode(value: &[u8]) -> Result<Vec<AttemptRecord>, PortError> {
    let read: Result<Vec<StoredAttempt<'_>>, _> = match value.first() {
        Some(b'{') => serde_json::from_slice(value).map(|one| vec![one]),
        _ => serde_json::from_slice(value),
    };
    read.map_err(damaged)?.into_iter().map(StoredAttempt::read).collect()
}

fn encode(records: &[Arc<AttemptRecord>]) -> Vec<u8> {
    let mut stored: Vec<StoredAttempt<'_>> = records
        .iter()
        .map(|record| StoredAttempt { record: Cow::Borrowed(&**record), carried: None })
        .collect();
    let mut left = CARRIED_BYTES_MAX;
    for taken in [false, true] {
        for one in stored.iter_mut().filter(|one| one.record.is_taken() == taken) {
            one.carried = carried(&one.record.carried, left);
            left -= one.carried.as_ref().map_or(0, String::len);
        }
    }
    serde_json::to_vec(&stored).expect("an attempt is plain data")
}

/// The events of a webhook as they are stored, if they fit `bytes_max` bytes.
fn carried(events: &[EventRef], bytes_max: usize) -> Option<String> {
    // Each batch takes at least 18 bytes: a list that is far too long is not encoded at all.
    if events.is_empty() || events.len() > bytes_max / 18 {
        return None;
    }
    let parts: Vec<([u8; 16], &EventSet)> =
        events.iter().map(|part| (part.batch.to_bytes(), &part.events)).collect();
    let bytes = postcard::to_allocvec(&parts).expect("ids and indexes are plain data");
    let text = STANDARD_NO_PAD.encode(bytes);
    (text.len() <= bytes_max).then_some(text)
}

impl AttemptHistory {
    /// The history with process `writer` as its writer. A process that keeps its number over
    /// restarts continues its rings.
    #[must_use]
    pub fn new(rows: Arc<dyn Rows>, writer: u64) -> Self {
        Self { rows, writer, next: Mutex::default() }
    }

    /// Adds attempts, the oldest of a subscription first.
    ///
    /// # Errors
    /// If they cannot be stored; some may have been.
    pub async fn add(
        &self,
        attempts: Vec<(SubscriptionId, Vec<Arc<AttemptRecord>>)>,
    ) -> Result<(), PortError> {
        let mut changes = Vec::new();
        for (subscription, records) in attempts {
            let mut slot = self.next_slot(subscription).await?;
            for row in records.chunks(ROW_ATTEMPTS_MAX) {
                let mut key = self.writer.to_be_bytes().to_vec();
                key.extend_from_slice(&slot.to_be_bytes());
                changes.push(RowChange::Put(NewRow {
                    partition: partition(subscription),
                    key,
                    value: encode(row),
                    expires_at_ms: row.last().map(|newest| newest.at_ms + KEPT_MS),
                    needs_from_ms: None,
                }));
                slot = (slot + 1) % SLOTS;
            }
            let mut next = self.next.lock();
            if next.len() >= KNOWN_MAX {
                next.clear();
            }
            next.insert(subscription, slot);
        }
        if changes.is_empty() { Ok(()) } else { self.rows.write(changes).await }
    }

    async fn next_slot(&self, subscription: SubscriptionId) -> Result<u16, PortError> {
        if let Some(slot) = self.next.lock().get(&subscription) {
            return Ok(*slot);
        }
        let rows = self.rows.list(&partition(subscription), None, READ_MAX).await?;
        let own = self.writer.to_be_bytes();
        let mut newest: Option<(u64, u16)> = None;
        for row in &rows {
            if let Some(slot) = row.key.strip_prefix(&own)
                && let Ok(slot) = BytesReader::new(slot).u16_be()
            {
                let at_ms = decode(&row.value)?.last().map_or(0, |newest| newest.at_ms);
                newest = newest.max(Some((at_ms, slot)));
            }
        }
        Ok(newest.map_or(0, |(_, slot)| (slot + 1) % SLOTS))
    }

    /// The newest attempts of a subscription, the newest first.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn recent(
        &self,
        subscription: SubscriptionId,
        limit: usize,
    ) -> Result<Vec<AttemptRecord>, PortError> {
        let mut all = self.kept(subscription, |_| true).await?;
        all.truncate(limit);
        Ok(all)
    }

    /// The attempts of a subscription that are kept and surely carried an event,
    /// the newest first.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn of_event(
        &self,
        subscription: SubscriptionId,
        event: EventId,
    ) -> Result<Vec<AttemptRecord>, PortError> {
        self.kept(subscription, |attempt| attempt.surely_carried(event)).await
    }

    async fn kept(
        &self,
        subscription: SubscriptionId,
        wanted: impl Fn(&AttemptRecord) -> bool,
    ) -> Result<Vec<AttemptRecord>, PortError> {
        let mut kept = Vec::new();
        for row in self.rows.list(&partition(subscription), None, READ_MAX).await? {
            kept.extend(decode(&row.value)?.into_iter().filter(&wanted));
        }
        kept.sort_by_key(|attempt| std::cmp::Reverse((attempt.at_ms, attempt.delivery, attempt.attempt)));
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::DeliveryId;

    fn attempt(number: u32, status: u16, carried: Vec<EventRef>) -> Arc<AttemptRecord> {
        Arc::new(AttemptRecord {
            delivery: DeliveryId::from_u128(1),
            at_ms: number.into(),
            status: Some(status),
            latency_ms: 3,
            attempt: number,
            events: carried.iter().map(|part| part.events.len()).sum(),
            error: None,
            excerpt: String::new(),
            carried: carried.into(),
        })
    }

    fn part(batch: u8, start: u16, end: u16) -> EventRef {
        let mut id = [0; 16];
        id[0] = batch;
        EventRef { batch: BatchId::from_bytes(id), events: EventSet::range(start, end) }
    }

    #[test]
    fn a_row_says_which_events_each_attempt_carried() {
        let records = [attempt(1, 500, vec![part(1, 0, 3), part(2, 300, 301)]), attempt(2, 200, vec![])];
        let row = encode(&records);
        let text = std::str::from_utf8(&row).unwrap();
        let carried = r#""excerpt":"","carried":"AgEAAAAAAAAAAAAAAAAAAAABAAMCAAAAAAAAAAAAAAAAAAAAAawCrQI"}"#;
        assert!(text.contains(carried), "{text}");
        let read = decode(&row).unwrap();
        assert_eq!(read, records.iter().map(|one| (**one).clone()).collect::<Vec<_>>());
        let event = |batch: u8, index| part(batch, 0, 1).batch.event(index);
        let carried = |event| read.iter().filter(|one| one.surely_carried(event)).count();
        assert_eq!([event(1, 2), event(1, 3), event(2, 300), event(2, 0)].map(carried), [1, 0, 1, 0]);
    }

    #[test]
    fn a_row_from_before_this_was_kept_is_read() {
        let row = br#"[{"delivery":"00000000-0000-0000-0000-000000000001","at_ms":1,"status":500,"latency_ms":3,"attempt":1,"events":0,"error":null,"excerpt":""}]"#;
        assert_eq!(decode(row).unwrap(), [(*attempt(1, 500, vec![])).clone()]);
    }

    #[test]
    fn a_row_is_bounded_whatever_its_attempts_carried_and_failures_are_known_first() {
        let many = || (0..100).map(|batch| part(batch, 0, 1)).collect::<Vec<_>>();
        let endless = (0..=u16::MAX).map(|index| part((index % 256) as u8, index, index + 1));
        let records = [
            attempt(1, 200, many()),
            attempt(2, 200, vec![part(7, 0, 1)]),
            attempt(3, 500, many()),
            attempt(4, 500, endless.take(60_000).collect()),
            attempt(5, 200, vec![part(8, 0, 1)]),
        ];
        let row = encode(&records);
        assert!(row.len() < CARRIED_BYTES_MAX + 5 * 200, "{} bytes", row.len());
        let known: Vec<bool> = decode(&row).unwrap().iter().map(|one| !one.carried.is_empty()).collect();
        assert_eq!(known, [false, true, true, false, true]);
    }
}
