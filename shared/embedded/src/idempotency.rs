//! Idempotency on one machine: claims in flight are in memory, completed ones in
//! the state store. The log's records carry the claims of their events, so what
//! a crash kept from the state store is read back from the log.

use super::keys;
use super::kv::{Kv, KvView, Staged};
use super::log::EmbeddedLog;
use super::segments::Step;
use async_trait::async_trait;
use foldhash::HashMap;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sluice_model::wire::record::RecordDirectory;
use sluice_model::{BatchId, Claim, CustomerId};
use sluice_ports::PortError;
use sluice_ports::idempotency::{ClaimOutcome, Idempotency, KeyHash, Placed};
use sluice_ports::log::ShardId;
use std::collections::BTreeMap;
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
    /// Where the log's shards ended at a moment.
    mark: Mutex<Option<(Instant, Vec<u64>)>>,
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
    ) -> Result<(Self, Recovered), PortError> {
        let claims = claims_in_log(kv.view(), &log)?;
        let (pending, mark) = (Arc::default(), Mutex::new(None));
        let this = Self { kv, log, pending, mark, keep_ms: keep.as_millis() as u64, pending_max };
        Ok((this, Recovered(complete(claims))))
    }

    /// Stores recovered claims, where nothing newer is known of their keys.
    pub(crate) async fn store(&self, recovered: Recovered) -> Result<(), PortError> {
        if recovered.0.is_empty() {
            return Ok(());
        }
        let stage = move |staged: &mut Staged<'_>| {
            for ((customer, key), stored) in recovered.0 {
                let key = keys::idempotency(customer, &key);
                let known = staged.get(&key)?;
                let known = known.map(|value| decode(&value)).transpose()?;
                let is_new = |known: Stored| {
                    known.body != stored.body && known.placed.accepted_at_ms < stored.placed.accepted_at_ms
                };
                if known.is_none_or(is_new) {
                    staged.put(key, keys::encode(&stored));
                }
            }
            Ok(())
        };
        self.kv.update(stage).await
    }

    /// Remembers in the state store how far the log's claims are in it: up to
    /// where the log ended at a moment that is older than every pending claim.
    pub(crate) async fn save_progress(&self) -> Result<(), PortError> {
        let ends: Vec<u64> = self.log.all_shards().iter().map(|shard| shard.segments.end()).collect();
        let now = Instant::now();
        let oldest = self.pending.lock().values().map(|pending| pending.since).min();
        let reached = {
            let mut mark = self.mark.lock();
            let reached = mark.take_if(|(at, _)| oldest.is_none_or(|oldest| *at < oldest));
            mark.get_or_insert((now, ends));
            reached
        };
        let Some((_, ends)) = reached else { return Ok(()) };
        let shards: Vec<ShardId> = self.log.all_shards().iter().map(|shard| shard.id.clone()).collect();
        let stage = move |staged: &mut Staged<'_>| {
            for (shard, end) in shards.iter().zip(ends) {
                let (key, end) = (keys::claims_progress(shard), keys::encode(&end));
                if staged.get(&key)?.as_deref() != Some(&end[..]) {
                    staged.put(key, end);
                }
            }
            Ok(())
        };
        self.kv.update(stage).await
    }

    /// Settles keys that have been pending for `overdue`. Of a request whose
    /// outcome is unknown nobody completes or releases the key; the log, which
    /// is read here, knows the outcome: a key whose events are all in the log is
    /// completed, another is released. An answer that the state store failed to
    /// take is given to it again. Else such keys would refuse every keyed
    /// request once there are `pending_max` of them.
    pub(crate) async fn settle_overdue(&self, overdue: Duration) -> Result<(), PortError> {
        let is_overdue = |pending: &Pending| pending.since.elapsed() >= overdue;
        // Claims that are made from here on are not judged by what is read below.
        let keys: Vec<(Key, KeyHash, Option<Placed>)> = {
            let pending = self.pending.lock();
            let overdue = pending.iter().filter(|(_, pending)| is_overdue(pending));
            overdue.map(|(key, pending)| (*key, pending.body, pending.placed.clone())).collect()
        };
        if keys.is_empty() {
            return Ok(());
        }
        let (view, log) = (self.kv.view().clone(), Arc::clone(&self.log));
        let read = tokio::task::spawn_blocking(move || claims_in_log(&view, &log)).await;
        let in_log =
            complete(read.map_err(|error| PortError::unavailable("read claims from the log", error))??);
        for ((customer, key), body, placed) in keys {
            let in_log = in_log.get(&(customer, key)).filter(|stored| stored.body == body);
            match placed.or_else(|| in_log.map(|stored| stored.placed.clone())) {
                Some(placed) => self.complete(customer, key, placed).await?,
                None => {
                    let mut pending = self.pending.lock();
                    let settled = pending.get(&(customer, key));
                    if settled.is_some_and(|pending| pending.placed.is_none() && is_overdue(pending)) {
                        pending.remove(&(customer, key));
                    }
                }
            }
        }
        Ok(())
    }

    /// Forgets keys that are older than they are kept.
    pub(crate) async fn expire(&self, now_ms: u64) -> Result<(), PortError> {
        let horizon_ms = now_ms.saturating_sub(self.keep_ms);
        let mut from = Some(Vec::new());
        while let Some(key) = from {
            let view = self.kv.view().clone();
            let found = tokio::task::spawn_blocking(move || expired(&view, &key, horizon_ms)).await;
            let (keys, next) =
                found.map_err(|error| PortError::unavailable("find old idempotency keys", error))??;
            from = next;
            let stage = move |staged: &mut Staged<'_>| {
                for key in keys {
                    // It may have been claimed anew since.
                    let stored = staged.get(&key)?.map(|value| decode(&value)).transpose()?;
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

/// The claims of the log's records from where the state store has them on. Blocks.
fn claims_in_log(view: &KvView, log: &EmbeddedLog) -> Result<Vec<Found>, PortError> {
    let mut claims = Vec::new();
    for shard in log.all_shards() {
        let mut at = read_progress(view, &shard.id)?;
        loop {
            match shard.segments.read(at).map_err(|e| PortError::unavailable("recover claims", e))? {
                Step::End => break,
                Step::Frame { next, payload, .. } => {
                    collect(&payload, &mut claims);
                    at = next;
                }
                // Named by the shard's consumer.
                Step::Damaged { next, rest, .. } => {
                    rest.iter().for_each(|rest| collect(rest, &mut claims));
                    at = next;
                }
            }
        }
    }
    Ok(claims)
}

/// Claims that were found in the log.
pub(crate) struct Recovered(HashMap<Key, Stored>);

/// How far the claims of a shard are in the state store.
pub(super) fn read_progress(view: &KvView, shard: &ShardId) -> Result<u64, PortError> {
    let value = view.get(&keys::claims_progress(shard))?;
    value.map_or(Ok(0), |value| keys::decode("read the claims' progress", &value))
}

fn decode(value: &[u8]) -> Result<Stored, PortError> {
    keys::decode("read an idempotency key", value)
}

/// Some keys accepted before `horizon_ms`, and where to go on if there may be more.
fn expired(
    view: &KvView,
    from: &[u8],
    horizon_ms: u64,
) -> Result<(Vec<Vec<u8>>, Option<Vec<u8>>), PortError> {
    const ROWS_MAX: usize = 10_000;
    let (mut expired, mut next, mut rows) = (Vec::new(), None, 0);
    view.scan(&[keys::IDEMPOTENCY], from, |key, value| {
        rows += 1;
        if rows > ROWS_MAX {
            next = Some(key.to_vec());
            return Ok(false);
        }
        if decode(value)?.placed.accepted_at_ms < horizon_ms {
            expired.push(key.to_vec());
        }
        Ok(true)
    })?;
    Ok((expired, next))
}

/// A claim with the batch that it is about.
type Found = (CustomerId, BatchId, Claim);

fn collect(payload: &[u8], claims: &mut Vec<Found>) {
    if let Ok(directory) = RecordDirectory::parse(payload) {
        for row in &directory.batches {
            claims.extend(row.claims.iter().map(|claim| (row.customer, row.id, *claim)));
        }
    }
}

/// Puts together the requests whose every part is in the log. A part that is
/// there twice was sent again, and a request that is there twice was made
/// again: the later one was answered.
fn complete(claims: Vec<Found>) -> HashMap<Key, Stored> {
    type Request = (CustomerId, KeyHash, KeyHash, u16);
    let mut requests: HashMap<Request, BTreeMap<u16, (BatchId, Claim)>> = HashMap::default();
    for (customer, batch, claim) in claims {
        let parts = requests.entry((customer, claim.key, claim.body, claim.parts)).or_default();
        let part = parts.entry(claim.part).or_insert((batch, claim));
        if part.0 < batch {
            *part = (batch, claim);
        }
    }
    let mut completed: HashMap<Key, Stored> = HashMap::default();
    for ((customer, key, body, count), parts) in requests {
        if parts.len() < usize::from(count) {
            continue;
        }
        let runs = parts.values().map(|(batch, claim)| (*batch, claim.first, claim.count)).collect();
        let accepted_at_ms = parts.values().map(|(batch, _)| batch.ms()).max().unwrap_or(0);
        let stored = Stored { body, placed: Placed { runs, accepted_at_ms } };
        let known = completed.entry((customer, key)).or_insert_with(|| stored.clone());
        if known.placed.accepted_at_ms < accepted_at_ms {
            *known = stored;
        }
    }
    completed
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
            let stored = decode(&value)?;
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
            let stage = move |staged: &mut Staged<'_>| {
                staged.put(keys::idempotency(customer, &key), keys::encode(&Stored { body, placed }));
                Ok(())
            };
            let stored = move |(): &()| drop(pending.lock().remove(&(customer, key)));
            // Else it stays in memory and is stored once it is overdue, and the log has it for the next start.
            if let Err(error) = kv.update_then(stage, stored).await {
                tracing::error!(%error, "an idempotency key was not stored");
            }
        });
        Ok(())
    }

    async fn release(&self, customer: CustomerId, key: KeyHash) -> Result<(), PortError> {
        self.pending.lock().remove(&(customer, key));
        Ok(())
    }
}
