//! The claims that this process holds: pure.

use foldhash::HashMap;
use sluice_ports::idempotency::{ClaimKey, KeyHash};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// A claim of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeldClaim {
    pub(super) token: String,
    pub(super) body: KeyHash,
}

/// Claims by key, and in the order in which they were made.
#[derive(Debug)]
pub(super) struct ClaimsInMemory {
    claims: HashMap<ClaimKey, (Instant, HeldClaim)>,
    by_age: BTreeSet<(Instant, ClaimKey)>,
    forget_after: Duration,
    max: usize,
}

impl ClaimsInMemory {
    /// Holds at most `max` claims. A claim is forgotten once its lease has surely ended.
    pub(super) fn new(forget_after: Duration, max: usize) -> Self {
        Self { claims: HashMap::default(), by_age: BTreeSet::new(), forget_after, max }
    }

    /// Whether there is no room for another claim.
    pub(super) fn is_full(&mut self, now: Instant) -> bool {
        while let Some((claimed, key)) = self.by_age.first().copied() {
            if now.duration_since(claimed) < self.forget_after {
                break;
            }
            self.take(&key);
        }
        self.claims.len() >= self.max
    }

    pub(super) fn insert(&mut self, key: ClaimKey, claim: HeldClaim, now: Instant) {
        self.take(&key);
        self.by_age.insert((now, key));
        self.claims.insert(key, (now, claim));
    }

    /// Removes a claim.
    pub(super) fn take(&mut self, key: &ClaimKey) -> Option<HeldClaim> {
        let (claimed, claim) = self.claims.remove(key)?;
        self.by_age.remove(&(claimed, *key));
        Some(claim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::CustomerId;

    #[test]
    fn claims_that_nobody_settles_do_not_refuse_others_for_ever() {
        let (lease, began) = (Duration::from_secs(60), Instant::now());
        let mut held = ClaimsInMemory::new(lease, 3);
        let key = |n: u8| (CustomerId::from_u128(1), [n; 16]);
        let claim = |n: u8| HeldClaim { token: n.to_string(), body: [n; 16] };
        for n in 0..3 {
            assert!(!held.is_full(began));
            held.insert(key(n), claim(n), began + Duration::from_secs(n.into()));
        }
        assert!(held.is_full(began + lease - Duration::from_millis(1)));
        assert!(!held.is_full(began + lease), "the oldest is forgotten");
        assert_eq!(held.take(&key(0)), None);
        assert_eq!(held.take(&key(2)), Some(claim(2)));
        held.insert(key(1), claim(9), began + lease);
        assert!(!held.is_full(began + lease + Duration::from_secs(2)), "claimed anew, it is young");
        assert_eq!(held.take(&key(1)), Some(claim(9)));
        assert!(held.by_age.is_empty() && held.claims.is_empty());
    }
}
