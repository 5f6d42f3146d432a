//! The stored replays: a row for each, and a pointer to each that has not ended.
//!
//! ```text
//! replays/<customer>   replay id 16             the replay
//! replays-open         customer 16, replay 16   nothing
//! ```

use super::{Replay, ReplayId, ReplayStatus};
use sluice_model::CustomerId;
use sluice_ports::PortError;
use sluice_ports::rows::{NewRow, RowChange, Rows};
use std::sync::Arc;

const OPEN: &str = "replays-open";

/// How long a replay is kept after it was requested.
const KEPT_MS: u64 = 30 * 24 * 3_600_000;

/// Stores replays.
#[derive(Clone)]
pub struct ReplayStore {
    rows: Arc<dyn Rows>,
}

fn partition(customer: CustomerId) -> String {
    format!("replays/{customer}")
}

fn encode(replay: &Replay) -> Vec<u8> {
    serde_json::to_vec(replay).expect("a replay is plain data")
}

fn decode(value: &[u8]) -> Result<Replay, PortError> {
    serde_json::from_slice(value)
        .map_err(|error| PortError::Damaged { attempted: "read a replay".into(), detail: error.to_string() })
}

fn open_key(replay: &Replay) -> Vec<u8> {
    [replay.customer.to_bytes(), replay.id.to_bytes()].concat()
}

fn row(replay: &Replay) -> NewRow {
    NewRow {
        partition: partition(replay.customer),
        key: replay.id.to_bytes().to_vec(),
        value: encode(replay),
        expires_at_ms: Some(replay.created_at_ms + KEPT_MS),
        needs_from_ms: None,
    }
}

impl ReplayStore {
    /// The replays in these rows.
    #[must_use]
    pub fn new(rows: Arc<dyn Rows>) -> Self {
        Self { rows }
    }

    /// Stores a new replay.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub async fn add(&self, replay: &Replay) -> Result<(), PortError> {
        let pointer = NewRow {
            partition: OPEN.to_owned(),
            key: open_key(replay),
            value: Vec::new(),
            expires_at_ms: Some(replay.created_at_ms + KEPT_MS),
            needs_from_ms: None,
        };
        self.rows.write(vec![RowChange::Put(row(replay)), RowChange::Put(pointer)]).await
    }

    /// Updates a replay if it has not changed since `before`. Returns whether it did.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub async fn change(&self, before: &Replay, after: &Replay) -> Result<bool, PortError> {
        let changed = self.rows.put_if(row(after), Some(encode(before))).await?;
        if changed && after.status != ReplayStatus::Running {
            self.close(after).await?;
        }
        Ok(changed)
    }

    /// Takes an ended replay off the list of open ones.
    ///
    /// # Errors
    /// If that cannot be stored; the next look tries again.
    pub async fn close(&self, replay: &Replay) -> Result<(), PortError> {
        let remove = RowChange::Remove { partition: OPEN.to_owned(), key: open_key(replay) };
        self.rows.write(vec![remove]).await
    }

    /// One replay of a customer.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn get(&self, customer: CustomerId, id: ReplayId) -> Result<Option<Replay>, PortError> {
        let value = self.rows.get(&partition(customer), &id.to_bytes()).await?;
        value.map(|value| decode(&value)).transpose()
    }

    /// Replays of a customer, the oldest first.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn list(
        &self,
        customer: CustomerId,
        after: Option<ReplayId>,
        limit: usize,
    ) -> Result<Vec<Replay>, PortError> {
        let after = after.map(ReplayId::to_bytes);
        let rows = self.rows.list(&partition(customer), after.as_ref().map(|id| &id[..]), limit).await?;
        rows.iter().map(|row| decode(&row.value)).collect()
    }

    /// Replays that are not known to have ended, of all customers.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn open(&self, limit: usize) -> Result<Vec<Replay>, PortError> {
        let mut open = Vec::new();
        for row in self.rows.list(OPEN, None, limit).await? {
            let Some((customer, id)) = row.key.split_first_chunk::<16>() else { continue };
            let Ok(id) = <[u8; 16]>::try_from(id) else { continue };
            open.extend(self.get(CustomerId::from_bytes(*customer), ReplayId::from_bytes(id)).await?);
        }
        Ok(open)
    }
}
