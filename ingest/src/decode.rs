//! From a request's body to events. Each event is decoded once and written once,
//! as the bytes that webhooks will carry.
//!
//! An array without faults is decoded in one pass. If an event is not an event at
//! all, the array is decoded again event by event, so that its neighbours are
//! not lost.

pub(crate) mod cloud_events;
mod incoming;
mod own_key;
mod payload;

/// Limits that the API's description states.
pub(crate) mod limits {
    pub(crate) use super::incoming::{NAME_BYTES_MAX, TAGS_MAX, TEXT_BYTES_MAX};
}

use self::incoming::Incoming;
pub(crate) use self::own_key::{KeyedEvent, hash};
pub(crate) use self::payload::check_payload;
use crate::lanes::EventChunk;
use crate::type_checks::{CheckCounts, CheckPlace, CheckSession, EventMisfits, TypeChecks};
use serde::de::{DeserializeSeed, SeqAccess, Visitor};
use serde_json::value::RawValue;
use sluice_model::ids::ID_TEXT_LEN;
use sluice_model::trace::TraceParent;
use std::fmt;

/// Limits of events.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventLimits {
    /// Bytes of an event's fields, as JSON.
    pub event_bytes_max: usize,
    /// Events of a request.
    pub request_events_max: usize,
}

/// How the body of a request holds its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyForm {
    /// A JSON value: one event, an array, or `{"events":[…]}`.
    Json,
    /// One event a line.
    Ndjson,
}

/// Why one event is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventError {
    /// A stable code of the API.
    pub code: &'static str,
    /// The fault, for people: it names the field and the limit.
    pub message: String,
    /// The limit, if the event has too many bytes.
    pub limit_bytes: Option<usize>,
    /// When to send the event again, in seconds, if it may be accepted then.
    pub retry_after_s: Option<u64>,
    /// The parts that do not fit the type that the customer declared.
    pub misfits: Option<Box<EventMisfits>>,
}

impl EventError {
    /// An event that breaks a rule.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        let (code, message) = ("INVALID_EVENT", message.into());
        Self { code, message, limit_bytes: None, retry_after_s: None, misfits: None }
    }

    /// An event with too many bytes.
    pub(crate) fn too_large(bytes: usize, limit: usize) -> Self {
        let message = format!("the event has {bytes} bytes; the limit is {limit}");
        Self { code: "EVENT_TOO_LARGE", limit_bytes: Some(limit), ..Self::invalid(message) }
    }
}

/// Why a body as a whole is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EventsBodyError {
    /// It is not JSON, or has none of the accepted forms.
    Malformed(String),
    /// It holds no event.
    Empty,
    /// It holds more events than allowed.
    TooMany {
        /// How many are allowed.
        max: usize,
    },
}

/// Which of the customer's lanes an accepted event goes to. Events keep their
/// order within a lane, so the lane alone tells where an event is.
pub(crate) type LaneChoice = u16;

/// The events of a body.
#[derive(Debug)]
pub(crate) struct Decoded<'a> {
    /// Whether the body was one event, not an array of events.
    pub single: bool,
    /// The accepted events: a chunk for each lane that has any.
    pub chunks: Vec<(LaneChoice, EventChunk<'a>)>,
    /// The lane of each accepted event; empty if all events are in one lane.
    pub choices: Vec<LaneChoice>,
    /// How many events each chunk has, filled in when the chunks go to their lanes.
    pub order: Vec<(LaneChoice, usize)>,
    /// The refused events by their index in the request.
    pub rejected: Vec<(usize, EventError)>,
    /// The accepted events that have a key of their own.
    pub keyed: Vec<KeyedEvent>,
    /// The events that were left out, by their index in the request.
    pub left_out: Vec<usize>,
    /// The results of the checks of events with declared types.
    pub checked: CheckCounts,
    /// Whether the checks are too much work for a thread of the runtime, so that the
    /// body must be decoded at the desk.
    pub is_too_much: bool,
}

impl Decoded<'_> {
    /// Replaces the faults of events that a translation refused: a blank event
    /// stands for each, and the translation knows the real fault.
    pub(crate) fn refuse(&mut self, refusals: &[(usize, EventError)]) {
        for (index, error) in refusals {
            if let Ok(at) = self.rejected.binary_search_by_key(index, |(index, _)| *index) {
                self.rejected[at].1.clone_from(error);
            }
        }
    }

    /// Refuses events that were left out.
    pub(crate) fn refuse_left_out(&mut self, refusals: impl Iterator<Item = (usize, EventError)>) {
        self.rejected.extend(refusals);
        self.rejected.sort_by_key(|(index, _)| *index);
    }

    /// How many events were accepted.
    pub(crate) fn accepted(&self) -> usize {
        self.chunks.iter().map(|(_, chunk)| chunk.len()).sum()
    }
}

/// The values that all envelopes of a request have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EnvelopeContext<'a> {
    /// The customer's id.
    pub customer: &'a [u8; ID_TEXT_LEN],
    /// When the request was accepted, RFC 3339.
    pub timestamp: &'a [u8],
    /// How many lanes the customer has.
    pub fan_out: u16,
    /// Which of these lanes takes the events without an ordering key.
    pub lane: LaneChoice,
    /// The request's trace.
    pub trace: Option<TraceParent>,
}

struct Collector<'a, 'c> {
    context: EnvelopeContext<'c>,
    limits: EventLimits,
    decoded: Decoded<'a>,
    seen: usize,
    accepted: usize,
    /// The events to leave out, ascending.
    leave_out: &'c [usize],
    /// Checks events, if the customer declared types.
    types: Option<(&'c TypeChecks, CheckPlace)>,
    session: Option<CheckSession<'c>>,
    /// The body's length, from which the envelopes' room is estimated.
    bytes_hint: usize,
}

/// Decodes a request's body without the events at the indexes `leave_out`, which
/// ascend. Events are checked against the customer's declared `types`.
pub(crate) fn decode<'a>(
    body: &'a [u8],
    form: BodyForm,
    context: EnvelopeContext<'_>,
    limits: EventLimits,
    leave_out: &[usize],
    types: Option<(&TypeChecks, CheckPlace)>,
) -> Result<Decoded<'a>, EventsBodyError> {
    let mut collector = Collector::new(context, limits, leave_out, types, body.len());
    match form {
        BodyForm::Json => collector.json(text(body)?)?,
        BodyForm::Ndjson => collector.ndjson(body)?,
    }
    if collector.seen == 0 {
        return Err(EventsBodyError::Empty);
    }
    if let Some(session) = collector.session {
        (collector.decoded.checked, collector.decoded.is_too_much) = (session.counts, session.is_too_much);
    }
    Ok(collector.decoded)
}

fn text(body: &[u8]) -> Result<&str, EventsBodyError> {
    std::str::from_utf8(body).map_err(|error| {
        EventsBodyError::Malformed(format!("the body is not UTF-8: byte {} is invalid", error.valid_up_to()))
    })
}

impl<'a, 'c> Collector<'a, 'c> {
    fn new(
        context: EnvelopeContext<'c>,
        limits: EventLimits,
        leave_out: &'c [usize],
        types: Option<(&'c TypeChecks, CheckPlace)>,
        body_len: usize,
    ) -> Self {
        let decoded = Decoded {
            single: false,
            chunks: Vec::with_capacity(1),
            choices: Vec::new(),
            order: Vec::new(),
            rejected: Vec::new(),
            keyed: Vec::new(),
            left_out: Vec::new(),
            checked: CheckCounts::default(),
            is_too_much: false,
        };
        let session = types.map(|(types, place)| types.session(place));
        Self {
            context,
            limits,
            decoded,
            seen: 0,
            accepted: 0,
            leave_out,
            types,
            session,
            bytes_hint: body_len,
        }
    }

    fn json(&mut self, body: &'a str) -> Result<(), EventsBodyError> {
        match body.bytes().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'[') => self.array(body),
            Some(b'{') => self.object(body),
            Some(_) => Err(EventsBodyError::Malformed(
                "the body must be an event, an array of events or {\"events\":[…]}".into(),
            )),
            None => Err(EventsBodyError::Empty),
        }
    }

    /// One event, or `{"events":[…]}`.
    fn object(&mut self, body: &'a str) -> Result<(), EventsBodyError> {
        match serde_json::from_str::<Incoming<'a>>(body) {
            Ok(incoming) => {
                self.decoded.single = true;
                self.event(incoming)
            }
            Err(error) => {
                if let Ok(incoming::EventsObject { events }) = serde_json::from_str(body) {
                    return self.array(events.get());
                }
                if error.is_syntax() || error.is_eof() {
                    return Err(EventsBodyError::Malformed(format!("the body is not JSON: {error}")));
                }
                self.decoded.single = true;
                self.reject(EventError::invalid(error.to_string()))
            }
        }
    }

    fn array(&mut self, body: &'a str) -> Result<(), EventsBodyError> {
        let mut deserializer = serde_json::Deserializer::from_str(body);
        let all = AllEvents(self).deserialize(&mut deserializer).and_then(|()| deserializer.end());
        let Err(error) = all else { return Ok(()) };
        if self.seen > self.limits.request_events_max {
            return Err(EventsBodyError::TooMany { max: self.limits.request_events_max });
        }
        if error.is_syntax() || error.is_eof() {
            return Err(EventsBodyError::Malformed(format!("the body is not JSON: {error}")));
        }
        // Some element is not an event: decode the elements one by one.
        let events: Vec<&'a RawValue> = serde_json::from_str(body).map_err(|error| {
            EventsBodyError::Malformed(format!("the body is not an array of events: {error}"))
        })?;
        *self = Self::new(self.context, self.limits, self.leave_out, self.types, self.bytes_hint);
        events.into_iter().try_for_each(|event| self.raw(event.get()))
    }

    fn ndjson(&mut self, body: &'a [u8]) -> Result<(), EventsBodyError> {
        for line in body.split(|byte| *byte == b'\n') {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match std::str::from_utf8(line) {
                Ok(line) => self.raw(line)?,
                Err(_invalid) => self.reject(EventError::invalid("the line is not UTF-8"))?,
            }
        }
        Ok(())
    }

    /// One event of several, from its own JSON.
    fn raw(&mut self, json: &'a str) -> Result<(), EventsBodyError> {
        match serde_json::from_str(json) {
            Ok(incoming) => self.event(incoming),
            Err(error) => self.reject(EventError::invalid(error.to_string())),
        }
    }

    fn event(&mut self, incoming: Incoming<'a>) -> Result<(), EventsBodyError> {
        match incoming.check(self.limits.event_bytes_max) {
            Ok(event) => {
                self.count()?;
                let index = self.seen - 1;
                if !self.leave_out.is_empty() && self.leave_out.binary_search(&index).is_ok() {
                    self.decoded.left_out.push(index);
                    return Ok(());
                }
                if let Some(session) = &mut self.session
                    && let Err(error) = session.check(&event.kind, event.payload())
                {
                    self.decoded.rejected.push((index, error));
                    return Ok(());
                }
                if let Some((key, body)) = event.own_key {
                    self.decoded.keyed.push(KeyedEvent { index, ordinal: self.accepted, key, body });
                }
                self.push(&event);
                self.accepted += 1;
                Ok(())
            }
            Err(error) => self.reject(error),
        }
    }

    fn push(&mut self, event: &incoming::CheckedEvent<'a>) {
        let choice = match event.ordering {
            0 => self.context.lane,
            key => (key % u64::from(self.context.fan_out.max(1))) as LaneChoice,
        };
        if self.decoded.choices.is_empty() {
            // All events so far are in one lane. Their lanes are listed once another lane comes.
            if let Some((only, _)) = self.decoded.chunks.first()
                && *only != choice
            {
                self.decoded.choices = vec![*only; self.accepted];
                self.decoded.choices.push(choice);
            }
        } else {
            self.decoded.choices.push(choice);
        }
        let index = match self.decoded.chunks.iter().position(|(lane, _)| *lane == choice) {
            Some(index) => index,
            None => {
                // The envelopes of small events are about 1.5 times as long as the events.
                let bytes = if self.decoded.chunks.is_empty() { self.bytes_hint * 7 / 4 + 256 } else { 4096 };
                self.decoded.chunks.push((choice, EventChunk::expecting(bytes)));
                self.decoded.chunks.len() - 1
            }
        };
        let chunk = &mut self.decoded.chunks[index].1;
        let traced = self.context.trace.and_then(|trace| event.traced_metadata(&trace));
        let mut envelope = event.envelope(self.context.customer, self.context.timestamp);
        envelope.metadata = traced.as_deref().or(envelope.metadata);
        chunk.push(event.kind.clone(), event.ordering, &envelope);
    }

    fn reject(&mut self, error: EventError) -> Result<(), EventsBodyError> {
        self.count()?;
        self.decoded.rejected.push((self.seen - 1, error));
        Ok(())
    }

    fn count(&mut self) -> Result<(), EventsBodyError> {
        self.seen += 1;
        if self.seen > self.limits.request_events_max {
            return Err(EventsBodyError::TooMany { max: self.limits.request_events_max });
        }
        Ok(())
    }
}

/// Collects the events of an array while it is parsed.
struct AllEvents<'s, 'a, 'c>(&'s mut Collector<'a, 'c>);

impl<'a> DeserializeSeed<'a> for AllEvents<'_, 'a, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'a> Visitor<'a> for AllEvents<'_, 'a, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut events: A) -> Result<(), A::Error> {
        while let Some(event) = events.next_element::<Incoming<'a>>()? {
            self.0.event(event).map_err(|_too_many| serde::de::Error::custom("too many events"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
