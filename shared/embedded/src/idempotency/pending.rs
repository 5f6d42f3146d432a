//! Idempotency keys whose requests are in flight, in memory.

use super::{ClaimKey, StoredClaim};
use foldhash::HashMap;
use sluice_ports::idempotency::{ClaimOutcome, KeyHash, Placed};
use std::time::Instant;

/// How far the request of a key has come.
#[derive(Debug)]
enum PendingState {
    /// The state store is asked whether it knows the key.
    LookedUp,
    /// The request is in flight.
    InFlight(KeyHash),
    /// The append ended without a known outcome; the log decides it later.
    Undecided(KeyHash),
    /// The events are durable, and the key is on its way to the state store.
    Placed(StoredClaim),
}

struct PendingClaim {
    state: PendingState,
    since: Instant,
}

/// What a claim of a key starts with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// Another request has the key.
    Known(ClaimOutcome),
    /// As many keys as are allowed are in flight.
    Full,
    /// The key is reserved; now the state store must be asked.
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
                // The other request may be refused for its body: this one's is not compared with it.
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

    /// Gives the reserved key to the request with this body: the state store does not know it.
    pub(super) fn claim(&mut self, key: ClaimKey, body: KeyHash) {
        if let Some(claim) = self.claims.get_mut(&key) {
            claim.state = PendingState::InFlight(body);
        }
    }

    /// The request's events are durable; returns what to store.
    pub(super) fn place(&mut self, key: ClaimKey, placed: Placed) -> Option<StoredClaim> {
        let claim = self.claims.get_mut(&key)?;
        let (PendingState::InFlight(body) | PendingState::Undecided(body)) = claim.state else { return None };
        let stored = StoredClaim { body, placed };
        claim.state = PendingState::Placed(stored.clone());
        Some(stored)
    }

    /// The append of the request ended without a known outcome.
    pub(super) fn undecided(&mut self, key: ClaimKey) {
        if let Some(claim) = self.claims.get_mut(&key)
            && let PendingState::InFlight(body) = claim.state
        {
            claim.state = PendingState::Undecided(body);
        }
    }

    /// Forgets an answered key that the state store has now.
    pub(super) fn stored(&mut self, key: ClaimKey) {
        if self.claims.get(&key).is_some_and(|claim| matches!(claim.state, PendingState::Placed(_))) {
            self.claims.remove(&key);
        }
    }

    /// Forgets a key that was given back.
    pub(super) fn remove(&mut self, key: ClaimKey) {
        self.claims.remove(&key);
    }

    /// The keys whose append ended without a known outcome.
    pub(super) fn all_undecided(&self) -> Vec<ClaimKey> {
        let undecided = |claim: &PendingClaim| matches!(claim.state, PendingState::Undecided(_));
        self.claims.iter().filter(|(_, claim)| undecided(claim)).map(|(key, _)| *key).collect()
    }

    /// Up to `limit` keys that wait for the state store since before `since`.
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
