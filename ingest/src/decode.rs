//! From a request's body to events: decoded once, and written once, as the
//! bytes that webhooks will carry.
//!
//! A good batch is decoded in one pass. Only where an event is bad is the batch
//! gone through again event by event, so that a bad one does not lose its
//! neighbours.

pub(crate) mod cloud_events;
mod incoming;
mod payload;

/// Limits that the API's description tells.
pub(crate) mod limits {
    pub(crate) use super::incoming::{TAGS_MAX, TEXT_BYTES_MAX};
}

use self::incoming::Incoming;
use crate::lanes::Chunk;
use serde::de::{DeserializeSeed, SeqAccess, Visitor};
use serde_json::value::RawValue;
use sluice_model::ids::ID_TEXT_LEN;
use sluice_model::trace::TraceParent;
use std::borrow::Cow;
use std::fmt;

/// What an event may be at the most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventLimits {
    /// Bytes of its fields' JSON.
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

/// What is wrong with one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventError {
    /// A stable code of the API.
    pub code: &'static str,
    /// What is wrong, for people; it names the field and the limit.
    pub message: String,
}

/// Why a body holds no events at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// It is not JSON, or not one of the forms.
    Malformed(String),
    /// It has no event.
    Empty,
    /// It has more events than allowed.
    TooMany {
        /// How many are allowed.
        max: usize,
    },
}

/// Where an accepted event is: the lane of the request's lanes, and nothing more,
/// since events keep their order within a lane.
pub(crate) type LaneChoice = u16;

/// What a body holds.
#[derive(Debug)]
pub(crate) struct Decoded<'a> {
    /// Whether the request was in the form of one event.
    pub single: bool,
    /// The accepted events: a chunk for each of the request's lanes that has any.
    pub chunks: Vec<(LaneChoice, Chunk<'a>)>,
    /// The lane of each accepted event, empty where all are in one.
    pub choices: Vec<LaneChoice>,
    /// How many events each chunk had, once the chunks have gone to their lanes.
    pub order: Vec<(LaneChoice, usize)>,
    /// The bad events by their place in the request.
    pub rejected: Vec<(usize, EventError)>,
    /// `metadata.idempotency_key` of the one event.
    pub idempotency_key: Option<Cow<'a, str>>,
}

impl Decoded<'_> {
    /// Says of events that a translation refused what it found, rather than
    /// what is wrong with the blank that stands for them.
    pub(crate) fn refuse(&mut self, refusals: &[(usize, EventError)]) {
        for (index, error) in refusals {
            if let Ok(at) = self.rejected.binary_search_by_key(index, |(index, _)| *index) {
                self.rejected[at].1.clone_from(error);
            }
        }
    }

    /// How many events were accepted.
    pub(crate) fn accepted(&self) -> usize {
        self.chunks.iter().map(|(_, chunk)| chunk.len()).sum()
    }
}

/// What every envelope of a request has in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Common<'a> {
    /// The customer's id.
    pub customer: &'a [u8; ID_TEXT_LEN],
    /// When the request was accepted, RFC 3339.
    pub timestamp: &'a [u8],
    /// How many lanes the customer has.
    pub fan_out: u16,
    /// The lane, of these, for events without an ordering key.
    pub lane: LaneChoice,
    /// The request's trace.
    pub trace: Option<TraceParent>,
}

struct Collector<'a, 'c> {
    common: Common<'c>,
    limits: EventLimits,
    decoded: Decoded<'a>,
    seen: usize,
    /// Rough bytes of the envelopes to come, to make room for.
    bytes_hint: usize,
}

/// Decodes a request's body.
pub(crate) fn decode<'a>(
    body: &'a [u8],
    form: BodyForm,
    common: Common<'_>,
    limits: EventLimits,
) -> Result<Decoded<'a>, BodyError> {
    let mut collector = Collector::new(common, limits, body.len());
    match form {
        BodyForm::Json => collector.json(text(body)?)?,
        BodyForm::Ndjson => collector.ndjson(body)?,
    }
    if collector.seen == 0 {
        return Err(BodyError::Empty);
    }
    Ok(collector.decoded)
}

fn text(body: &[u8]) -> Result<&str, BodyError> {
    std::str::from_utf8(body).map_err(|error| {
        BodyError::Malformed(format!("the body is not UTF-8: byte {} is invalid", error.valid_up_to()))
    })
}

impl<'a, 'c> Collector<'a, 'c> {
    fn new(common: Common<'c>, limits: EventLimits, body_len: usize) -> Self {
        let decoded = Decoded {
            single: false,
            chunks: Vec::with_capacity(1),
            choices: Vec::new(),
            order: Vec::new(),
            rejected: Vec::new(),
            idempotency_key: None,
        };
        Self { common, limits, decoded, seen: 0, bytes_hint: body_len }
    }

    fn json(&mut self, body: &'a str) -> Result<(), BodyError> {
        match body.bytes().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'[') => self.array(body),
            Some(b'{') => self.object(body),
            Some(_) => Err(BodyError::Malformed(
                "the body must be an event, an array of events or {\"events\":[…]}".into(),
            )),
            None => Err(BodyError::Empty),
        }
    }

    /// One event, or `{"events":[…]}`.
    fn object(&mut self, body: &'a str) -> Result<(), BodyError> {
        match serde_json::from_str::<Incoming<'a>>(body) {
            Ok(incoming) => {
                self.decoded.single = true;
                self.decoded.idempotency_key = incoming.idempotency_key();
                self.event(incoming)
            }
            Err(error) => {
                if let Ok(incoming::Many { events }) = serde_json::from_str(body) {
                    return self.array(events.get());
                }
                if error.is_syntax() || error.is_eof() {
                    return Err(BodyError::Malformed(format!("the body is not JSON: {error}")));
                }
                self.decoded.single = true;
                self.reject(EventError { code: "INVALID_EVENT", message: error.to_string() })
            }
        }
    }

    fn array(&mut self, body: &'a str) -> Result<(), BodyError> {
        let mut deserializer = serde_json::Deserializer::from_str(body);
        let all = AllEvents(self).deserialize(&mut deserializer).and_then(|()| deserializer.end());
        let Err(error) = all else { return Ok(()) };
        if self.seen > self.limits.request_events_max {
            return Err(BodyError::TooMany { max: self.limits.request_events_max });
        }
        if error.is_syntax() || error.is_eof() {
            return Err(BodyError::Malformed(format!("the body is not JSON: {error}")));
        }
        // Some event is not one: take them one by one.
        let events: Vec<&'a RawValue> = serde_json::from_str(body)
            .map_err(|error| BodyError::Malformed(format!("the body is not an array of events: {error}")))?;
        *self = Self::new(self.common, self.limits, self.bytes_hint);
        events.into_iter().try_for_each(|event| self.raw(event.get()))
    }

    fn ndjson(&mut self, body: &'a [u8]) -> Result<(), BodyError> {
        for line in body.split(|byte| *byte == b'\n') {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match std::str::from_utf8(line) {
                Ok(line) => self.raw(line)?,
                Err(_invalid) => self
                    .reject(EventError { code: "INVALID_EVENT", message: "the line is not UTF-8".into() })?,
            }
        }
        Ok(())
    }

    /// One event of several, from its own JSON.
    fn raw(&mut self, json: &'a str) -> Result<(), BodyError> {
        match serde_json::from_str(json) {
            Ok(incoming) => self.event(incoming),
            Err(error) => self.reject(EventError { code: "INVALID_EVENT", message: error.to_string() }),
        }
    }

    fn event(&mut self, incoming: Incoming<'a>) -> Result<(), BodyError> {
        match incoming.check(self.limits.event_bytes_max) {
            Ok(event) => {
                self.count()?;
                self.push(&event);
                Ok(())
            }
            Err(error) => self.reject(error),
        }
    }

    fn push(&mut self, event: &incoming::Checked<'a>) {
        let choice = match event.ordering {
            0 => self.common.lane,
            key => (key % u64::from(self.common.fan_out.max(1))) as LaneChoice,
        };
        let accepted = self.seen - self.decoded.rejected.len() - 1;
        if self.decoded.choices.is_empty() {
            // All in one lane so far; the lanes are written down once that ends.
            if let Some((only, _)) = self.decoded.chunks.first()
                && *only != choice
            {
                self.decoded.choices = vec![*only; accepted];
                self.decoded.choices.push(choice);
            }
        } else {
            self.decoded.choices.push(choice);
        }
        let at = match self.decoded.chunks.iter().position(|(lane, _)| *lane == choice) {
            Some(at) => at,
            None => {
                // Envelopes are about half as long again as what small events come as.
                let bytes = if self.decoded.chunks.is_empty() { self.bytes_hint * 7 / 4 + 256 } else { 4096 };
                self.decoded.chunks.push((choice, Chunk::expecting(bytes)));
                self.decoded.chunks.len() - 1
            }
        };
        let chunk = &mut self.decoded.chunks[at].1;
        let traced = self.common.trace.and_then(|trace| event.traced_metadata(&trace));
        let mut envelope = event.envelope(self.common.customer, self.common.timestamp);
        envelope.metadata = traced.as_deref().or(envelope.metadata);
        chunk.push(event.kind.clone(), event.ordering, &envelope);
    }

    fn reject(&mut self, error: EventError) -> Result<(), BodyError> {
        self.count()?;
        self.decoded.rejected.push((self.seen - 1, error));
        Ok(())
    }

    fn count(&mut self) -> Result<(), BodyError> {
        self.seen += 1;
        if self.seen > self.limits.request_events_max {
            return Err(BodyError::TooMany { max: self.limits.request_events_max });
        }
        Ok(())
    }
}

/// Takes the events of an array as they are parsed.
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
