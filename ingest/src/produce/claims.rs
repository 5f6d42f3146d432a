//! Idempotency keys that a request has claimed, until the outcome of their events is known.
//!
//! A claim is completed with the places of its events, or released if none was
//! accepted. If it is not known whether they were accepted, the key stays
//! claimed, since a second try could store them twice. A restart then learns the
//! outcome of the first try from the log.

use super::answer::Runs;
use super::{ProduceError, wait};
use crate::lanes::PlacedRun;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use parking_lot::Mutex;
use sluice_model::CustomerId;
use sluice_ports::idempotency::{ClaimOutcome, KeyHash, Placed as StoredPlaces};
use sluice_ports::{Idempotency, PortError};
use std::sync::Arc;
use std::time::Duration;

/// The most concurrent calls to the store of keys for one request.
const CALLS_MAX: usize = 64;

/// Keys that are claimed. Dropping it releases them: nothing of their events was taken.
pub(super) struct HeldClaims {
    idempotency: Arc<dyn Idempotency>,
    customer: CustomerId,
    /// Noted the moment a claim succeeds, so that no claim is forgotten if its request is cancelled.
    keys: Mutex<Vec<KeyHash>>,
}

impl HeldClaims {
    pub(super) fn new(idempotency: &Arc<dyn Idempotency>, customer: CustomerId) -> Self {
        Self { idempotency: Arc::clone(idempotency), customer, keys: Mutex::default() }
    }

    /// Claims a key; if the claim succeeds, the key is held from now on.
    pub(super) async fn claim(
        &self,
        key: KeyHash,
        body: KeyHash,
        now_ms: u64,
    ) -> Result<ClaimOutcome, PortError> {
        let mut outcomes = self.claim_all(&[(key, body)], now_ms).await?;
        Ok(outcomes.swap_remove(0))
    }

    /// Claims distinct keys, each with its body. Returns an outcome for each.
    pub(super) async fn claim_all(
        &self,
        keys: &[(KeyHash, KeyHash)],
        now_ms: u64,
    ) -> Result<Vec<ClaimOutcome>, PortError> {
        let claim = |(key, body): &(KeyHash, KeyHash)| self.claim_one(*key, *body, now_ms).boxed();
        let claims: Vec<BoxFuture<'_, _>> = keys.iter().map(claim).collect();
        stream::iter(claims).buffered(CALLS_MAX).try_collect().await
    }

    async fn claim_one(&self, key: KeyHash, body: KeyHash, now_ms: u64) -> Result<ClaimOutcome, PortError> {
        let outcome = self.idempotency.claim(self.customer, key, body, now_ms).await?;
        if outcome == ClaimOutcome::Claimed {
            self.keys.lock().push(key);
        }
        Ok(outcome)
    }

    /// Gives the keys back.
    pub(super) async fn release(self) -> Result<(), PortError> {
        let keys = std::mem::take(&mut *self.keys.lock());
        release_all(&*self.idempotency, self.customer, keys).await
    }

    /// Waits for the events of each key and settles its claim. Returns the outcome of
    /// all `runs` of the request. The task goes on if the client hangs up or the time
    /// is over, so that no claim is left open.
    pub(super) async fn settle(
        self,
        keyed: Vec<(KeyHash, Vec<PlacedRun>)>,
        runs: Vec<PlacedRun>,
        accepted_at_ms: u64,
        timeout: Duration,
    ) -> Result<Runs, ProduceError> {
        let (idempotency, customer) = (Arc::clone(&self.idempotency), self.customer);
        self.keys.lock().clear();
        let task = tokio::spawn(async move {
            let settle = |(key, placed): (KeyHash, Vec<PlacedRun>)| {
                let idempotency = Arc::clone(&idempotency);
                async move { settle_one(&*idempotency, customer, key, &placed, accepted_at_ms).await }.boxed()
            };
            let all: Vec<BoxFuture<'static, ()>> = keyed.into_iter().map(settle).collect();
            stream::iter(all).buffer_unordered(CALLS_MAX).for_each(|()| async {}).await;
            wait::runs(&runs).await
        });
        match tokio::time::timeout(timeout, task).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panicked)) => Err(ProduceError::Unknown { detail: "the append was given up".into() }),
            Err(_elapsed) => Err(wait::timed_out()),
        }
    }
}

impl Drop for HeldClaims {
    fn drop(&mut self) {
        let keys = std::mem::take(self.keys.get_mut());
        if keys.is_empty() {
            return;
        }
        let (idempotency, customer) = (Arc::clone(&self.idempotency), self.customer);
        tokio::spawn(async move {
            if let Err(error) = release_all(&*idempotency, customer, keys).await {
                tracing::warn!(%error, "idempotency keys were not released");
            }
        });
    }
}

async fn release_all(
    idempotency: &dyn Idempotency,
    customer: CustomerId,
    keys: Vec<KeyHash>,
) -> Result<(), PortError> {
    let released: Vec<_> = keys.into_iter().map(|key| idempotency.release(customer, key)).collect();
    stream::iter(released).buffer_unordered(CALLS_MAX).try_collect().await
}

async fn settle_one(
    idempotency: &dyn Idempotency,
    customer: CustomerId,
    key: KeyHash,
    placed: &[PlacedRun],
    accepted_at_ms: u64,
) {
    let settled = match wait::runs(placed).await {
        Ok(runs) => {
            let places = StoredPlaces { runs: runs.0, accepted_at_ms };
            idempotency.complete(customer, key, places).await
        }
        Err(ProduceError::Unknown { .. }) => idempotency.undecided(customer, key).await,
        Err(_) => idempotency.release(customer, key).await,
    };
    if let Err(error) = settled {
        tracing::error!(%error, "an idempotency key could not be settled");
    }
}
