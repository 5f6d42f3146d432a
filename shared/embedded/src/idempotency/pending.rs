//! Idempotency keys whose requests are in flight, in memory.

use super::StoredClaim;
use foldhash::HashMap;
use sluice_ports::idempotency::{ClaimKey, ClaimOutcome, KeyHash, Placed};
use std::time::Instant;

/// The progress of a key's request.
#[derive(Debug)]
enum PendingState {
    /// The state store is being read for the key.
    LookedUp,
    /// The request is in flight.
    InFlight(KeyHash),
    /// The append ended with an unknown outcome, which the log decides later.
    Undecided(KeyHash),
    /// The events are durable, and the key is being stored.
    Placed(StoredClaim),
}

struct PendingClaim {
    state: PendingState,
    since: Instant,
}

/// The first step of a claim.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// Another request has the key.
    Known(ClaimOutcome),
    /// The limit of keys in flight is reached.
    Full,
    /// The key is reserved; the state store must be read next.
    LookUp,
}

/// The keys in flight.
pub(super) struct PendingClaims {
    claims: HashMap<ClaimKey, PendingClaim>,
    claims_max: usize,
}

impl PendingClaims {
    pub(super) fn new(claims_max: usize) -> Self {
        Self { claims: HashMap::default(), claims_max }
    }

    /// Reserves a key that is not in flight.
    pub(super) fn begin(&mut self, key: ClaimKey, body: KeyHash, now: Instant) -> Begun {
        if let Some(claim) = self.claims.get(&key) {
            return Begun::Known(match &claim.state {
                // The other request may be refused for its body, so the bodies are not compared yet.
                PendingState::LookedUp => ClaimOutcome::InFlight,
                PendingState::InFlight(known) | PendingState::Undecided(known) => match *known == body {
                    true => ClaimOutcome::InFlight,
                    false => ClaimOutcome::Mismatch,
                },
                PendingState::Placed(stored) => stored.outcome(body),
            });
        }
        if self.claims.len() >= self.claims_max {
            return Begun::Full;
        }
        self.claims.insert(key, PendingClaim { state: PendingState::LookedUp, since: now });
        Begun::LookUp
    }

    /// Gives a reserved key to the request with this body, because the state store does not know it.
    pub(super) fn claim(&mut self, key: ClaimKey, body: KeyHash) {
        if let Some(claim) = self.claims.get_mut(&key) {
            claim.state = PendingState::InFlight(body);
        }
    }

    /// Notes that the request's events are durable. Returns the claim to store.
    pub(super) fn place(&mut self, key: ClaimKey, placed: Placed) -> Option<StoredClaim> {
        let claim = self.claims.get_mut(&key)?;
        let (PendingState::InFlight(body) | PendingState::Undecided(body)) = claim.state else { return None };
        let stored = StoredClaim { body, placed };
        claim.state = PendingState::Placed(stored.clone());
        Some(stored)
    }

    /// Notes that the append of the request ended with an unknown outcome.
    pub(super) fn undecided(&mut self, key: ClaimKey) {
        if let Some(claim) = self.claims.get_mut(&key)
            && let PendingState::InFlight(body) = claim.state
        {
            claim.state = PendingState::Undecided(body);
        }
    }

    /// Forgets an answered key that is now in the state store.
    pub(super) fn stored(&mut self, key: ClaimKey) {
        if self.claims.get(&key).is_some_and(|claim| matches!(claim.state, PendingState::Placed(_))) {
            self.claims.remove(&key);
        }
    }

    /// Forgets a key that was given back.
    pub(super) fn remove(&mut self, key: ClaimKey) {
        self.claims.remove(&key);
    }

    /// The keys whose append ended with an unknown outcome.
    pub(super) fn all_undecided(&self) -> Vec<ClaimKey> {
        let undecided = |claim: &PendingClaim| matches!(claim.state, PendingState::Undecided(_));
        self.claims.iter().filter(|(_, claim)| undecided(claim)).map(|(key, _)| *key).collect()
    }

    /// Up to `limit` keys that have waited for the state store since before `since`.
    pub(super) fn placed_before(&self, since: Instant, limit: usize) -> Vec<(ClaimKey, StoredClaim)> {
        let old = self.claims.iter().filter(|(_, claim)| claim.since < since);
        let placed = old.filter_map(|(key, claim)| match &claim.state {
            PendingState::Placed(stored) => Some((*key, stored.clone())),
            _ => None,
        });
        placed.take(limit).collect()
    }

    /// When the oldest key in flight was claimed.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.claims.values().map(|claim| claim.since).min()
    }
}
