//! Accepting events: decode them, put them into the lanes, wait for the log, answer.
//!
//! A plain request does just that. A request with an idempotency key claims the
//! key first and settles it afterwards; see [`keyed`].

mod answer;
#[cfg(test)]
mod bench;
mod claims;
mod desk;
mod keyed;
mod metrics;
#[cfg(test)]
mod tests;
mod wait;

use metrics::TypeMetrics;
pub(crate) use metrics::{AcceptedRequest, CHECK_RESULTS, ProduceMetrics};

use crate::decode::{
    BodyForm, Decoded, EnvelopeContext, EventError, EventLimits, EventsBodyError, LaneChoice, decode, hash,
};
use crate::lanes::{ClaimedEvents, Full, LaneBuffers, LaneLimits, PlacedEvents};
use crate::type_checks::{CheckLimits, CheckPlace, TypeChecks};
use answer::{Ids, Runs};
use bytes::Bytes;
use desk::DecodingDesk;
use sluice_catalogue::directory::CustomerEntry;
use sluice_model::CustomerId;
use sluice_model::clock;
use sluice_model::customer::lane_of;
use sluice_model::limiter::Denied;
use sluice_model::trace::TraceParent;
use sluice_ports::log::AppendError;
use sluice_ports::rates::Taken;
use sluice_ports::{Idempotency, Log, PortError, Rates};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// Limits of accepting events.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProducerSettings {
    pub events: EventLimits,
    pub lanes: LaneLimits,
    pub checks: CheckLimits,
    /// How many lanes the deployment has.
    pub lane_count: u16,
    /// The longest that a request waits for the log, up to `lanes::LOOK_EVERY` more.
    pub append_timeout: Duration,
}

/// The properties of a request besides its body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wishes<'a> {
    /// How the body holds its events.
    pub form: BodyForm,
    /// The header `Idempotency-Key`.
    pub idempotency_key: Option<&'a str>,
    /// Whether the answer lists only counts and rejected events.
    pub minimal: bool,
    /// Events of the body that its translation refused, by their index.
    pub refusals: &'a [(usize, EventError)],
    /// The header `traceparent`.
    pub trace: Option<TraceParent>,
}

/// The answer to a request whose events were accepted.
#[derive(Debug)]
pub(crate) struct Answer {
    /// JSON.
    pub body: Bytes,
    /// Whether this repeats the answer to an earlier request with the same key.
    pub replayed: bool,
    /// How many events were accepted.
    pub accepted: usize,
    /// How many events were rejected.
    pub rejected: usize,
}

/// Why a request is not answered 202.
#[derive(Debug)]
pub(crate) enum ProduceError {
    /// The body holds no events.
    Body(EventsBodyError),
    /// The body is one event, which is invalid.
    Event(EventError),
    /// Every event of the body is invalid; the bytes list them.
    AllRejected(Bytes),
    /// The lane buffers have no room.
    Full(Full),
    /// The customer's rate does not allow the events now.
    RateLimited(Denied),
    /// The idempotency key is empty or too long.
    BadKey,
    /// A request with this idempotency key is in flight.
    InFlight,
    /// The idempotency key was used with another body.
    KeyMismatch,
    /// No event was accepted, and the same request may succeed later.
    NotTaken { detail: Arc<str>, retry_after: Duration },
    /// The events may or may not have been accepted.
    Unknown { detail: Arc<str> },
    /// A store failed before any event was accepted.
    Port(PortError),
}

impl From<AppendError> for ProduceError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::NotTaken { detail, retry_after } => Self::NotTaken { detail, retry_after },
            AppendError::Unknown { detail } => Self::Unknown { detail },
        }
    }
}

/// Accepts events.
pub(crate) struct Producer {
    lanes: Arc<LaneBuffers>,
    log: Arc<dyn Log>,
    idempotency: Arc<dyn Idempotency>,
    rates: Arc<dyn Rates>,
    desk: DecodingDesk,
    settings: ProducerSettings,
    /// Counts requests, to spread them over a customer's lanes.
    turn: AtomicU16,
    type_metrics: TypeMetrics,
}

/// Events that were decoded, with what their answer needs.
struct DecodedRequest<'a> {
    decoded: Decoded<'a>,
    accepted_at_ms: u64,
    minimal: bool,
    /// The declared types by which its events were checked.
    checks: Option<TypeChecks>,
}

impl DecodedRequest<'_> {
    fn events(&self) -> u64 {
        self.decoded.accepted() as u64
    }

    fn answer(&self, runs: &Runs) -> Answer {
        let mut ids = Ids::of(&self.decoded, runs);
        answer::write(&self.decoded, &mut ids, self.accepted_at_ms, self.minimal, false)
    }
}

impl Producer {
    pub(crate) fn new(
        log: Arc<dyn Log>,
        idempotency: Arc<dyn Idempotency>,
        rates: Arc<dyn Rates>,
        settings: ProducerSettings,
    ) -> Self {
        let lanes = Arc::new(LaneBuffers::new(log.clone(), settings.lanes));
        let (desk, turn) = (DecodingDesk::default(), AtomicU16::new(0));
        let type_metrics = TypeMetrics::new();
        Self { lanes, log, idempotency, rates, desk, settings, turn, type_metrics }
    }

    /// The lane buffers, whose appenders the caller runs.
    pub(crate) fn lanes(&self) -> &Arc<LaneBuffers> {
        &self.lanes
    }

    /// The customers' rate limits.
    pub(crate) fn rates(&self) -> &dyn Rates {
        &*self.rates
    }

    /// Accepts a request's events.
    pub(crate) async fn produce(
        &self,
        customer: &CustomerEntry,
        wishes: Wishes<'_>,
        body: &[u8],
    ) -> Result<Answer, ProduceError> {
        let checks = TypeChecks::of(customer, self.settings.checks);
        let request = self.decode_without(customer, wishes, body, &[], checks).await?;
        self.type_metrics.count(request.decoded.checked);
        if request.decoded.accepted() == 0 {
            return Err(all_rejected(request.decoded));
        }
        let header = wishes.idempotency_key.map(keyed::header_key).transpose()?;
        let own = request.decoded.keyed.first().map(|event| (event.key, event.body));
        match (header, own) {
            (None, None) => self.produce_plain(customer, request).await,
            (Some(key), None) => self.produce_keyed(customer, request, key, hash(body)).await,
            (None, Some((key, body))) if request.decoded.single => {
                self.produce_keyed(customer, request, key, body).await
            }
            (_, Some(_)) => self.produce_many_keyed(customer, request, wishes, header, body).await,
        }
    }

    async fn produce_plain(
        &self,
        customer: &CustomerEntry,
        mut request: DecodedRequest<'_>,
    ) -> Result<Answer, ProduceError> {
        let events = request.events();
        let placed = self.admit(customer, &mut request.decoded, &[]).await?;
        let waited = wait::for_at_most(self.settings.append_timeout, wait::runs(&placed.runs)).await;
        let runs = waited.unwrap_or_else(|| Err(wait::timed_out()));
        let runs = runs.inspect_err(|error| self.refund(customer, events, error))?;
        Ok(request.answer(&runs))
    }

    /// Does the work of a body of `bytes` bytes without holding up other requests.
    pub(crate) async fn work<T>(&self, customer: CustomerId, bytes: usize, work: impl FnOnce() -> T) -> T {
        self.desk.work(customer, bytes, work).await
    }

    /// Decodes the body without the events at these indexes.
    async fn decode_without<'a>(
        &self,
        customer: &CustomerEntry,
        wishes: Wishes<'_>,
        body: &'a [u8],
        leave_out: &[usize],
        checks: Option<TypeChecks>,
    ) -> Result<DecodedRequest<'a>, ProduceError> {
        let place = match DecodingDesk::is_inline(body.len()) {
            true => CheckPlace::Inline,
            false => CheckPlace::Desk,
        };
        let decode = |place, checks| self.decode(customer, wishes, body, leave_out, (checks, place));
        let request = self.work(customer.id(), body.len(), || decode(place, checks)).await?;
        if !request.decoded.is_too_much {
            return Ok(request);
        }
        let checks = request.checks;
        self.desk.huge_work(customer.id(), || decode(CheckPlace::Desk, checks)).await
    }

    fn decode<'a>(
        &self,
        customer: &CustomerEntry,
        wishes: Wishes<'_>,
        body: &'a [u8],
        leave_out: &[usize],
        (checks, place): (Option<TypeChecks>, CheckPlace),
    ) -> Result<DecodedRequest<'a>, ProduceError> {
        let accepted_at_ms = clock::now_ms();
        let fan_out = customer.fan_out().clamp(1, self.settings.lane_count);
        let context = EnvelopeContext {
            customer: &customer.id().text(),
            timestamp: &clock::rfc3339(accepted_at_ms),
            fan_out,
            lane: if fan_out == 1 { 0 } else { self.turn.fetch_add(1, Ordering::Relaxed) % fan_out },
            trace: wishes.trace,
        };
        let types = checks.as_ref().map(|checks| (checks, place));
        let decoded = decode(body, wishes.form, context, self.settings.events, leave_out, types);
        let mut decoded = decoded.map_err(ProduceError::Body)?;
        decoded.refuse(wishes.refusals);
        Ok(DecodedRequest { decoded, accepted_at_ms, minimal: wishes.minimal, checks })
    }

    /// Charges the events to the customer's rate and puts them into the lanes.
    async fn admit(
        &self,
        customer: &CustomerEntry,
        decoded: &mut Decoded<'_>,
        keys: &[ClaimedEvents],
    ) -> Result<PlacedEvents, ProduceError> {
        let events = decoded.accepted() as u64;
        let charged = match self.rates.take(customer.rated(), events) {
            Taken::Yes => Ok(()),
            Taken::No(denied) => Err(denied),
            Taken::Lease => self.rates.lease(customer.rated(), events).await,
        };
        charged.map_err(ProduceError::RateLimited)?;
        let accepting = self.log.accepting().map_err(ProduceError::from);
        let placed = match accepting {
            Ok(()) => self.push(customer, decoded, keys).await,
            Err(error) => Err(error),
        };
        placed.inspect_err(|error| self.refund(customer, events, error))
    }

    /// Gives the rate back if the events were certainly not accepted.
    fn refund(&self, customer: &CustomerEntry, events: u64, error: &ProduceError) {
        if matches!(error, ProduceError::Full(_) | ProduceError::NotTaken { .. }) {
            self.rates.give_back(customer.rated(), events);
        }
    }

    /// Puts the events into their lanes. Cancel safe: it puts all of them or none.
    async fn push(
        &self,
        customer: &CustomerEntry,
        decoded: &mut Decoded<'_>,
        keys: &[ClaimedEvents],
    ) -> Result<PlacedEvents, ProduceError> {
        let chunks = std::mem::take(&mut decoded.chunks);
        decoded.order = chunks.iter().map(|(choice, chunk)| (*choice, chunk.len())).collect();
        let lane = |choice: LaneChoice| lane_of(customer.id(), choice, self.settings.lane_count);
        let mut chunks: Vec<_> = chunks.into_iter().map(|(choice, chunk)| (lane(choice), chunk)).collect();
        if let Some(codec) = self.log.body_codec() {
            let bytes = chunks.iter().map(|(_, chunk)| chunk.bytes()).sum();
            let pack = || chunks.iter_mut().try_for_each(|(_, chunk)| chunk.pack(codec));
            self.work(customer.id(), bytes, pack).await.map_err(|error| not_packed(&error))?;
        }
        self.lanes.push(customer.id(), chunks, keys).map_err(ProduceError::Full)
    }
}

/// The codec failed, so nothing was taken.
fn not_packed(error: &std::io::Error) -> ProduceError {
    let detail = format!("the events could not be compressed: {error}").into();
    ProduceError::NotTaken { detail, retry_after: Duration::from_secs(1) }
}

fn all_rejected(mut decoded: Decoded<'_>) -> ProduceError {
    if decoded.single {
        return ProduceError::Event(decoded.rejected.swap_remove(0).1);
    }
    ProduceError::AllRejected(
        answer::write(&decoded, &mut Ids::of(&decoded, &Runs(Vec::new())), 0, true, false).body,
    )
}
