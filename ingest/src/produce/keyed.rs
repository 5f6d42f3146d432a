//! Requests with an idempotency key, and events with keys of their own.
//!
//! Keys are claimed before anything is appended ([`HeldClaims`]). The header's
//! key covers the events of the request that have no key of their own. An event
//! that was accepted before is left out and answered with its first id; the other
//! events are accepted.

use super::answer::{Ids, Runs, Told};
use super::claims::HeldClaims;
use super::{Answer, DecodedRequest, ProduceError, Producer, Wishes, all_rejected, answer};
use crate::decode::{Decoded, EventError, KeyedEvent, hash};
use crate::lanes::{ClaimedEvents, PlacedEvents};
use foldhash::HashMap;
use sluice_catalogue::directory::CustomerEntry;
use sluice_model::EventId;
use sluice_ports::idempotency::{ClaimOutcome, KeyHash, Placed as StoredPlaces};
use std::collections::BTreeMap;

/// The longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 256;
/// After how many seconds to send an event again whose key is in flight.
const IN_FLIGHT_AGAIN_S: u64 = 1;

/// The state of an event with a key of its own, before anything is appended.
enum OwnKey {
    /// The key is new: the event is appended.
    Fresh,
    /// The event was accepted before.
    Before(EventId),
    /// An earlier event of the request has the same key and the same fields.
    Twin(usize),
    /// The event is refused.
    Refused(EventError),
}

impl Producer {
    /// A request of one event, or of events without keys of their own.
    pub(super) async fn produce_keyed(
        &self,
        customer: &CustomerEntry,
        mut request: DecodedRequest<'_>,
        key: KeyHash,
        body: KeyHash,
    ) -> Result<Answer, ProduceError> {
        let held = HeldClaims::new(&self.idempotency, customer.id());
        let claimed = held.claim(key, body, request.accepted_at_ms).await;
        match claimed.map_err(ProduceError::Port)? {
            ClaimOutcome::Claimed => {}
            ClaimOutcome::Completed(places) => {
                let (runs, ms) = (Runs::from(&places), places.accepted_at_ms);
                return Ok(answer::write(
                    &request.decoded,
                    &mut Ids::listed(&runs),
                    ms,
                    request.minimal,
                    true,
                ));
            }
            ClaimOutcome::InFlight => return Err(ProduceError::InFlight),
            ClaimOutcome::Mismatch => return Err(ProduceError::KeyMismatch),
        }
        let all = 0..request.decoded.accepted();
        let keys = [ClaimedEvents { key, body, places: places_of(&request.decoded, all) }];
        let runs = self.append(customer, &mut request, held, &keys).await?;
        Ok(request.answer(&runs))
    }

    /// A request of many events, some of which have keys of their own.
    pub(super) async fn produce_many_keyed(
        &self,
        customer: &CustomerEntry,
        request: DecodedRequest<'_>,
        wishes: Wishes<'_>,
        header: Option<KeyHash>,
        body: &[u8],
    ) -> Result<Answer, ProduceError> {
        let held = HeldClaims::new(&self.idempotency, customer.id());
        let now_ms = request.accepted_at_ms;
        let header = header.map(|key| (key, hash(body)));
        let first_answer = match header {
            None => None,
            Some((key, body)) => match held.claim(key, body, now_ms).await.map_err(ProduceError::Port)? {
                ClaimOutcome::Claimed => None,
                ClaimOutcome::Completed(places) => Some(places),
                ClaimOutcome::InFlight => return Err(ProduceError::InFlight),
                ClaimOutcome::Mismatch => return Err(ProduceError::KeyMismatch),
            },
        };
        let own = self.claim_own(&held, &request.decoded.keyed, now_ms).await?;
        if let (true, Some(OwnKey::Refused(error))) = (request.decoded.single, own.values().next()) {
            held.release().await.map_err(ProduceError::Port)?;
            return Err(match error.retry_after_s {
                Some(_) => ProduceError::InFlight,
                None => ProduceError::KeyMismatch,
            });
        }
        let left_out = left_out(&request.decoded, &own, first_answer.is_some());
        let mut request = if left_out.is_empty() {
            request
        } else {
            // Checked by the same types as before: their schemas may have changed meanwhile.
            self.decode_without(customer, wishes, body, &left_out, request.checks).await?
        };
        let fresh = request.decoded.accepted();
        let claimed = header.filter(|_| first_answer.is_none());
        let runs = if fresh == 0 {
            self.settle_nothing(held, claimed.map(|(key, _)| key), now_ms).await?;
            Runs(Vec::new())
        } else {
            let keys = claims(&request.decoded, claimed);
            self.append(customer, &mut request, held, &keys).await?
        };
        let told = tell(&request.decoded, &own, first_answer.as_ref(), &runs);
        let refused = told.iter().filter_map(|(index, told)| match told {
            Told::Refused(error) => Some((*index, error.clone())),
            Told::Before { .. } => None,
        });
        request.decoded.refuse_left_out(refused);
        let accepted = fresh + told.values().filter(|told| matches!(told, Told::Before { .. })).count();
        if accepted == 0 {
            let is_in_flight = |(_, error): &(usize, EventError)| error.retry_after_s.is_some();
            return Err(match request.decoded.rejected.iter().any(is_in_flight) {
                // Nothing is wrong with them: the same request may pass later.
                true => ProduceError::InFlight,
                false => all_rejected(request.decoded),
            });
        }
        let mut ids = Ids::of(&request.decoded, &runs);
        let (at_ms, minimal) = (request.accepted_at_ms, request.minimal);
        Ok(answer::write_told(&request.decoded, &told, &mut ids, at_ms, minimal, fresh == 0))
    }

    /// Claims the events' own keys. If several events have the same key, the first counts.
    async fn claim_own(
        &self,
        held: &HeldClaims,
        keyed: &[KeyedEvent],
        now_ms: u64,
    ) -> Result<BTreeMap<usize, OwnKey>, ProduceError> {
        let (mut own, mut first) = (BTreeMap::new(), HashMap::<KeyHash, KeyedEvent>::default());
        let mut claims = Vec::with_capacity(keyed.len());
        for event in keyed {
            match first.get(&event.key) {
                None => {
                    first.insert(event.key, *event);
                    claims.push(*event);
                }
                Some(known) if known.body == event.body => {
                    own.insert(event.index, OwnKey::Twin(known.index));
                }
                Some(_) => drop(own.insert(event.index, OwnKey::Refused(mismatch()))),
            }
        }
        let keys: Vec<_> = claims.iter().map(|event| (event.key, event.body)).collect();
        let outcomes = held.claim_all(&keys, now_ms).await.map_err(ProduceError::Port)?;
        for (event, outcome) in claims.iter().zip(outcomes) {
            let known = match outcome {
                ClaimOutcome::Claimed => OwnKey::Fresh,
                ClaimOutcome::Completed(places) => match places.runs.first() {
                    Some((batch, first, _)) => OwnKey::Before(batch.event(*first)),
                    None => OwnKey::Refused(mismatch()),
                },
                ClaimOutcome::InFlight => OwnKey::Refused(in_flight()),
                ClaimOutcome::Mismatch => OwnKey::Refused(mismatch()),
            };
            own.insert(event.index, known);
        }
        Ok(own)
    }

    /// Appends the request's events and settles the keys that it holds.
    async fn append(
        &self,
        customer: &CustomerEntry,
        request: &mut DecodedRequest<'_>,
        held: HeldClaims,
        keys: &[ClaimedEvents],
    ) -> Result<Runs, ProduceError> {
        let events = request.events();
        let PlacedEvents { runs, keyed, .. } = match self.admit(customer, &mut request.decoded, keys).await {
            Ok(placed) => placed,
            Err(error) => {
                held.release().await.map_err(ProduceError::Port)?;
                return Err(error);
            }
        };
        let keyed = keys.iter().map(|claimed| claimed.key).zip(keyed).collect();
        let timeout = self.settings.append_timeout;
        let settled = held.settle(keyed, runs, request.accepted_at_ms, timeout).await;
        settled.inspect_err(|error| self.refund(customer, events, error))
    }

    /// All events were accepted before, so the header's key covers no event.
    async fn settle_nothing(
        &self,
        held: HeldClaims,
        header: Option<KeyHash>,
        now_ms: u64,
    ) -> Result<(), ProduceError> {
        let keyed = header.map(|key| (key, Vec::new())).into_iter().collect();
        held.settle(keyed, Vec::new(), now_ms, self.settings.append_timeout).await.map(drop)
    }
}

/// The hash of the header's key.
pub(super) fn header_key(key: &str) -> Result<KeyHash, ProduceError> {
    match key.is_empty() || key.len() > KEY_BYTES_MAX {
        true => Err(ProduceError::BadKey),
        false => Ok(hash(key.as_bytes())),
    }
}

/// The events that are not appended, ascending. If the header's key was answered
/// before, they include all events without a key of their own.
fn left_out(decoded: &Decoded<'_>, own: &BTreeMap<usize, OwnKey>, is_answered: bool) -> Vec<usize> {
    let total = decoded.accepted() + decoded.rejected.len();
    let is_rejected =
        |index: &usize| decoded.rejected.binary_search_by_key(index, |(index, _)| *index).is_ok();
    let is_left_out = |index: &usize| match own.get(index) {
        Some(OwnKey::Fresh) => false,
        Some(_) => true,
        None => is_answered && !is_rejected(index),
    };
    (0..total).filter(is_left_out).collect()
}

/// The keys of the events that are appended: their own, and the header's for events without one.
fn claims(decoded: &Decoded<'_>, header: Option<(KeyHash, KeyHash)>) -> Vec<ClaimedEvents> {
    let places = places_of(decoded, 0..decoded.accepted());
    let own = decoded.keyed.iter().map(|event| ClaimedEvents {
        key: event.key,
        body: event.body,
        places: vec![places[event.ordinal]],
    });
    let mut claims: Vec<_> = own.collect();
    if let Some((key, body)) = header {
        let has_own =
            |ordinal: &usize| decoded.keyed.binary_search_by_key(ordinal, |event| event.ordinal).is_ok();
        let others = (0..places.len()).filter(|ordinal| !has_own(ordinal)).map(|ordinal| places[ordinal]);
        claims.push(ClaimedEvents { key, body, places: others.collect() });
    }
    claims
}

/// The chunk of each accepted event and its place in it.
fn places_of(decoded: &Decoded<'_>, events: std::ops::Range<usize>) -> Vec<(usize, usize)> {
    let mut next = vec![0; decoded.chunks.len()];
    let mut place = |chunk: usize| {
        next[chunk] += 1;
        (chunk, next[chunk] - 1)
    };
    let chunk_of = |ordinal: usize| match decoded.choices.get(ordinal) {
        Some(choice) => {
            decoded.chunks.iter().position(|(lane, _)| lane == choice).expect("its chunk is there")
        }
        None => 0,
    };
    events.map(|ordinal| place(chunk_of(ordinal))).collect()
}

/// The answers for the events that were not appended, by their index.
fn tell(
    decoded: &Decoded<'_>,
    own: &BTreeMap<usize, OwnKey>,
    first_answer: Option<&StoredPlaces>,
    runs: &Runs,
) -> BTreeMap<usize, Told> {
    let mut told = BTreeMap::new();
    let answered = first_answer.map(Runs::from).unwrap_or(Runs(Vec::new()));
    let mut ids = Ids::listed(&answered);
    for index in &decoded.left_out {
        if !own.contains_key(index)
            && let Some(id) = ids.next_id()
        {
            told.insert(*index, Told::Before { id, replayed: false });
        }
    }
    let fresh = fresh_ids(decoded, runs);
    let id_of = |index: usize| match own.get(&index) {
        Some(OwnKey::Before(id)) => Ok(*id),
        Some(OwnKey::Refused(error)) => Err(error.clone()),
        _ => fresh.get(&index).copied().ok_or_else(in_flight),
    };
    for (index, known) in own {
        let known = match known {
            OwnKey::Fresh => continue,
            OwnKey::Before(id) => Ok(*id),
            OwnKey::Twin(first) => id_of(*first),
            OwnKey::Refused(error) => Err(error.clone()),
        };
        told.insert(
            *index,
            match known {
                Ok(id) => Told::Before { id, replayed: true },
                Err(error) => Told::Refused(error),
            },
        );
    }
    told
}

/// The ids of the appended events that have keys of their own, by their index.
fn fresh_ids(decoded: &Decoded<'_>, runs: &Runs) -> HashMap<usize, EventId> {
    let mut ids = Ids::of(decoded, runs);
    let mut fresh = HashMap::default();
    let mut ordinal = 0;
    for event in &decoded.keyed {
        while ordinal < event.ordinal {
            ids.next_id();
            ordinal += 1;
        }
        if let Some(id) = ids.next_id() {
            fresh.insert(event.index, id);
        }
        ordinal += 1;
    }
    fresh
}

fn mismatch() -> EventError {
    EventError {
        code: "IDEMPOTENCY_MISMATCH",
        ..EventError::invalid("`metadata.idempotency_key` was used with another event")
    }
}

fn in_flight() -> EventError {
    EventError {
        code: "IDEMPOTENCY_IN_FLIGHT",
        retry_after_s: Some(IN_FLIGHT_AGAIN_S),
        ..EventError::invalid("an event with this `metadata.idempotency_key` is in flight")
    }
}
