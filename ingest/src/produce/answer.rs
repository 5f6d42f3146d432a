//! The answer to a request with events, written straight as JSON.

use super::Answer;
use crate::decode::{Decoded, EventError};
use crate::type_checks::EventMisfits;
use serde::Serialize;
use sluice_model::clock;
use sluice_model::ids::IdText;
use sluice_model::{BatchId, EventId};
use sluice_ports::idempotency::Placed as StoredPlaces;
use std::collections::BTreeMap;

/// The places of a request's accepted events: runs in the order of its chunks.
#[derive(Debug)]
pub(super) struct Runs(pub Vec<(BatchId, u16, u16)>);

impl From<&StoredPlaces> for Runs {
    fn from(places: &StoredPlaces) -> Self {
        Self(places.runs.clone())
    }
}

/// The answer for an event that was not appended.
#[derive(Debug)]
pub(super) enum Told {
    /// It was accepted before, under its own key (then it is marked) or the header's.
    Before { id: EventId, replayed: bool },
    /// It is refused.
    Refused(EventError),
}

/// Yields the ids of a request's accepted events in the request's order.
pub(super) struct Ids<'a> {
    runs: &'a [(BatchId, u16, u16)],
    /// For each lane of the request: its next run, and how many events of that run were yielded.
    lanes: Vec<(u16, usize, u16)>,
    choices: &'a [u16],
    yielded: usize,
    text: IdText,
}

impl<'a> Ids<'a> {
    /// The ids of runs that are listed chunk by chunk.
    pub(super) fn of(decoded: &'a Decoded<'_>, runs: &'a Runs) -> Self {
        let order: Vec<(u16, usize)> = if decoded.order.is_empty() {
            decoded.chunks.iter().map(|(choice, chunk)| (*choice, chunk.len())).collect()
        } else {
            decoded.order.clone()
        };
        let mut lanes = Vec::with_capacity(order.len());
        let mut run = 0;
        for (choice, events) in order {
            lanes.push((choice, run, 0));
            let mut left = events;
            while left > 0 && run < runs.0.len() {
                left = left.saturating_sub(usize::from(runs.0[run].2));
                run += 1;
            }
        }
        Self { runs: &runs.0, lanes, choices: &decoded.choices, yielded: 0, text: IdText::default() }
    }

    /// The ids of runs in the request's order, as an idempotency key keeps them.
    pub(super) fn listed(runs: &'a Runs) -> Self {
        Self { runs: &runs.0, lanes: vec![(0, 0, 0)], choices: &[], yielded: 0, text: IdText::default() }
    }

    fn next(&mut self) -> Option<[u8; 36]> {
        self.next_id().map(|id| self.text.of(id))
    }

    pub(super) fn next_id(&mut self) -> Option<EventId> {
        let choice = self.choices.get(self.yielded).copied();
        self.yielded += 1;
        let lane = match choice {
            Some(choice) => self.lanes.iter_mut().find(|(lane, ..)| *lane == choice)?,
            None => self.lanes.first_mut()?,
        };
        let (batch, first, count) = *self.runs.get(lane.1)?;
        let id = batch.event(first + lane.2);
        lane.2 += 1;
        if lane.2 == count {
            (lane.1, lane.2) = (lane.1 + 1, 0);
        }
        Some(id)
    }
}

/// The error of a rejected event, as the answer lists it.
#[derive(Serialize)]
struct RejectedEvent<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a EventMisfits>,
}

/// Writes the answer for events that were accepted at `accepted_at_ms`.
pub(super) fn write(
    decoded: &Decoded<'_>,
    ids: &mut Ids<'_>,
    accepted_at_ms: u64,
    minimal: bool,
    replayed: bool,
) -> Answer {
    write_told(decoded, &BTreeMap::new(), ids, accepted_at_ms, minimal, replayed)
}

/// Writes the answer if some events were not appended.
pub(super) fn write_told(
    decoded: &Decoded<'_>,
    told: &BTreeMap<usize, Told>,
    ids: &mut Ids<'_>,
    accepted_at_ms: u64,
    minimal: bool,
    replayed: bool,
) -> Answer {
    let appended: usize = ids.runs.iter().map(|(_, _, count)| usize::from(*count)).sum();
    let refused = told.values().filter(|told| matches!(told, Told::Refused(_))).count();
    let accepted = appended + told.len() - refused;
    let rejected = decoded.rejected.len();
    let body = match (decoded.single, told.values().next()) {
        (true, Some(Told::Before { id, .. })) => one(&id.text(), id.batch().ms()),
        (true, _) => one(&ids.next().expect("its only event was appended"), accepted_at_ms),
        (false, _) => many(decoded, told, accepted, ids, minimal),
    };
    Answer { body: body.into(), replayed, accepted, rejected }
}

fn one(id: &[u8; 36], accepted_at_ms: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    out.extend_from_slice(b"{\"event_id\":\"");
    out.extend_from_slice(id);
    out.extend_from_slice(
        b"\",\"status\":\"accepted\",\"message\":\"Event accepted for delivery\",\"timestamp\":\"",
    );
    out.extend_from_slice(&clock::rfc3339(accepted_at_ms));
    out.extend_from_slice(b"\"}");
    out
}

fn many(
    decoded: &Decoded<'_>,
    told: &BTreeMap<usize, Told>,
    accepted: usize,
    ids: &mut Ids<'_>,
    minimal: bool,
) -> Vec<u8> {
    let mut number = itoa::Buffer::new();
    let listed = if minimal { 0 } else { accepted };
    let mut out = Vec::with_capacity(64 + listed * 66 + decoded.rejected.len() * 128);
    out.extend_from_slice(b"{\"accepted\":");
    out.extend_from_slice(number.format(accepted).as_bytes());
    out.extend_from_slice(b",\"rejected\":");
    out.extend_from_slice(number.format(decoded.rejected.len()).as_bytes());
    out.extend_from_slice(b",\"events\":[");
    let mut rejected = decoded.rejected.iter().peekable();
    let mut comma = false;
    for index in 0..accepted + decoded.rejected.len() {
        let error = rejected.next_if(|(rejected, _)| *rejected == index);
        if error.is_none() && minimal {
            continue;
        }
        out.extend_from_slice(if comma { b",{\"index\":" } else { b"{\"index\":" });
        out.extend_from_slice(number.format(index).as_bytes());
        comma = true;
        if let Some((_, error)) = error {
            out.extend_from_slice(b",\"error\":");
            let (code, message, retry_after_s) = (error.code, &*error.message, error.retry_after_s);
            let details = error.misfits.as_deref();
            let error = RejectedEvent { code, message, retry_after_s, details };
            serde_json::to_writer(&mut out, &error).expect("texts can be written as JSON");
            out.push(b'}');
        } else if let Some(Told::Before { id, replayed }) = told.get(&index) {
            out.extend_from_slice(b",\"event_id\":\"");
            out.extend_from_slice(&ids.text.of(*id));
            out.extend_from_slice(if *replayed { b"\",\"replayed\":true}" } else { b"\"}" });
        } else if let Some(id) = ids.next() {
            out.extend_from_slice(b",\"event_id\":\"");
            out.extend_from_slice(&id);
            out.extend_from_slice(b"\"}");
        } else {
            out.push(b'}');
        }
    }
    out.extend_from_slice(b"]}");
    out
}
