//! One generated event: built once, then patched in place for each send.
//!
//! The payload is `{"mark":"…","user":"u-…","amount":…,"item":"…","note":"…"}`, or a
//! template ([`template`]) behind a mark. User, amount, item and part of the note
//! change with every send, so that the traffic compresses about as well as real events
//! do.

use std::sync::Arc;

use thiserror::Error;

use crate::mark::{self, MARK_BYTES, TAIL_BYTES_MAX};
use crate::random::SeededRandom;

mod template;

pub use template::{BodyTemplate, PayloadTemplate, TemplateError};

use template::{EventStamp, TemplateField};

/// The JSON object around the payload.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EventEnvelope {
    /// As a producer POSTs it: `event_type`, `payload`, perhaps `ordering_key`.
    Produced,
    /// As a webhook receives it: `event_id`, `customer_id`, …, `timestamp`.
    Delivered,
}

/// The shape of an event.
#[derive(Clone, Debug)]
pub struct EventShape {
    /// The object around the payload.
    pub envelope: EventEnvelope,
    /// `event_type`; letters, digits, `.`, `_`, `-`, `/`, `:`.
    pub event_type: String,
    /// Size of the event's JSON in bytes; raised to the smallest possible.
    /// An event with a template has the template's size instead.
    pub event_bytes: usize,
    /// The payload without its mark; without a template, a made-up payload.
    pub template: Option<Arc<PayloadTemplate>>,
    /// Gives each event its stream's name as `ordering_key`.
    pub ordering_key: bool,
}

/// Why an event cannot be built.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EventShapeError {
    /// The type would need JSON escapes or is empty.
    #[error("event type {0:?} must be 1 to 256 of letters, digits and . _ - / :")]
    Type(String),
    /// The event has more bytes than a mark's checksum can cover.
    #[error("events of {0} bytes are too large: at most {TAIL_BYTES_MAX}")]
    Size(usize),
}

/// The made-up payload up to its note.
const MADE_UP: &str = r#"{"user":"u-{{text:16}}","amount":{{digits:7}},"item":"{{text:16}}","note":""#;

/// The first `NOTE_FRESH` bytes of each window of the note are drawn for each send.
const NOTE_WINDOW: usize = 64;
const NOTE_FRESH: usize = 20;
const NOTE_TEXT: &[u8] = b"Left with the neighbour at number 12, rang twice; customer asked for \
    a call before the next attempt and for the invoice by mail, quarter past nine at the latest. ";

/// An event's bytes and where its varying parts are.
#[derive(Clone, Debug)]
pub(crate) struct EventTemplate {
    bytes: Vec<u8>,
    mark: usize,
    ordering_key: Option<usize>,
    fields: Vec<TemplateField>,
    tail_bytes: usize,
}

impl EventTemplate {
    pub(crate) fn new(shape: &EventShape, run: u64) -> Result<Self, EventShapeError> {
        check(shape)?;
        if let Some(template) = &shape.template {
            return Ok(Self::around(shape, run, template));
        }
        let bare = Self::around(shape, run, &made_up(0));
        let note_bytes = shape.event_bytes.saturating_sub(bare.bytes.len());
        Ok(Self::around(shape, run, &made_up(note_bytes)))
    }

    fn around(shape: &EventShape, run: u64, payload: &PayloadTemplate) -> Self {
        let mut bytes = Vec::with_capacity(shape.event_bytes);
        let mut put = |part: &[u8]| {
            bytes.extend_from_slice(part);
            bytes.len()
        };
        let mut ordering_key = None;
        match shape.envelope {
            EventEnvelope::Produced => {
                put(b"{\"event_type\":\"");
                put(shape.event_type.as_bytes());
                if shape.ordering_key {
                    ordering_key = Some(put(b"\",\"ordering_key\":\"s-"));
                    put(&[b'0'; 8]);
                }
            }
            EventEnvelope::Delivered => {
                put(b"{\"event_id\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"customer_id\":\"");
                put(b"cus_01890a5dac96774b\",\"event_type\":\"");
                put(shape.event_type.as_bytes());
            }
        }
        let mark = put(b"\",\"payload\":{\"mark\":\"");
        put(&[0; MARK_BYTES]);
        let members = payload.members();
        let rest = put(if members.is_empty() { b"\"" } else { b"\"," });
        put(members);
        let payload_end = put(b"}");
        put(match shape.envelope {
            EventEnvelope::Produced => b"}".as_slice(),
            EventEnvelope::Delivered => b",\"timestamp\":\"2026-01-01T00:00:00.000Z\"}",
        });
        let tail_bytes = payload_end - mark - MARK_BYTES;
        if let Some(at) = bytes[mark..].first_chunk_mut() {
            mark::write_fixed(at, run, tail_bytes);
        }
        let fields = payload.fields().map(|field| field.moved_by(rest)).collect();
        Self { bytes, mark, ordering_key, fields, tail_bytes }
    }

    /// The event as built, to be copied to where it is patched and sent.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Turns `event`, a copy of [`bytes`](Self::bytes), into the event that the stamp names.
    pub(crate) fn stamp(
        &self,
        event: &mut [u8],
        stream: u32,
        sequence: u64,
        sent_ns: u64,
        random: &mut SeededRandom,
    ) {
        let stamp = EventStamp { stream, sequence, sent_ns };
        self.fields.iter().for_each(|field| field.fill(event, stamp, random));
        if let Some(key) = self.ordering_key {
            event[key..key + 8].copy_from_slice(&crate::hex::encode_8(stream));
        }
        let marked = &mut event[self.mark..];
        mark::write_varying(marked, stream, sequence, sent_ns, self.tail_bytes);
    }
}

/// A made-up payload whose note has `note_bytes` bytes.
fn made_up(note_bytes: usize) -> PayloadTemplate {
    let note: Vec<u8> = NOTE_TEXT.iter().copied().cycle().take(note_bytes).collect();
    let mut text = MADE_UP.to_owned();
    for window in note.chunks(NOTE_WINDOW) {
        let (fresh, kept) = window.split_at(NOTE_FRESH.min(window.len()));
        text.push_str(&format!("{{{{text:{}}}}}", fresh.len()));
        text.push_str(&String::from_utf8_lossy(kept));
    }
    text.push_str("\"}");
    PayloadTemplate::parse(&text, &mut SeededRandom::new(0)).expect("a constant, valid template")
}

fn check(shape: &EventShape) -> Result<(), EventShapeError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:".contains(&byte);
    if !(1..=256).contains(&shape.event_type.len()) || !shape.event_type.bytes().all(plain) {
        return Err(EventShapeError::Type(shape.event_type.clone()));
    }
    let template_bytes = shape.template.as_ref().map_or(0, |template| template.members().len() + 256);
    let bytes = shape.event_bytes.max(template_bytes);
    if bytes > TAIL_BYTES_MAX { Err(EventShapeError::Size(bytes)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mark::{FoundMark, Mark};

    fn shape(event_bytes: usize) -> EventShape {
        EventShape {
            envelope: EventEnvelope::Produced,
            event_type: "demo.event".into(),
            event_bytes,
            template: None,
            ordering_key: false,
        }
    }

    fn stamped(shape: &EventShape, sequence: u64) -> Vec<u8> {
        let template = EventTemplate::new(shape, 5).expect("a valid shape");
        let mut event = template.bytes().to_vec();
        template.stamp(&mut event, 3, sequence, 99, &mut SeededRandom::new(sequence));
        event
    }

    #[test]
    fn an_event_is_json_of_the_size_asked_for() {
        for event_bytes in [220, 221, 300, 1_000, 70_000] {
            let event = stamped(&shape(event_bytes), 1);
            assert_eq!(event.len(), event_bytes);
            let json: serde_json::Value = serde_json::from_slice(&event).expect("JSON");
            assert_eq!(json["event_type"], "demo.event");
            assert!(json["payload"]["amount"].as_u64() >= Some(1_000_000));
        }
    }

    #[test]
    fn a_tiny_size_gives_the_smallest_event() {
        let event = stamped(&shape(1), 1);
        assert!(event.len() < 220, "{}", event.len());
        assert!(serde_json::from_slice::<serde_json::Value>(&event).is_ok());
    }

    #[test]
    fn the_mark_covers_the_payload_to_its_end() {
        for envelope in [EventEnvelope::Produced, EventEnvelope::Delivered] {
            let event = stamped(&EventShape { envelope, ..shape(400) }, 7);
            let at = memchr::memmem::find(&event, mark::PREFIX).expect("a mark");
            let mark = Mark { run: 5, stream: 3, sequence: 7, sent_ns: 99 };
            assert_eq!(mark::read(&event[at..]), Some(FoundMark { mark, intact: true }));
            let end = at + memchr::memmem::find(&event[at..], b"\"}").expect("the payload's end") + 2;
            for byte in at..end {
                let mut damaged = event.clone();
                damaged[byte] ^= 1;
                assert!(mark::read(&damaged[at..]).is_none_or(|found| !found.intact));
            }
        }
    }

    #[test]
    fn the_ordering_key_names_the_stream() {
        let event = stamped(&EventShape { ordering_key: true, ..shape(300) }, 7);
        let json: serde_json::Value = serde_json::from_slice(&event).expect("JSON");
        assert_eq!(json["ordering_key"], "s-00000003");
        assert_eq!(event.len(), 300);
    }

    #[test]
    fn a_template_is_put_behind_the_mark_which_covers_it() {
        for (text, name) in [(r#"{"repo":{"id":{{digits:4}}}}"#, "repo"), ("{}", "mark")] {
            let template = PayloadTemplate::parse(text, &mut SeededRandom::new(1)).expect("a template");
            let event = stamped(&EventShape { template: Some(Arc::new(template)), ..shape(220) }, 7);
            let json: serde_json::Value = serde_json::from_slice(&event).expect("JSON");
            assert!(!json["payload"][name].is_null(), "{json}");
            let at = memchr::memmem::find(&event, mark::PREFIX).expect("a mark");
            let end = event.len() - 1;
            for byte in at..end {
                let mut damaged = event.clone();
                damaged[byte] ^= 1;
                assert!(mark::read(&damaged[at..]).is_none_or(|found| !found.intact));
            }
            assert!(mark::read(&event[at..]).is_some_and(|found| found.intact));
        }
    }

    #[test]
    fn types_that_need_escapes_are_refused() {
        for event_type in ["", "a\"b", "a b", "é"] {
            let shape = EventShape { event_type: event_type.into(), ..shape(220) };
            let refused = EventTemplate::new(&shape, 5).map(|_| ());
            assert_eq!(refused, Err(EventShapeError::Type(event_type.into())));
        }
    }
}
