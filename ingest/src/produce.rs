//! Taking events: decode, claim the idempotency key, put into the lanes, wait
//! for the log, answer.

mod answer;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod tests;

use crate::decode::{BodyError, BodyForm, Common, Decoded, EventError, EventLimits, LaneChoice, decode};
use crate::lanes::{Full, LaneLimits, Lanes, Outcome, Placed};
use bytes::Bytes;
use sluice_catalogue::directory::CustomerEntry;
use sluice_catalogue::secrets;
use sluice_model::Claim;
use sluice_model::clock;
use sluice_model::customer::lane_of;
use sluice_model::limiter::Denied;
use sluice_model::trace::TraceParent;
use sluice_ports::idempotency::{ClaimOutcome, KeyHash, Placed as StoredPlaces};
use sluice_ports::rates::Taken;
use sluice_ports::{Idempotency, Log, PortError, Rates};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// How events are taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProducerSettings {
    pub events: EventLimits,
    pub lanes: LaneLimits,
    /// Lanes of the deployment.
    pub lane_count: u16,
    /// How long a request waits for the log at the most.
    pub append_timeout: Duration,
}

/// A request's words about itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wishes<'a> {
    /// How the body holds its events.
    pub form: BodyForm,
    /// The header `Idempotency-Key`.
    pub idempotency_key: Option<&'a str>,
    /// Answer counts and rejected events only.
    pub minimal: bool,
    /// What a translation found wrong with events of the body.
    pub refusals: &'a [(usize, EventError)],
    /// The header `traceparent`.
    pub trace: Option<TraceParent>,
}

/// What a request with events is answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// JSON.
    pub body: Bytes,
    /// Whether it is the answer of an earlier request with the same key.
    pub replayed: bool,
    /// How many events were accepted.
    pub accepted: usize,
    /// How many were rejected.
    pub rejected: usize,
}

/// Why a request is not answered 202.
#[derive(Debug)]
pub(crate) enum ProduceError {
    /// The body holds no events.
    Body(BodyError),
    /// Its one event is bad.
    Event(EventError),
    /// All of its events are bad; the body lists them.
    AllRejected(Bytes),
    /// There is no room.
    Full(Full),
    /// The customer's rate limit.
    RateLimited(Denied),
    /// The key is longer than allowed, or empty.
    BadKey,
    /// The same request is in flight.
    InFlight,
    /// The key stands for another body.
    KeyMismatch,
    /// Nothing was taken, and the same request may succeed later.
    NotTaken { detail: Arc<str>, retry_after: Duration },
    /// The events may or may not have been taken.
    Unknown { detail: Arc<str> },
    /// A store failed before anything was taken.
    Port(PortError),
}

/// The longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 256;

/// Takes events.
pub(crate) struct Producer {
    lanes: Arc<Lanes>,
    log: Arc<dyn Log>,
    idempotency: Arc<dyn Idempotency>,
    rates: Arc<dyn Rates>,
    settings: ProducerSettings,
    /// Spreads requests over a customer's lanes.
    turn: AtomicU16,
}

impl Producer {
    pub(crate) fn new(
        log: Arc<dyn Log>,
        idempotency: Arc<dyn Idempotency>,
        rates: Arc<dyn Rates>,
        settings: ProducerSettings,
    ) -> Self {
        let lanes = Arc::new(Lanes::new(log.clone(), settings.lanes));
        Self { lanes, log, idempotency, rates, settings, turn: AtomicU16::new(0) }
    }

    /// The lane buffers, whose units the binary runs.
    pub(crate) fn lanes(&self) -> &Arc<Lanes> {
        &self.lanes
    }

    /// Customers' rate limits.
    pub(crate) fn rates(&self) -> &dyn Rates {
        &*self.rates
    }

    /// Takes a request's events.
    pub(crate) async fn produce(
        &self,
        customer: &CustomerEntry,
        wishes: Wishes<'_>,
        body: &[u8],
    ) -> Result<Answer, ProduceError> {
        let now_ms = clock::now_ms();
        let timestamp = clock::rfc3339(now_ms);
        let fan_out = customer.fan_out().clamp(1, self.settings.lane_count);
        let lane = if fan_out == 1 { 0 } else { self.turn.fetch_add(1, Ordering::Relaxed) % fan_out };
        let id = customer.id().text();
        let trace = wishes.trace;
        let common = Common { customer: &id, timestamp: &timestamp, fan_out, lane, trace };
        let mut decoded =
            decode(body, wishes.form, common, self.settings.events).map_err(ProduceError::Body)?;
        decoded.refuse(wishes.refusals);
        if decoded.accepted() == 0 {
            return Err(Self::all_rejected(decoded));
        }
        let events = decoded.accepted() as u64;
        let key = wishes.idempotency_key.map(Into::into).or_else(|| decoded.idempotency_key.take());
        let Some(key) = key else {
            let placed = self.admit(customer, &mut decoded, None).await?;
            let waited = tokio::time::timeout(self.settings.append_timeout, wait(&placed)).await;
            let runs = waited.unwrap_or_else(|_elapsed| Err(timed_out()));
            let runs = runs.inspect_err(|error| self.refund(customer, events, error))?;
            return Ok(answer::write(&decoded, &runs, now_ms, wishes.minimal, false));
        };
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(ProduceError::BadKey);
        }
        let (key, body) = (sha256(key.as_bytes()), sha256(body));
        let claimed = self.idempotency.claim(customer.id(), key, body, now_ms).await;
        match claimed.map_err(ProduceError::Port)? {
            ClaimOutcome::Completed(places) => {
                let runs = answer::Runs::from(&places);
                return Ok(answer::write(&decoded, &runs, places.accepted_at_ms, wishes.minimal, true));
            }
            ClaimOutcome::InFlight => return Err(ProduceError::InFlight),
            ClaimOutcome::Mismatch => return Err(ProduceError::KeyMismatch),
            ClaimOutcome::Claimed => {}
        }
        let claim = Claim { key, body, first: 0, count: 0, part: 0, parts: 0 };
        let placed = match self.admit(customer, &mut decoded, Some(claim)).await {
            Ok(placed) => placed,
            Err(error) => {
                let released = self.idempotency.release(customer.id(), key).await;
                released.map_err(ProduceError::Port)?;
                return Err(error);
            }
        };
        let runs = self.settle(customer, key, placed, now_ms).await;
        let runs = runs.inspect_err(|error| self.refund(customer, events, error))?;
        Ok(answer::write(&decoded, &runs, now_ms, wishes.minimal, false))
    }

    /// Charges the events to the customer's rate and puts them into the lanes.
    async fn admit(
        &self,
        customer: &CustomerEntry,
        decoded: &mut Decoded<'_>,
        claim: Option<Claim>,
    ) -> Result<Vec<Placed>, ProduceError> {
        let events = decoded.accepted() as u64;
        let charged = match self.rates.take(customer.rated(), events) {
            Taken::Yes => Ok(()),
            Taken::No(denied) => Err(denied),
            Taken::Lease => self.rates.lease(customer.rated(), events).await,
        };
        charged.map_err(ProduceError::RateLimited)?;
        let pushed = self.accepting().and_then(|()| self.push(customer, decoded, claim));
        pushed.inspect_err(|error| self.refund(customer, events, error))
    }

    /// Events that were surely not taken are not charged.
    fn refund(&self, customer: &CustomerEntry, events: u64, error: &ProduceError) {
        if matches!(error, ProduceError::Full(_) | ProduceError::NotTaken { .. }) {
            self.rates.give_back(customer.rated(), events);
        }
    }

    /// Waits for a keyed request's events and settles its claim. That goes on
    /// when the client hangs up or its time is over: the claim must not be left open.
    async fn settle(
        &self,
        customer: &CustomerEntry,
        key: KeyHash,
        placed: Vec<Placed>,
        now_ms: u64,
    ) -> Result<answer::Runs, ProduceError> {
        let (idempotency, customer) = (self.idempotency.clone(), customer.id());
        let task = tokio::spawn(async move {
            let outcome = wait(&placed).await;
            let settled = match &outcome {
                Ok(runs) => {
                    let places = StoredPlaces { runs: runs.0.clone(), accepted_at_ms: now_ms };
                    idempotency.complete(customer, key, places).await
                }
                // The key stays taken: with a second try the events could be stored
                // twice. A restart learns from the log what became of the first.
                Err(ProduceError::Unknown { .. }) => Ok(()),
                Err(_) => idempotency.release(customer, key).await,
            };
            if let Err(error) = settled {
                tracing::error!(%error, "an idempotency key was not settled");
            }
            outcome
        });
        match tokio::time::timeout(self.settings.append_timeout, task).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panicked)) => Err(ProduceError::Unknown { detail: "the append was given up".into() }),
            Err(_elapsed) => Err(timed_out()),
        }
    }

    fn accepting(&self) -> Result<(), ProduceError> {
        use sluice_ports::log::AppendError;
        self.log.accepting().map_err(|error| match error {
            AppendError::NotTaken { detail, retry_after } => ProduceError::NotTaken { detail, retry_after },
            AppendError::Unknown { detail } => ProduceError::Unknown { detail },
        })
    }

    fn push(
        &self,
        customer: &CustomerEntry,
        decoded: &mut Decoded<'_>,
        claim: Option<Claim>,
    ) -> Result<Vec<Placed>, ProduceError> {
        let chunks = std::mem::take(&mut decoded.chunks);
        decoded.order = chunks.iter().map(|(choice, chunk)| (*choice, chunk.len())).collect();
        let lane = |choice: LaneChoice| lane_of(customer.id(), choice, self.settings.lane_count);
        let chunks = chunks.into_iter().map(|(choice, chunk)| (lane(choice), chunk)).collect();
        self.lanes.push(customer.id(), chunks, claim).map_err(ProduceError::Full)
    }

    fn all_rejected(mut decoded: Decoded<'_>) -> ProduceError {
        if decoded.single {
            return ProduceError::Event(decoded.rejected.swap_remove(0).1);
        }
        ProduceError::AllRejected(answer::write(&decoded, &answer::Runs(Vec::new()), 0, true, false).body)
    }
}

fn timed_out() -> ProduceError {
    ProduceError::Unknown { detail: "the log did not answer in time".into() }
}

/// Waits until it is known what became of all events.
async fn wait(placed: &[Placed]) -> Result<answer::Runs, ProduceError> {
    let mut runs = Vec::with_capacity(placed.len());
    let (mut not_taken, mut unknown) = (None, None);
    for run in placed {
        match run.outcome().await {
            (Some(batch), Outcome::Durable) => runs.push((batch, run.first, run.count)),
            (_, Outcome::NotTaken { detail, retry_after }) => not_taken = Some((detail, retry_after)),
            (_, Outcome::Unknown { detail }) => unknown = Some(detail),
            (None, Outcome::Durable) => unreachable!("a durable batch was cut, so it has an id"),
        }
    }
    match (unknown, not_taken) {
        (None, None) => Ok(answer::Runs(runs)),
        (None, Some((detail, retry_after))) if runs.is_empty() => {
            Err(ProduceError::NotTaken { detail, retry_after })
        }
        // Some of it is in the log, or may be.
        (Some(detail), _) | (None, Some((detail, _))) => Err(ProduceError::Unknown { detail }),
    }
}

fn sha256(bytes: &[u8]) -> KeyHash {
    secrets::sha256(bytes)[..16].try_into().expect("sixteen bytes of 32")
}
