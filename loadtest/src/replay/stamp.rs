//! Makes a recorded body part of this run: puts marks into its payloads and
//! replaces ids and times. Payloads keep their bytes behind the mark.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::calendar::rfc3339;
use crate::mark::{self, MARK_BYTES, PREFIX, TAIL_BYTES_MAX};

/// The numbers that a request's events get.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplayStamp<'a> {
    pub(super) run: u64,
    pub(super) stream: u32,
    pub(super) first_sequence: u64,
    pub(super) sent_ns: u64,
    /// Appended to ids, which makes them unique to this run.
    pub(super) suffix: &'a str,
}

/// A body that is part of this run.
#[derive(Debug, PartialEq)]
pub(super) struct Stamped {
    pub(super) body: Vec<u8>,
    /// Events in it.
    pub(super) events: u64,
    /// Events with a mark; their sequence numbers are consecutive.
    pub(super) marked: u64,
}

/// An event's members; their values keep their bytes.
type EventMembers<'a> = BTreeMap<Cow<'a, str>, Cow<'a, RawValue>>;

/// `{"events":[…]}`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Wrapped<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

#[derive(Serialize)]
struct Unwrapped {
    events: Vec<Box<RawValue>>,
}

const MARK_MEMBER: &[u8] = b"{\"mark\":\"";

/// Stamps a body without content coding; `None` if it is not understood.
pub(super) fn stamp(content_type: &str, body: &[u8], stamp: ReplayStamp<'_>) -> Option<Stamped> {
    let mut stamper = Stamper { stamp, events: 0, marked: 0 };
    let body = if content_type.contains("ndjson") {
        let lines = body.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        let lines: Option<Vec<_>> =
            lines.map(|line| stamper.event(serde_json::from_slice(line).ok()?)).collect();
        lines?.iter().map(|line| line.get()).collect::<Vec<_>>().join("\n").into_bytes()
    } else if let Ok(events) = serde_json::from_slice::<Vec<&RawValue>>(body) {
        serde_json::to_vec(&stamper.all(events)?).ok()?
    } else if let Ok(Wrapped { events }) = serde_json::from_slice::<Wrapped<'_>>(body) {
        serde_json::to_vec(&Unwrapped { events: stamper.all(events)? }).ok()?
    } else {
        let event = stamper.event(serde_json::from_slice(body).ok()?)?;
        String::from(Box::<str>::from(event)).into_bytes()
    };
    Some(Stamped { body, events: stamper.events, marked: stamper.marked })
}

struct Stamper<'a> {
    stamp: ReplayStamp<'a>,
    events: u64,
    marked: u64,
}

impl Stamper<'_> {
    fn all(&mut self, events: Vec<&RawValue>) -> Option<Vec<Box<RawValue>>> {
        events.into_iter().map(|event| self.event(event)).collect()
    }

    fn event(&mut self, event: &RawValue) -> Option<Box<RawValue>> {
        self.events += 1;
        let mut members: EventMembers<'_> = serde_json::from_str(event.get()).ok()?;
        let cloud = members.contains_key("specversion");
        if cloud {
            if let Some(id) = members.get("id").and_then(|id| self.own_id(id)) {
                members.insert("id".into(), Cow::Owned(id));
            }
            if members.contains_key("time") {
                let time = rfc3339(self.stamp.sent_ns / 1_000_000);
                members.insert("time".into(), Cow::Owned(RawValue::from_string(format!("\"{time}\"")).ok()?));
            }
        }
        if let Some(metadata) = members.get("metadata").and_then(|metadata| self.own_metadata(metadata)) {
            members.insert("metadata".into(), Cow::Owned(metadata));
        }
        let name = if cloud { "data" } else { "payload" };
        if let Some(marked) = members.get(name).and_then(|payload| self.mark(payload.get())) {
            members.insert(name.into(), Cow::Owned(marked));
            self.marked += 1;
        }
        serde_json::value::to_raw_value(&members).ok()
    }

    fn own_id(&self, id: &RawValue) -> Option<Box<RawValue>> {
        let id: String = serde_json::from_str(id.get()).ok()?;
        serde_json::value::to_raw_value(&format!("{id}-{}", self.stamp.suffix)).ok()
    }

    fn own_metadata(&self, metadata: &RawValue) -> Option<Box<RawValue>> {
        let mut members: EventMembers<'_> = serde_json::from_str(metadata.get()).ok()?;
        let key = self.own_id(members.get("idempotency_key")?)?;
        members.insert("idempotency_key".into(), Cow::Owned(key));
        serde_json::value::to_raw_value(&members).ok()
    }

    /// The payload with a mark as its first member, in place of another run's.
    fn mark(&self, payload: &str) -> Option<Box<RawValue>> {
        let bytes = payload.as_bytes();
        let inner = bytes.strip_prefix(b"{")?;
        let foreign = bytes.strip_prefix(MARK_MEMBER).filter(|rest| rest.starts_with(PREFIX));
        let rest = match foreign {
            Some(marked) => marked.get(MARK_BYTES..)?.to_vec(),
            None if inner.trim_ascii() == b"}" => b"\"}".to_vec(),
            None => [b"\",", inner].concat(),
        };
        let ambiguous = memchr::memmem::find(&rest, PREFIX).is_some();
        if ambiguous || !rest.starts_with(b"\"") || rest.len() > TAIL_BYTES_MAX {
            return None;
        }
        let mut marked = [MARK_MEMBER, &[0; MARK_BYTES], &rest].concat();
        let ReplayStamp { run, stream, first_sequence, sent_ns, .. } = self.stamp;
        let (_, event) = marked.split_at_mut(MARK_MEMBER.len());
        mark::write_fixed(event.first_chunk_mut()?, run, rest.len());
        mark::write_varying(event, stream, first_sequence + self.marked, sent_ns, rest.len());
        RawValue::from_string(String::from_utf8(marked).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::scan;

    const STAMP: ReplayStamp<'static> =
        ReplayStamp { run: 7, stream: 3, first_sequence: 40, sent_ns: 784_111_777_042_000_000, suffix: "r1" };

    fn marks_of(body: &[u8]) -> Vec<u64> {
        let mut marks = Vec::new();
        assert_eq!(scan(body, &mut marks), 0);
        assert!(marks.iter().all(|mark| mark.found.intact && mark.found.mark.stream == 3));
        marks.iter().map(|mark| mark.found.mark.sequence).collect()
    }

    #[test]
    fn every_form_of_body_is_marked_and_payloads_keep_their_bytes() {
        let event = r#"{"event_type":"a","payload":{ "z": 1.50, "a":[1] }}"#;
        let bodies = [
            ("application/json", event.to_owned(), 1),
            ("application/json", format!("[{event},{event}]"), 2),
            ("application/json", format!("{{\"events\":[{event},{event}]}}"), 2),
            ("application/x-ndjson", format!("{event}\n\n{event}\n"), 2),
        ];
        for (content_type, body, events) in bodies {
            let stamped = stamp(content_type, body.as_bytes(), STAMP).expect("understood");
            assert_eq!((stamped.events, stamped.marked), (events, events), "{body}");
            assert_eq!(marks_of(&stamped.body), (40..40 + events).collect::<Vec<_>>());
            let text = String::from_utf8(stamped.body).expect("text");
            assert!(text.contains(r#", "z": 1.50, "a":[1] }"#), "{text}");
        }
    }

    #[test]
    fn ids_and_times_become_those_of_the_run() {
        let cloud = r#"{"specversion":"1.0","id":"1","time":"2001-01-01T00:00:00Z","type":"t","source":"s","data":{}}"#;
        let stamped = stamp("application/cloudevents+json", cloud.as_bytes(), STAMP).expect("understood");
        let value: serde_json::Value = serde_json::from_slice(&stamped.body).expect("JSON");
        assert_eq!((&value["id"], &value["time"]), (&"1-r1".into(), &"1994-11-06T08:49:37.042Z".into()));
        assert_eq!(marks_of(&stamped.body), [40]);
        let keyed = r#"{"payload":{"id":"1"},"metadata":{"idempotency_key":"k","priority":"low"}}"#;
        let stamped = stamp("application/json", keyed.as_bytes(), STAMP).expect("understood");
        let value: serde_json::Value = serde_json::from_slice(&stamped.body).expect("JSON");
        assert_eq!(value["metadata"], serde_json::json!({"idempotency_key": "k-r1", "priority": "low"}));
        assert_eq!(value["payload"]["id"], "1", "a payload's own members are nobody's business");
    }

    #[test]
    fn the_mark_of_another_run_is_replaced_and_what_cannot_be_marked_is_counted() {
        let once = stamp("", br#"{"payload":{"a":1}}"#, ReplayStamp { run: 1, ..STAMP }).expect("understood");
        let again = stamp("", &once.body, STAMP).expect("understood");
        assert_eq!((again.marked, again.body.len()), (1, once.body.len()));
        let mut marks = Vec::new();
        scan(&again.body, &mut marks);
        assert_eq!((marks.len(), marks[0].found.mark.run), (1, 7));

        let mixed = br#"[{"payload":"text"},{"payload":{}},{"payload":[1]}]"#;
        let stamped = stamp("application/json", mixed, STAMP).expect("understood");
        assert_eq!((stamped.events, stamped.marked), (3, 1));
        assert_eq!(stamp("application/json", b"not json", STAMP), None);
    }
}
