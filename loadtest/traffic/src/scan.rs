//! Finds the marks in a webhook's body, without parsing its JSON.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::mark::{self, FoundMark, MARK_BYTES, PREFIX};

static MARK_FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(PREFIX));
static EVENT_ID_FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"event_id\""));

/// A mark and where in the body it starts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ScannedMark {
    /// The mark, and whether it is intact.
    pub found: FoundMark,
    /// Its first byte's place in the body.
    pub at: usize,
}

/// Puts the body's marks into `marks`, in order. Returns how many places look like the
/// start of a mark but are not, which is damage.
pub fn scan(body: &[u8], marks: &mut Vec<ScannedMark>) -> u64 {
    marks.clear();
    let (mut from, mut garbled) = (0, 0);
    while let Some(offset) = MARK_FINDER.find(&body[from..]) {
        let start = from + offset;
        match mark::read(&body[start..]) {
            Some(found) => {
                marks.push(ScannedMark { found, at: start });
                from = start + MARK_BYTES;
            }
            None => {
                garbled += 1;
                from = start + PREFIX.len();
            }
        }
    }
    garbled
}

/// The last `event_id` between `from` and the mark at `mark_start`.
pub fn event_id_before(body: &[u8], from: usize, mark_start: usize) -> Option<&[u8]> {
    let event = body.get(from..mark_start)?;
    let name = EVENT_ID_FINDER.find_iter(event).last()?;
    let rest = event[name + EVENT_ID_FINDER.needle().len()..].trim_ascii_start();
    let value = rest.strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
    Some(&value[..memchr::memchr(b'"', value)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventEnvelope;
    use crate::event::EventShape;
    use crate::request::{
        BodyEncoding, BodyFormat, RequestBuffer, RequestContent, RequestShape, RequestStamp,
    };

    fn webhook(events: usize) -> Vec<u8> {
        let event = EventShape {
            envelope: EventEnvelope::Delivered,
            event_type: "t".into(),
            event_bytes: 400,
            template: None,
            ordering_key: false,
        };
        let shape = RequestShape {
            authority: String::new(),
            method: "POST".into(),
            path: "/".into(),
            headers: Vec::new(),
            content: RequestContent::Events {
                events: vec![event],
                batch: events,
                format: BodyFormat::JsonArray,
                encoding: BodyEncoding::None,
            },
            prefer_minimal: false,
            idempotency_keys: false,
        };
        let mut buffer = RequestBuffer::new(shape, 1, 1).expect("a shape");
        let stamp = RequestStamp { key: None, stream: 4, first_sequence: 10, sent_ns: 5 };
        let request = buffer.render(&stamp).bytes;
        request[memchr::memmem::find(request, b"\r\n\r\n").expect("a head") + 4..].to_vec()
    }

    #[test]
    fn all_marks_are_found_in_order() {
        let body = webhook(100);
        let mut marks = Vec::new();
        assert_eq!(scan(&body, &mut marks), 0);
        assert!(marks.iter().all(|mark| mark.found.intact));
        let sequences: Vec<_> = marks.iter().map(|mark| mark.found.mark.sequence).collect();
        assert_eq!(sequences, (10..110).collect::<Vec<_>>());
    }

    #[test]
    fn a_garbled_mark_costs_no_other() {
        let mut body = webhook(3);
        let mut marks = Vec::new();
        scan(&body, &mut marks);
        let second = marks[1].at;
        body[second + 10] = b'x';
        assert_eq!(scan(&body, &mut marks), 1);
        assert_eq!(marks.len(), 2);
    }

    #[test]
    fn event_ids_belong_to_their_marks() {
        let body = br#"[{"event_id":"a-1","payload":{"mark":"!"}},{ "event_id" : "a-2" ,"payload":"!"}]"#;
        let marks: Vec<_> = memchr::memchr_iter(b'!', body).collect();
        assert_eq!(event_id_before(body, 0, marks[0]), Some(b"a-1".as_slice()));
        assert_eq!(event_id_before(body, marks[0], marks[1]), Some(b"a-2".as_slice()));
        assert_eq!(event_id_before(body, marks[1], body.len()), None);
    }
}
