//! Claims that the log holds and the state store missed.

use super::StoredClaim;
use crate::keys;
use crate::kv::KvView;
use crate::log::EmbeddedLog;
use crate::log::known::{log_error, parse_known};
use crate::segments::LogStep;
use foldhash::HashMap;
use sluice_model::{BatchId, Claim, CustomerId};
use sluice_ports::PortError;
use sluice_ports::idempotency::{ClaimKey, KeyHash, Placed};
use sluice_ports::log::ShardId;
use std::collections::BTreeMap;
use std::io;

/// Completed claims that were found in the log.
pub(crate) struct RecoveredClaims {
    pub(super) claims: HashMap<ClaimKey, StoredClaim>,
    /// The position up to which each shard was read. No request is in flight, so an
    /// incomplete claim below it is never completed.
    pub(super) ends: Vec<(ShardId, u64)>,
}

/// A claim with the batch of its events.
type FoundClaim = (CustomerId, BatchId, Claim);

/// The position up to which a shard's claims are in the state store.
pub(crate) fn read_progress(view: &KvView, shard: &ShardId) -> Result<u64, PortError> {
    let value = view.get(&keys::claims_progress(shard))?;
    value.map_or(Ok(0), |value| keys::decode("read the claims' progress", &value))
}

/// Reads the log from each shard's progress on. Blocks.
pub(super) fn recover(view: &KvView, log: &EmbeddedLog) -> Result<RecoveredClaims, PortError> {
    let (mut claims, mut ends) = (Vec::new(), Vec::new());
    for shard in log.all_shards() {
        let mut lsn = read_progress(view, &shard.id)?;
        loop {
            let failed = |error| log_error("recover idempotency keys", error);
            let place = || shard.segments.name(lsn);
            match shard.segments.read(lsn).map_err(failed)? {
                LogStep::End => break,
                LogStep::Frame { next, payload, .. } => {
                    collect(&payload, place, &mut claims).map_err(failed)?;
                    lsn = next;
                }
                // The shard's consumer reports the damage.
                LogStep::Damaged { next, rest, .. } => {
                    let rest = rest.unwrap_or_default();
                    collect(&rest, place, &mut claims).map_err(failed)?;
                    lsn = next;
                }
            }
        }
        ends.push((shard.id.clone(), lsn));
    }
    Ok(RecoveredClaims { claims: complete(claims), ends })
}

fn collect(payload: &[u8], place: impl FnOnce() -> String, claims: &mut Vec<FoundClaim>) -> io::Result<()> {
    if let Ok(directory) = parse_known(payload, place)? {
        for row in &directory.batches {
            claims.extend(row.claims.iter().map(|claim| (row.customer, row.id, *claim)));
        }
    }
    Ok(())
}

/// The requests of which every part is in the log. A part that is there twice was sent
/// twice. A request that is there twice was made twice, and its later answer counts.
fn complete(claims: Vec<FoundClaim>) -> HashMap<ClaimKey, StoredClaim> {
    type ClaimingRequest = (CustomerId, KeyHash, KeyHash, u16);
    let mut requests: HashMap<ClaimingRequest, BTreeMap<u16, (BatchId, Claim)>> = HashMap::default();
    for (customer, batch, claim) in claims {
        let parts = requests.entry((customer, claim.key, claim.body, claim.parts)).or_default();
        let part = parts.entry(claim.part).or_insert((batch, claim));
        if part.0 < batch {
            *part = (batch, claim);
        }
    }
    let mut completed: HashMap<ClaimKey, StoredClaim> = HashMap::default();
    for ((customer, key, body, count), parts) in requests {
        if parts.len() < usize::from(count) {
            continue;
        }
        let runs = parts.values().map(|(batch, claim)| (*batch, claim.first, claim.count)).collect();
        let accepted_at_ms = parts.values().map(|(batch, _)| batch.ms()).max().unwrap_or(0);
        let stored = StoredClaim { body, placed: Placed { runs, accepted_at_ms } };
        let known = completed.entry((customer, key)).or_insert_with(|| stored.clone());
        if known.placed.accepted_at_ms < accepted_at_ms {
            *known = stored;
        }
    }
    completed
}
