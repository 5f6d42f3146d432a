//! Requests with an idempotency key.
//!
//! The key is claimed before anything is appended. The claim is completed with
//! the places of the events, or released if no event was accepted. If it is not
//! known whether the events were accepted, the key stays claimed: a second try
//! could store them twice. A restart then learns from the log what became of
//! the first try.

use super::answer::{self, Runs};
use super::{Answer, DecodedRequest, ProduceError, Producer, wait};
use crate::lanes::PlacedRun;
use sluice_catalogue::directory::CustomerEntry;
use sluice_catalogue::secrets;
use sluice_model::Claim;
use sluice_ports::idempotency::{ClaimOutcome, KeyHash, Placed as StoredPlaces};

/// The longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 256;

impl Producer {
    pub(super) async fn produce_keyed(
        &self,
        customer: &CustomerEntry,
        mut request: DecodedRequest<'_>,
        key: &str,
        body: &[u8],
    ) -> Result<Answer, ProduceError> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(ProduceError::BadKey);
        }
        let (key, body) = (hash(key.as_bytes()), hash(body));
        if let Some(places) = self.claim(customer, key, body, request.accepted_at_ms).await? {
            let (runs, ms) = (Runs::from(&places), places.accepted_at_ms);
            return Ok(answer::write(&request.decoded, &runs, ms, request.minimal, true));
        }
        let events = request.events();
        let claim = Claim { key, body, first: 0, count: 0, part: 0, parts: 0 };
        let placed = match self.admit(customer, &mut request.decoded, Some(claim)).await {
            Ok(placed) => placed,
            Err(error) => {
                let released = self.idempotency.release(customer.id(), key).await;
                released.map_err(ProduceError::Port)?;
                return Err(error);
            }
        };
        let runs = self.settle(customer, key, placed, request.accepted_at_ms).await;
        let runs = runs.inspect_err(|error| self.refund(customer, events, error))?;
        Ok(request.answer(&runs))
    }

    /// Claims the key. Returns the places of the events if an earlier request
    /// with the same key and body was accepted.
    async fn claim(
        &self,
        customer: &CustomerEntry,
        key: KeyHash,
        body: KeyHash,
        now_ms: u64,
    ) -> Result<Option<StoredPlaces>, ProduceError> {
        let claimed = self.idempotency.claim(customer.id(), key, body, now_ms).await;
        match claimed.map_err(ProduceError::Port)? {
            ClaimOutcome::Claimed => Ok(None),
            ClaimOutcome::Completed(places) => Ok(Some(places)),
            ClaimOutcome::InFlight => Err(ProduceError::InFlight),
            ClaimOutcome::Mismatch => Err(ProduceError::KeyMismatch),
        }
    }

    /// Waits for the events and settles the claim. The task goes on when the
    /// client hangs up or the time is over, so that no claim is left open.
    async fn settle(
        &self,
        customer: &CustomerEntry,
        key: KeyHash,
        placed: Vec<PlacedRun>,
        accepted_at_ms: u64,
    ) -> Result<Runs, ProduceError> {
        let (idempotency, customer) = (self.idempotency.clone(), customer.id());
        let task = tokio::spawn(async move {
            let outcome = wait::runs(&placed).await;
            let settled = match &outcome {
                Ok(runs) => {
                    let places = StoredPlaces { runs: runs.0.clone(), accepted_at_ms };
                    idempotency.complete(customer, key, places).await
                }
                Err(ProduceError::Unknown { .. }) => idempotency.undecided(customer, key).await,
                Err(_) => idempotency.release(customer, key).await,
            };
            if let Err(error) = settled {
                tracing::error!(%error, "an idempotency key could not be settled");
            }
            outcome
        });
        match tokio::time::timeout(self.settings.append_timeout, task).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panicked)) => Err(ProduceError::Unknown { detail: "the append was given up".into() }),
            Err(_elapsed) => Err(wait::timed_out()),
        }
    }
}

/// The first half of a text's SHA-256.
fn hash(bytes: &[u8]) -> KeyHash {
    secrets::sha256(bytes)[..16].try_into().expect("sixteen bytes of 32")
}
