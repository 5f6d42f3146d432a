//! The history of attempts: for each subscription the newest few, kept for a
//! week through restarts, written at most once a second.
//!
//! A subscription's attempts are a ring of [`SLOTS`] rows for each process that
//! delivers for it: new attempts overwrite the oldest row, so nothing needs to be
//! deleted. Attempts of one write share a row, since a store bills by the row; a
//! row is a JSON array of attempts (in older data one attempt as an object).

use parking_lot::Mutex;
use sluice_model::wire::bytes_reader::BytesReader;
use sluice_model::{AttemptRecord, SubscriptionId};
use sluice_ports::PortError;
use sluice_ports::rows::{NewRow, RowChange, Rows};
use std::collections::HashMap;
use std::sync::Arc;

/// Rows that each process keeps for a subscription; each holds at least one attempt.
pub const SLOTS: u16 = 128;

/// The most attempts of a row. With their excerpts they stay far below the most
/// bytes of a row (`VALUE_BYTES_MAX` of the rows port).
const ROW_ATTEMPTS_MAX: usize = 16;

/// How long an attempt is kept.
const KEPT_MS: u64 = 7 * 24 * 3_600_000;

/// The most subscriptions whose next slot is remembered.
const KNOWN_MAX: usize = 100_000;

/// The most rows that a reader looks at, of all processes together.
const READ_MAX: usize = 4096;

/// Writes and reads attempts.
pub struct AttemptHistory {
    rows: Arc<dyn Rows>,
    /// This process's number: its rings are those rows that begin with it.
    writer: u64,
    next: Mutex<HashMap<SubscriptionId, u16>>,
}

fn partition(subscription: SubscriptionId) -> String {
    format!("attempts/{subscription}")
}

/// The attempts of a row, the oldest first.
fn decode(value: &[u8]) -> Result<Vec<AttemptRecord>, PortError> {
    let read = match value.first() {
        Some(b'{') => serde_json::from_slice(value).map(|one| vec![one]),
        _ => serde_json::from_slice(value),
    };
    read.map_err(|error| PortError::Damaged { what: "read attempts".into(), detail: error.to_string() })
}

fn encode(records: &[Arc<AttemptRecord>]) -> Vec<u8> {
    let records: Vec<&AttemptRecord> = records.iter().map(|record| &**record).collect();
    serde_json::to_vec(&records).expect("an attempt is plain data")
}

impl AttemptHistory {
    /// The history as process `writer` writes it. A process that keeps its number
    /// over restarts goes on with its rings.
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
        let rows = self.rows.list(&partition(subscription), None, READ_MAX).await?;
        let read = rows.iter().map(|row| decode(&row.value)).collect::<Result<Vec<_>, _>>()?;
        let mut all: Vec<AttemptRecord> = read.into_iter().flatten().collect();
        all.sort_by_key(|attempt| std::cmp::Reverse((attempt.at_ms, attempt.delivery, attempt.attempt)));
        all.truncate(limit);
        Ok(all)
    }
}
