//! Idempotency on one machine. Keys of requests in flight are in memory, those of answered
//! requests in the state store. The log's records carry the claims of their events, so if
//! a crash kept a key from the state store, it is read back from the log.

mod pending;
mod recovery;
#[cfg(test)]
mod tests;

pub(crate) use recovery::{RecoveredClaims, read_progress};

use super::disk_reads::DiskReads;
use super::keys;
use super::kv::{Kv, KvView, StagedChanges};
use super::log::EmbeddedLog;
use async_trait::async_trait;
use parking_lot::Mutex;
use pending::{Begun, PendingClaims};
use serde::{Deserialize, Serialize};
use sluice_model::CustomerId;
use sluice_ports::PortError;
use sluice_ports::idempotency::{ClaimKey, ClaimOutcome, Idempotency, KeyHash, Placed};
use sluice_ports::log::ShardId;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most answered keys that one look stores again.
const STORED_AGAIN_MAX: usize = 1000;
/// The most rows that one step of the search for expired keys reads.
const EXPIRY_ROWS: usize = 10_000;
/// How long an answered key waits for the state store before it is stored again.
const STORE_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// An answered key in the state store.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct StoredClaim {
    body: KeyHash,
    placed: Placed,
}

impl StoredClaim {
    /// The outcome for a later request with the same key and this body.
    fn outcome(&self, body: KeyHash) -> ClaimOutcome {
        match self.body == body {
            true => ClaimOutcome::Completed(self.placed.clone()),
            false => ClaimOutcome::Mismatch,
        }
    }

    fn decode(value: &[u8]) -> Result<Self, PortError> {
        keys::decode("read an idempotency key", value)
    }
}

/// The embedded idempotency keys.
pub struct EmbeddedIdempotency {
    kv: Arc<Kv>,
    log: Arc<EmbeddedLog>,
    reads: DiskReads,
    pending: Arc<Mutex<PendingClaims>>,
    /// The ends of the log's shards at a moment.
    mark: Mutex<Option<(Instant, Vec<u64>)>>,
    keep_ms: u64,
}

impl EmbeddedIdempotency {
    /// Opens the keys, and recovers claims from the log that the state store missed. Blocks.
    pub(crate) fn open(
        kv: Arc<Kv>,
        log: Arc<EmbeddedLog>,
        keep: Duration,
        pending_max: usize,
    ) -> Result<(Self, RecoveredClaims), PortError> {
        let recovered = recovery::recover(kv.view(), &log)?;
        let pending = Arc::new(Mutex::new(PendingClaims::new(pending_max)));
        let (reads, mark) = (DiskReads::new(), Mutex::new(None));
        Ok((Self { kv, log, reads, pending, mark, keep_ms: keep.as_millis() as u64 }, recovered))
    }

    /// Stores recovered claims, unless something newer is known of their keys, and how far
    /// they were recovered: a process that dies soon after each start must not read more of
    /// the log each time.
    pub(crate) async fn store(&self, recovered: RecoveredClaims) -> Result<(), PortError> {
        let stage = move |staged: &mut StagedChanges<'_>| {
            for ((customer, key), found) in recovered.claims {
                let key = keys::idempotency(customer, &key);
                let known = staged.get(&key)?.map(|value| StoredClaim::decode(&value)).transpose()?;
                let is_newer = |known: StoredClaim| {
                    known.body != found.body && known.placed.accepted_at_ms < found.placed.accepted_at_ms
                };
                if known.is_none_or(is_newer) {
                    staged.put(key, keys::encode(&found));
                }
            }
            stage_progress(staged, &recovered.ends)
        };
        self.kv.update(stage).await
    }

    /// Settles pending keys that their requests left behind, and saves how far the log's
    /// claims are in the state store. Called about every second.
    pub(crate) async fn tidy(&self) -> Result<(), PortError> {
        self.free_decided();
        if self.kv.failing().is_some() {
            return Ok(());
        }
        self.store_again().await?;
        self.save_progress().await
    }

    /// Frees the keys of failed appends once the log has decided that it does
    /// not hold their records. A restart does the same.
    fn free_decided(&self) {
        // Read the keys first: the append of a later key may fail after the log was asked.
        let undecided = self.pending.lock().all_undecided();
        if undecided.is_empty() || self.log.is_undecided() {
            return;
        }
        let mut pending = self.pending.lock();
        undecided.into_iter().for_each(|key| pending.remove(key));
    }

    /// Stores answered keys that the state store refused before.
    async fn store_again(&self) -> Result<(), PortError> {
        let Some(since) = Instant::now().checked_sub(STORE_AGAIN_AFTER) else { return Ok(()) };
        let placed = self.pending.lock().placed_before(since, STORED_AGAIN_MAX);
        if placed.is_empty() {
            return Ok(());
        }
        store_placed(self.kv.clone(), self.pending.clone(), placed).await
    }

    /// Saves where the log ended before every pending claim: the claims below that are in
    /// the state store.
    async fn save_progress(&self) -> Result<(), PortError> {
        let ends: Vec<u64> = self.log.all_shards().iter().map(|shard| shard.segments.end()).collect();
        let now = Instant::now();
        let oldest = self.pending.lock().oldest();
        let reached = {
            let mut mark = self.mark.lock();
            let reached = mark.take_if(|(marked, _)| oldest.is_none_or(|oldest| *marked < oldest));
            mark.get_or_insert((now, ends));
            reached
        };
        let Some((_, ends)) = reached else { return Ok(()) };
        let shards = self.log.all_shards().iter().map(|shard| shard.id.clone());
        let ends: Vec<(ShardId, u64)> = shards.zip(ends).collect();
        self.kv.update(move |staged: &mut StagedChanges<'_>| stage_progress(staged, &ends)).await
    }

    /// Removes keys that were kept long enough.
    pub(crate) async fn expire(&self, now_ms: u64) -> Result<(), PortError> {
        let horizon_ms = now_ms.saturating_sub(self.keep_ms);
        let mut from = Some(Vec::new());
        while let Some(start) = from {
            let view = self.kv.view().clone();
            let find = move || expired(&view, &start, horizon_ms);
            let (keys, next) = self.reads.run("find expired idempotency keys", find).await?;
            from = next;
            let stage = move |staged: &mut StagedChanges<'_>| {
                for key in keys {
                    // A key may have been claimed anew since it was found.
                    let stored = staged.get(&key)?.map(|value| StoredClaim::decode(&value)).transpose()?;
                    if stored.is_some_and(|stored| stored.placed.accepted_at_ms < horizon_ms) {
                        staged.remove(key);
                    }
                }
                Ok(())
            };
            self.kv.update(stage).await?;
        }
        Ok(())
    }
}

/// Notes that the claims below these positions are in the state store.
fn stage_progress(staged: &mut StagedChanges<'_>, ends: &[(ShardId, u64)]) -> Result<(), PortError> {
    for (shard, end) in ends {
        let (key, end) = (keys::claims_progress(shard), keys::encode(end));
        if staged.get(&key)?.as_deref() != Some(&end[..]) {
            staged.put(key, end);
        }
    }
    Ok(())
}

/// Keys that were accepted before `horizon_ms`, and where the next step begins if there may be more.
fn expired(
    view: &KvView,
    from: &[u8],
    horizon_ms: u64,
) -> Result<(Vec<Vec<u8>>, Option<Vec<u8>>), PortError> {
    let (mut expired, mut next, mut rows) = (Vec::new(), None, 0);
    view.scan(&[keys::IDEMPOTENCY], from, |key, value| {
        rows += 1;
        if rows > EXPIRY_ROWS {
            next = Some(key.to_vec());
            return Ok(false);
        }
        if StoredClaim::decode(value)?.placed.accepted_at_ms < horizon_ms {
            expired.push(key.to_vec());
        }
        Ok(true)
    })?;
    Ok((expired, next))
}

/// Moves answered keys from memory to the state store.
async fn store_placed(
    kv: Arc<Kv>,
    pending: Arc<Mutex<PendingClaims>>,
    claims: Vec<(ClaimKey, StoredClaim)>,
) -> Result<(), PortError> {
    let stage = move |staged: &mut StagedChanges<'_>| {
        for ((customer, key), stored) in &claims {
            staged.put(keys::idempotency(*customer, key), keys::encode(stored));
        }
        Ok(claims)
    };
    let stored = move |claims: &Vec<(ClaimKey, StoredClaim)>| {
        let mut pending = pending.lock();
        claims.iter().for_each(|(key, _)| pending.stored(*key));
    };
    kv.update_then(stage, stored).await.map(|_claims| ())
}

/// A key that is reserved while the state store is read. It is given back if the caller
/// no longer waits for the answer.
struct Reserved<'a> {
    pending: &'a Mutex<PendingClaims>,
    key: ClaimKey,
    claimed: bool,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if !self.claimed {
            self.pending.lock().remove(self.key);
        }
    }
}

#[async_trait]
impl Idempotency for EmbeddedIdempotency {
    async fn claim(
        &self,
        customer: CustomerId,
        key: KeyHash,
        body: KeyHash,
        now_ms: u64,
    ) -> Result<ClaimOutcome, PortError> {
        const WHAT: &str = "claim an idempotency key";
        let claim_key = (customer, key);
        match self.pending.lock().begin(claim_key, body, Instant::now()) {
            Begun::LookUp => {}
            Begun::Known(outcome) => return Ok(outcome),
            Begun::Full => return Err(PortError::unavailable(WHAT, "too many keys are in flight")),
        }
        let mut reserved = Reserved { pending: &self.pending, key: claim_key, claimed: false };
        let view = self.kv.view().clone();
        let read = move || {
            let value = view.get(&keys::idempotency(customer, &key))?;
            value.map(|value| StoredClaim::decode(&value)).transpose()
        };
        match self.reads.run(WHAT, read).await? {
            Some(stored) if stored.placed.accepted_at_ms + self.keep_ms > now_ms => Ok(stored.outcome(body)),
            Some(_) | None => {
                self.pending.lock().claim(claim_key, body);
                reserved.claimed = true;
                Ok(ClaimOutcome::Claimed)
            }
        }
    }

    async fn complete(&self, customer: CustomerId, key: KeyHash, placed: Placed) -> Result<(), PortError> {
        let key = (customer, key);
        let Some(stored) = self.pending.lock().place(key, placed) else { return Ok(()) };
        // The log already holds the claim: the answer need not wait for the state store.
        let (kv, pending) = (self.kv.clone(), self.pending.clone());
        tokio::spawn(async move {
            if let Err(error) = store_placed(kv, pending, vec![(key, stored)]).await {
                tracing::warn!(%error, "an idempotency key was not stored yet");
            }
        });
        Ok(())
    }

    async fn release(&self, customer: CustomerId, key: KeyHash) -> Result<(), PortError> {
        self.pending.lock().remove((customer, key));
        Ok(())
    }

    async fn undecided(&self, customer: CustomerId, key: KeyHash) -> Result<(), PortError> {
        self.pending.lock().undecided((customer, key));
        Ok(())
    }
}
