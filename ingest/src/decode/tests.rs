use super::*;
use proptest::prelude::*;

const LIMITS: EventLimits = EventLimits { event_bytes_max: 1000, request_events_max: 10 };

fn context(fan_out: u16) -> EnvelopeContext<'static> {
    EnvelopeContext {
        customer: &[b'c'; ID_TEXT_LEN],
        timestamp: b"2026-11-21T10:59:39.123Z",
        fan_out,
        lane: 0,
        trace: None,
    }
}

fn json(body: &[u8]) -> Result<Decoded<'_>, EventsBodyError> {
    decode(body, BodyForm::Json, context(1), LIMITS, &[], None)
}

fn rejected(body: &str) -> String {
    let decoded = json(body.as_bytes()).unwrap();
    assert_eq!(decoded.accepted(), 0, "{body}");
    decoded.rejected[0].1.message.clone()
}

#[test]
fn one_event_an_array_and_an_object_of_events_are_told_apart() {
    assert!(json(br#"{"payload":1}"#).unwrap().single);
    let array = json(br#" [{"payload":1},{"payload":null}] "#);
    assert_eq!(array.map(|d| (d.single, d.accepted(), d.rejected.len())), Ok((false, 2, 0)));
    let events = json(br#"{"events":[{"payload":1},{"payload":[]}]}"#).unwrap();
    assert_eq!((events.single, events.accepted()), (false, 2));
    let lines = b"{\"payload\":1}\r\n\n{\"payload\":2}\n";
    assert_eq!(decode(lines, BodyForm::Ndjson, context(1), LIMITS, &[], None).unwrap().accepted(), 2);
}

#[test]
fn a_bad_event_does_not_lose_its_neighbours() {
    let body = br#"[{"payload":1},{"pay":2},3,{"payload":4,"tags":"x"},{"payload":5}]"#;
    let decoded = json(body).unwrap();
    assert_eq!(decoded.accepted(), 2);
    assert_eq!(decoded.rejected.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(decoded.rejected[0].1.message.contains("`pay`"));
}

#[test]
fn each_field_is_checked_and_named() {
    for (body, says) in [
        (r#"{"event_type":"a"}"#, "`payload` is missing"),
        (r#"{"payload":1,"event_type":7}"#, "`event_type` must be a string"),
        (r#"{"payload":1,"event_type":""}"#, "`event_type` has 0 bytes"),
        (r#"{"payload":1,"event_type":"a\nb"}"#, "`event_type` has control"),
        (r#"{"payload":1,"source":[]}"#, "`source`"),
        (r#"{"payload":1,"tags":[1]}"#, "`tags`"),
        (r#"{"payload":1,"tags":[""]}"#, "`tags`"),
        (r#"{"payload":1,"ordering_key":1}"#, "`ordering_key`"),
        (r#"{"payload":1,"metadata":{"priority":"urgent"}}"#, "`metadata`"),
        (r#"{"payload":1,"metadata":[]}"#, "`metadata`"),
        (r#"{"payload":1,"payload":2}"#, "duplicate field `payload`"),
        (r#"{"payload":1,"color":2}"#, "unknown field `color`"),
    ] {
        let message = rejected(body);
        assert!(message.contains(says), "{body}: {message}");
    }
    let large = format!(r#"{{"payload":"{}"}}"#, "x".repeat(999));
    assert!(rejected(&large).contains("the limit is 1000"));
    let deep = format!(r#"{{"payload":{}1{}}}"#, "[".repeat(65), "]".repeat(65));
    assert!(rejected(&deep).contains("nests deeper than 64"));
    let brackets = format!(r#"{{"payload":"{}"}}"#, "[".repeat(100));
    assert_eq!(json(brackets.as_bytes()).unwrap().accepted(), 1);
}

#[test]
fn a_body_that_holds_no_events_is_refused_with_the_reason() {
    assert_eq!(json(b" ").unwrap_err(), EventsBodyError::Empty);
    assert_eq!(json(b"[]").unwrap_err(), EventsBodyError::Empty);
    assert!(matches!(json(b"7").unwrap_err(), EventsBodyError::Malformed(_)));
    assert!(matches!(json(b"[{\"payload\":1}").unwrap_err(), EventsBodyError::Malformed(_)));
    assert!(matches!(json(b"{\"payload\":1} x").unwrap_err(), EventsBodyError::Malformed(_)));
    assert!(matches!(json(b"{\"payload\":\"\xff\"}").unwrap_err(), EventsBodyError::Malformed(_)));
    let many = format!("[{}]", ["{\"payload\":1}"; 11].join(","));
    assert_eq!(json(many.as_bytes()).unwrap_err(), EventsBodyError::TooMany { max: 10 });
    let many = format!("[{}]", ["1"; 11].join(","));
    assert_eq!(json(many.as_bytes()).unwrap_err(), EventsBodyError::TooMany { max: 10 });
}

#[test]
fn null_is_a_payload() {
    for body in [r#"{"payload":null}"#, r#"{"event_type":"a","payload": null ,"source":null}"#] {
        assert_eq!(json(body.as_bytes()).unwrap().accepted(), 1, "{body}");
        assert_eq!(json(format!("[{body}]").as_bytes()).unwrap().accepted(), 1, "{body}");
    }
}

#[test]
fn the_type_may_be_inside_the_payload() {
    let decoded =
        json(br#"{"payload":{"x":{"event_type":"no"},"event_type":"order.\u0063reated"}}"#).unwrap();
    assert_eq!(decoded.chunks[0].1.types(), ["order.created"]);
}

#[test]
fn events_with_one_ordering_key_share_a_lane() {
    let body: Vec<String> =
        (0..10).map(|i| format!(r#"{{"payload":{i},"ordering_key":"k{}"}}"#, i % 3)).collect();
    let body = format!("[{}]", body.join(","));
    let decoded = decode(body.as_bytes(), BodyForm::Json, context(8), LIMITS, &[], None).unwrap();
    assert_eq!(decoded.accepted(), 10);
    assert_eq!(decoded.choices.len(), 10);
    for i in 3..10 {
        assert_eq!(decoded.choices[i], decoded.choices[i - 3]);
    }
}

proptest! {
    #[test]
    fn no_body_makes_the_decoder_panic(body in prop::collection::vec(any::<u8>(), 0..200), lines: bool) {
        let form = if lines { BodyForm::Ndjson } else { BodyForm::Json };
        let _outcome = decode(&body, form, context(2), LIMITS, &[], None);
    }

    #[test]
    fn no_json_like_body_makes_the_decoder_panic(body in r#"[\[\]{}",:0-9a-z \\]{0,80}"#) {
        let _outcome = json(body.as_bytes());
    }
}

#[test]
fn a_request_s_trace_is_in_the_metadata_of_events_that_say_none() {
    let trace = TraceParent::parse(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    let body =
        br#"[{"payload":1}, {"payload":1,"metadata":{}}, {"payload":1,"metadata": { "priority":"low"}},
        {"payload":1,"metadata":{"x":{"traceparent":1},"traceparent":"own"}}]"#;
    let traced = EnvelopeContext { trace: Some(trace), ..context(1) };
    let decoded = decode(body, BodyForm::Json, traced, LIMITS, &[], None).unwrap();
    assert_eq!(decoded.accepted(), 4);
    let (_, chunk) = &decoded.chunks[0];
    let envelopes = [b"[", chunk.body().as_slice(), b"]"].concat();
    let envelopes: serde_json::Value = serde_json::from_slice(&envelopes).unwrap();
    let metadata = |index: usize| envelopes[index]["metadata"].clone();
    let text = trace.as_str();
    assert_eq!(metadata(0), serde_json::json!({"traceparent": text}));
    assert_eq!(metadata(1), serde_json::json!({"traceparent": text}));
    assert_eq!(metadata(2), serde_json::json!({"traceparent": text, "priority": "low"}));
    assert_eq!(metadata(3), serde_json::json!({"traceparent": "own", "x": {"traceparent": 1}}));
}

#[test]
fn an_event_is_an_object_and_no_array_of_its_fields() {
    let decoded =
        json(br#"[[null,1,null,null,null,null],{"payload":1,"metadata":["c","low","k"]},{"payload":1}]"#);
    let decoded = decoded.unwrap();
    assert_eq!(decoded.rejected.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 1]);
    assert!(decoded.rejected[0].1.message.contains("object"), "{:?}", decoded.rejected);
}

#[test]
fn half_of_a_surrogate_pair_is_refused_and_a_whole_one_is_not() {
    for half in [r#"{"payload":"\ud800"}"#, r#"{"payload":{"a\udc00":1}}"#, r#"{"payload":"\ud83e\u0041"}"#] {
        assert!(rejected(half).contains("`payload` has half of a surrogate pair"), "{half}");
    }
    let metadata = r#"{"payload":1,"metadata":{"x":"\\\ud800"}}"#;
    assert!(rejected(metadata).contains("`metadata`"));
    for whole in
        [r#"{"payload":"\ud83e\udd80"}"#, r#"{"payload":"\\ud800 \u00fc \n"}"#, r#"{"payload":"\\\\"}"#]
    {
        assert_eq!(json(whole.as_bytes()).unwrap().accepted(), 1, "{whole}");
    }
}
