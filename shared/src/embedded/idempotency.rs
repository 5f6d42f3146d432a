//! Idempotency on one machine: claims in flight are in memory, completed ones in
//! the state store. The log's records carry the claims of their events, so what
//! a crash kept from the state store is read back from the log.

use super::keys;
use super::kv::{Change, Kv, KvView};
use super::log::EmbeddedLog;
use super::segments::Step;
use crate::clock;
use crate::model::{BatchId, Claim, CustomerId};
use crate::ports::PortError;
use crate::ports::idempotency::{ClaimOutcome, Idempotency, KeyHash, Placed};
use crate::wire::record::Directory;
use async_trait::async_trait;
use foldhash::HashMap;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A key's stored value.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stored {
    body: KeyHash,
    placed: Placed,
}

/// A key that is not (or not yet) in the state store.
struct Pending {
    body: KeyHash,
    since: Instant,
    placed: Option<Placed>,
}

type Key = (CustomerId, KeyHash);

/// The embedded idempotency keys.
pub struct EmbeddedIdempotency {
    kv: Arc<Kv>,
    log: Arc<EmbeddedLog>,
    pending: Arc<Mutex<HashMap<Key, Pending>>>,
    /// Where the log's shards ended at some moments, oldest first.
    ends: Mutex<VecDeque<(Instant, Vec<u64>)>>,
    keep_ms: u64,
    pending_max: usize,
}

impl EmbeddedIdempotency {
    /// Recovers from the log the claims that the state store missed. Blocks.
    pub(crate) fn open(
        kv: Arc<Kv>,
        log: Arc<EmbeddedLog>,
        keep: Duration,
        pending_max: usize,
    ) -> Result<(Self, Vec<Change>), PortError> {
        let mut recovered = Vec::new();
        for shard in log.all_shards() {
            let progress = kv.view().get(&keys::claims_progress(&shard.id))?;
            let from = match progress {
                Some(value) => keys::decode("read the claims' progress", &value)?,
                None => 0,
            };
            let mut claims = Vec::new();
            let mut at = from;
            loop {
                match shard.segments.read(at).map_err(|e| PortError::unavailable("recover claims", e))? {
                    Step::End => break,
                    Step::Frame { next, payload, .. } => {
                        collect(&payload, &mut claims);
                        at = next;
                    }
                    // Named by the shard's consumer.
                    Step::Damaged { next, .. } => at = next,
                }
            }
            recovered.extend(complete(claims));
        }
        let ends = Mutex::new(VecDeque::new());
        let this =
            Self { kv, log, pending: Arc::default(), ends, keep_ms: keep.as_millis() as u64, pending_max };
        Ok((this, recovered))
    }

    /// Remembers in the state store how far the log's claims are in it.
    pub(crate) async fn save_progress(&self) -> Result<(), PortError> {
        let now: Vec<u64> = self.log.all_shards().iter().map(|shard| shard.segments.end()).collect();
        let oldest = self.pending.lock().values().map(|pending| pending.since).min();
        let safe = {
            let mut ends = self.ends.lock();
            if ends.back().is_none_or(|(_, last)| *last != now) {
                ends.push_back((Instant::now(), now));
            }
            let mut safe = None;
            while ends.front().is_some_and(|(at, _)| oldest.is_none_or(|oldest| *at < oldest)) {
                safe = ends.pop_front();
            }
            safe
        };
        let Some((_, ends)) = safe else { return Ok(()) };
        let shards = self.log.all_shards().iter().zip(ends);
        let changes = shards.map(|(shard, end)| (keys::claims_progress(&shard.id), Some(keys::encode(&end))));
        self.kv.commit(changes.collect()).await
    }

    /// Forgets keys that are older than they are kept.
    pub(crate) async fn expire(&self) -> Result<(), PortError> {
        const STEP: usize = 10_000;
        let horizon = clock::now_ms().saturating_sub(self.keep_ms);
        let mut from = vec![keys::IDEMPOTENCY];
        loop {
            let (mut expired, mut seen) = (Vec::new(), 0);
            let mut last = None;
            self.kv.view().scan(&[keys::IDEMPOTENCY], &from, |key, value| {
                let stored: Stored = keys::decode("read an idempotency key", value)?;
                if stored.placed.accepted_at_ms < horizon {
                    expired.push((key.to_vec(), None));
                }
                seen += 1;
                last = Some(key.to_vec());
                Ok(seen < STEP)
            })?;
            if !expired.is_empty() {
                self.kv.commit(expired).await?;
            }
            match last {
                Some(mut key) if seen == STEP => {
                    key.push(0);
                    from = key;
                }
                _ => return Ok(()),
            }
            tokio::task::yield_now().await;
        }
    }
}

/// A claim with the batch that it is about.
type Found = (CustomerId, BatchId, Claim);

fn collect(payload: &[u8], claims: &mut Vec<Found>) {
    if let Ok(directory) = Directory::parse(payload) {
        for row in &directory.batches {
            claims.extend(row.claims.iter().map(|claim| (row.customer, row.id, *claim)));
        }
    }
}

/// Puts together the requests whose every part is in the log.
fn complete(claims: Vec<Found>) -> Vec<Change> {
    let mut requests: HashMap<(CustomerId, KeyHash), Vec<Found>> = HashMap::default();
    for found in claims {
        requests.entry((found.0, found.2.key)).or_default().push(found);
    }
    let mut changes = Vec::new();
    for ((customer, key), mut parts) in requests {
        parts.sort_by_key(|(_, batch, claim)| (claim.part, *batch));
        parts.dedup_by_key(|(_, _, claim)| claim.part);
        let (_, first, claim) = parts[0];
        if parts.len() < usize::from(claim.parts) {
            continue;
        }
        let runs = parts.iter().map(|(_, batch, claim)| (*batch, claim.first, claim.count)).collect();
        let placed = Placed { runs, accepted_at_ms: first.ms() };
        let stored = Stored { body: claim.body, placed };
        changes.push((keys::idempotency(customer, &key), Some(keys::encode(&stored))));
    }
    changes
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
        let answer = |known: &KeyHash, placed: Option<&Placed>| match placed {
            _ if *known != body => ClaimOutcome::Mismatch,
            Some(placed) => ClaimOutcome::Completed(placed.clone()),
            None => ClaimOutcome::InFlight,
        };
        let mut pending = self.pending.lock();
        if let Some(known) = pending.get(&(customer, key)) {
            return Ok(answer(&known.body, known.placed.as_ref()));
        }
        if let Some(value) = self.kv.view().get(&keys::idempotency(customer, &key))? {
            let stored: Stored = keys::decode("read an idempotency key", &value)?;
            if stored.placed.accepted_at_ms + self.keep_ms > now_ms {
                return Ok(answer(&stored.body, Some(&stored.placed)));
            }
        }
        if pending.len() >= self.pending_max {
            return Err(PortError::unavailable("claim an idempotency key", "too many keys are in flight"));
        }
        pending.insert((customer, key), Pending { body, since: Instant::now(), placed: None });
        Ok(ClaimOutcome::Claimed)
    }

    async fn complete(&self, customer: CustomerId, key: KeyHash, placed: Placed) -> Result<(), PortError> {
        let body = {
            let mut pending = self.pending.lock();
            let Some(claim) = pending.get_mut(&(customer, key)) else { return Ok(()) };
            claim.placed = Some(placed.clone());
            claim.body
        };
        // The log already holds the claim: the answer need not wait for the state store.
        let (kv, pending) = (self.kv.clone(), self.pending.clone());
        tokio::spawn(async move {
            let change = (keys::idempotency(customer, &key), Some(keys::encode(&Stored { body, placed })));
            let compute = move |_: &KvView| Ok(vec![change]);
            match kv.update(compute).await {
                Ok(()) => drop(pending.lock().remove(&(customer, key))),
                // It stays in memory, and the log has it for the next start.
                Err(error) => tracing::error!(%error, "an idempotency key was not stored"),
            }
        });
        Ok(())
    }

    async fn release(&self, customer: CustomerId, key: KeyHash) -> Result<(), PortError> {
        self.pending.lock().remove(&(customer, key));
        Ok(())
    }
}
