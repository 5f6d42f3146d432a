use std::io::Read;

use super::*;
use crate::event::EventEnvelope;
use crate::mark;

fn shape(batch: usize, types: &[&str]) -> RequestShape {
    let event = |event_type: &&str| EventShape {
        envelope: EventEnvelope::Produced,
        event_type: (*event_type).to_owned(),
        event_bytes: 220,
        template: None,
        ordering_key: false,
    };
    RequestShape {
        authority: "h:1".into(),
        method: "POST".into(),
        path: "/v1/events".into(),
        headers: Vec::new(),
        content: RequestContent::Events {
            events: types.iter().map(event).collect(),
            batch,
            format: BodyFormat::Json,
            encoding: BodyEncoding::None,
        },
        prefer_minimal: false,
        idempotency_keys: false,
    }
}

/// The shape with another format and encoding of its bodies.
fn coded(shape: RequestShape, format: BodyFormat, encoding: BodyEncoding) -> RequestShape {
    let RequestContent::Events { events, batch, .. } = shape.content else { panic!("events") };
    RequestShape { content: RequestContent::Events { events, batch, format, encoding }, ..shape }
}

fn stamp(key: Option<&str>, first_sequence: u64) -> RequestStamp<'_> {
    RequestStamp { key, stream: 2, first_sequence, sent_ns: 77 }
}

fn buffer(shape: RequestShape) -> RequestBuffer {
    RequestBuffer::new(shape, 9, 1).expect("a valid shape")
}

/// Head and body of a request, after checking that the length is right.
fn split(request: &[u8]) -> (String, Vec<u8>) {
    let end = memchr::memmem::find(request, b"\r\n\r\n").expect("a head") + 4;
    let head = String::from_utf8(request[..end].to_vec()).expect("text");
    let body = request[end..].to_vec();
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    (head, body)
}

fn sequences(body: &[u8]) -> Vec<u64> {
    memchr::memmem::find_iter(body, mark::PREFIX)
        .map(|at| mark::read(&body[at..]).expect("a mark"))
        .inspect(|found| assert!(found.intact))
        .map(|found| found.mark.sequence)
        .collect()
}

#[test]
fn a_single_event_is_posted_alone() {
    let mut buffer = buffer(shape(1, &["a"]));
    let (head, body) = split(buffer.render(&stamp(Some("sk_1"), 5)).bytes);
    assert_eq!(
        head,
        "POST /v1/events HTTP/1.1\r\nHost: h:1\r\nAuthorization: Bearer sk_1\r\n\
         Content-Type: application/json\r\nContent-Length: 220\r\n\r\n"
    );
    let json: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(json["event_type"], "a");
    assert_eq!(sequences(&body), [5]);
}

#[test]
fn many_events_are_an_array_of_consecutive_sequence_numbers() {
    let mut buffer = buffer(shape(3, &["a", "b"]));
    for first in [0, 3] {
        let (_, body) = split(buffer.render(&stamp(None, first)).bytes);
        let json: Vec<serde_json::Value> = serde_json::from_slice(&body).expect("a JSON array");
        let types: Vec<_> = json.iter().map(|event| event["event_type"].as_str()).collect();
        assert_eq!(types, [Some("a"), Some("b"), Some("a")]);
        assert_eq!(sequences(&body), [first, first + 1, first + 2]);
    }
}

#[test]
fn lines_are_separate_json_objects() {
    let mut buffer = buffer(coded(shape(2, &["a"]), BodyFormat::NdJson, BodyEncoding::None));
    let (head, body) = split(buffer.render(&stamp(None, 0)).bytes);
    assert!(head.contains("application/x-ndjson"));
    let lines: Vec<_> = body.split(|&byte| byte == b'\n').collect();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| serde_json::from_slice::<serde_json::Value>(line).is_ok()));
}

#[test]
fn single_events_take_turns_in_type() {
    let mut buffer = buffer(shape(1, &["a", "bb", "c"]));
    let types: Vec<_> = (0..4)
        .map(|first| split(buffer.render(&stamp(Some("k"), first)).bytes).1)
        .map(|body| serde_json::from_slice::<serde_json::Value>(&body).expect("JSON"))
        .map(|json| json["event_type"].as_str().expect("a type").to_owned())
        .collect();
    assert_eq!(types, ["a", "bb", "c", "a"]);
}

#[test]
fn each_request_carries_the_key_of_its_customer() {
    let mut buffer = buffer(shape(1, &["a"]));
    let long = "k".repeat(2 * HEAD_ROOM);
    for key in [Some("short"), Some(long.as_str()), None, Some("short"), Some("other")] {
        let (head, body) = split(buffer.render(&stamp(key, 1)).bytes);
        assert_eq!(head.contains("Authorization"), key.is_some());
        assert!(key.is_none_or(|key| head.contains(&format!("Bearer {key}\r\n"))));
        assert_eq!(sequences(&body), [1]);
    }
}

#[test]
fn options_become_headers() {
    let options = RequestShape { prefer_minimal: true, idempotency_keys: true, ..shape(1, &["a"]) };
    let mut buffer = buffer(options);
    for first in [1, 2] {
        let (head, _) = split(buffer.render(&stamp(None, first)).bytes);
        assert!(head.contains("\r\nPrefer: return=minimal\r\n"));
        let key = format!("\r\nIdempotency-Key: 0000000000000009-00000002-000000000000000{first}\r\n");
        assert!(head.contains(&key), "{head}");
    }
}

#[test]
fn gzip_bodies_unpack_to_the_events() {
    let mut buffer = buffer(coded(shape(50, &["a"]), BodyFormat::Json, BodyEncoding::Gzip));
    let (head, body) = split(buffer.render(&stamp(None, 10)).bytes);
    assert!(head.contains("Content-Encoding: gzip"));
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut unpacked).expect("gzip");
    assert_eq!(sequences(&unpacked), (10..60).collect::<Vec<_>>());
    let ratio = unpacked.len() as f64 / body.len() as f64;
    assert!((1.5..6.0).contains(&ratio), "events compress {ratio:.1} times");
}

#[test]
fn headers_of_the_user_stand_in_place_of_those_written_otherwise() {
    let headers = [("Host", "other"), ("content-type", "application/cloudevents+json"), ("X-A", "b")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let mut keyed = buffer(RequestShape { headers, ..shape(1, &["a"]) });
    let (head, _) = split(keyed.render(&stamp(Some("k"), 1)).bytes);
    assert!(head.contains("\r\nHost: other\r\n") && !head.contains("h:1"), "{head}");
    assert!(head.contains("cloudevents") && !head.contains("application/json"), "{head}");
    assert!(head.contains("\r\nX-A: b\r\n") && head.contains("Bearer k"), "{head}");
    let headers = vec![("Authorization".to_owned(), "Basic eA==".to_owned())];
    let mut own = buffer(RequestShape { headers, ..shape(1, &["a"]) });
    let (head, _) = split(own.render(&stamp(Some("k"), 1)).bytes);
    assert!(head.contains("Basic eA==") && !head.contains("Bearer"), "{head}");
}

#[test]
fn a_plain_request_has_the_method_and_body_asked_for() {
    let plain = |method: &str, body: Option<&str>| {
        let body = body.map(|text| BodyTemplate::parse(text, &mut SeededRandom::new(1)).expect("a template"));
        let content = RequestContent::Plain(body);
        let mut buffer = buffer(RequestShape { method: method.into(), content, ..shape(1, &["a"]) });
        String::from_utf8(buffer.render(&stamp(None, 12)).bytes.to_vec()).expect("text")
    };
    assert_eq!(plain("GET", None), "GET /v1/events HTTP/1.1\r\nHost: h:1\r\n\r\n");
    assert!(plain("POST", None).ends_with("\r\nContent-Length: 0\r\n\r\n"));
    assert!(plain("PUT", Some("n={{sequence}}")).ends_with("Content-Length: 14\r\n\r\nn=00000000000c"));
}
