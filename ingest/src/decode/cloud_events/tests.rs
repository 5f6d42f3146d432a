use super::*;
use http::HeaderValue;
use proptest::prelude::*;
use serde_json::{Value, json};

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let value = |text: &str| HeaderValue::from_bytes(text.as_bytes()).unwrap();
    pairs.iter().map(|(name, text)| (HeaderName::from_static(name), value(text))).collect()
}

fn native(form: CloudForm, headers: &HeaderMap, body: &[u8]) -> (Value, Vec<(usize, String)>) {
    let translated = form.translate(headers, body, 1000).unwrap();
    let refusals = translated.refusals.into_iter().map(|(at, error)| (at, error.message)).collect();
    (serde_json::from_slice(&translated.body).unwrap(), refusals)
}

const ATTRIBUTES: [(&str, &str); 4] =
    [("ce-specversion", "1.0"), ("ce-id", "A-1"), ("ce-type", "a.b"), ("ce-source", "/shop")];

fn binary(more: &[(&'static str, &str)], body: &[u8]) -> (Value, Vec<(usize, String)>) {
    let all: Vec<_> = ATTRIBUTES.iter().chain(more).copied().collect();
    native(CloudForm::Binary, &headers(&all), body)
}

#[test]
fn the_content_type_and_the_headers_say_which_form_it_is() {
    let form = |pairs| CloudForm::from_headers(&headers(pairs));
    assert_eq!(form(&[("content-type", "application/json")]), None);
    assert_eq!(form(&[]), None);
    assert_eq!(
        form(&[("content-type", "Application/CloudEvents+JSON; charset=utf-8")]),
        Some(CloudForm::Structured)
    );
    assert_eq!(form(&[("content-type", "application/cloudevents-batch+json")]), Some(CloudForm::Batch));
    assert_eq!(
        form(&[("content-type", "application/json"), ("ce-specversion", "1.0")]),
        Some(CloudForm::Binary)
    );
    assert_eq!(form(&[("content-type", "application/cloudevents+avro")]), None);
}

#[test]
fn a_structured_event_becomes_one_of_ours() {
    let body = json!({
        "specversion": "1.0", "type": "order.created", "source": "/shop", "id": "A-1", "subject": null,
        "time": "2026-11-21T10:00:00Z", "datacontenttype": "application/json", "partitionkey": "o-1",
        "traceparent": "00-ab-cd-01", "sampled": true, "data": {"n": 1.50},
    });
    let (event, refusals) = native(CloudForm::Structured, &HeaderMap::new(), body.to_string().as_bytes());
    assert!(refusals.is_empty());
    assert_eq!(event["event_type"], "order.created");
    assert_eq!(event["ordering_key"], "o-1");
    assert_eq!(event["payload"], json!({"n": 1.50}));
    assert_eq!(
        event["metadata"]["cloudevents"],
        json!({
            "specversion": "1.0", "id": "A-1", "time": "2026-11-21T10:00:00Z", "partitionkey": "o-1",
            "datacontenttype": "application/json", "traceparent": "00-ab-cd-01", "sampled": true,
        })
    );
}

#[test]
fn a_bad_event_of_a_batch_leaves_its_neighbours_alone() {
    let good = json!({"specversion": "1.0", "type": "a", "source": "s", "id": "1"});
    let mut twice = good.to_string();
    twice.insert_str(1, "\"id\":\"0\",");
    let body = format!(
        r#"[{good}, 7, {{"specversion":"0.3","type":"a","source":"s","id":"1"}}, {twice}, {good}, {{"specversion":"1.0","type":"a","source":"s","id":"1","Upper":1}}]"#
    );
    let (events, refusals) = native(CloudForm::Batch, &HeaderMap::new(), body.as_bytes());
    assert_eq!(refusals.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1, 2, 3, 5]);
    assert!(refusals[1].1.contains("specversion") && refusals[2].1.contains("twice"), "{refusals:?}");
    assert!(refusals[3].1.contains("Upper"), "{refusals:?}");
    assert_eq!(
        (&events[0]["payload"], &events[1], &events[4]["source"]),
        (&json!(null), &json!({}), &json!("s"))
    );
}

#[test]
fn data_is_json_text_or_base64_by_its_content_type() {
    let payload = |kind: &str, body: &[u8]| binary(&[("content-type", kind)], body).0["payload"].clone();
    assert_eq!(payload("application/json", b" [1,2] "), json!([1, 2]));
    assert_eq!(payload("application/vnd.x+json", b"{}"), json!({}));
    assert_eq!(payload("text/plain; charset=utf-8", b"a \"b\"\n"), json!("a \"b\"\n"));
    let (event, _) = binary(&[("content-type", "application/octet-stream")], &[0, 255]);
    assert_eq!(event["payload"], "AP8=");
    assert_eq!(event["metadata"]["cloudevents"]["data_base64"], true);
    assert_eq!(event["metadata"]["cloudevents"]["datacontenttype"], "application/octet-stream");
    assert_eq!(binary(&[], b"").0["payload"], Value::Null);
    for (kind, body) in
        [("application/json", &b"{"[..]), ("application/json", b"\"\xff\""), ("text/plain", b"\xff")]
    {
        assert_eq!(binary(&[("content-type", kind)], body).1.len(), 1, "{kind}");
    }
    assert!(binary(&[], &[b'1'; 1001]).1[0].1.contains("limit"));
}

#[test]
fn header_values_are_unquoted_and_percent_decoded_once() {
    let subject =
        |text: &str| binary(&[("ce-subject", text)], b"").0["metadata"]["cloudevents"]["subject"].clone();
    assert_eq!(subject("Euro%20%E2%82%AC%20%F0%9F%98%80"), "Euro € 😀");
    assert_eq!(subject("%2541"), "%41");
    assert_eq!(subject(r#""a \"b\" %22""#), r#"a "b" ""#);
    assert_eq!(subject("100%"), "100%");
    assert_eq!(binary(&[("ce-subject", "%ff")], b"").1.len(), 1);
    assert_eq!(binary(&[("ce-datacontenttype", "a/b")], b"").1.len(), 1);
}

#[test]
fn missing_and_invalid_attributes_are_named() {
    for missing in 1..ATTRIBUTES.len() {
        let mut all = ATTRIBUTES.to_vec();
        let (name, _) = all.remove(missing);
        let (_, refusals) = native(CloudForm::Binary, &headers(&all), b"");
        assert!(refusals[0].1.contains(&name[3..]), "{refusals:?}");
    }
    for (name, value) in [("ce-time", "yesterday"), ("ce-subject", ""), ("ce-a-b", "1")] {
        assert_eq!(binary(&[(name, value)], b"").1.len(), 1, "{name}");
    }
}

proptest! {
    /// For any input the result is JSON that our own decoder accepts, with a refusal
    /// for each element that is no event.
    #[test]
    fn any_bytes_are_translated_or_refused(body in prop::collection::vec(any::<u8>(), 0..200), value in "[ -~]{0,40}") {
        for form in [CloudForm::Structured, CloudForm::Batch] {
            if let Ok(translated) = form.translate(&HeaderMap::new(), &body, 1000) {
                serde_json::from_slice::<Value>(&translated.body).unwrap();
            }
        }
        let all: Vec<_> = ATTRIBUTES.iter().copied().chain([("ce-subject", &*value), ("content-type", &*value)]).collect();
        let translated = CloudForm::Binary.translate(&headers(&all), &body, 1000).unwrap();
        serde_json::from_slice::<Value>(&translated.body).unwrap();
    }

    /// Objects of CloudEvents' own names with values of any kind.
    #[test]
    fn any_object_is_translated_or_refused(
        members in prop::collection::vec(("specversion|id|type|source|time|data|data_base64|x1|X|", "\"1\\.0\"|\"\"|1|null|\\{\\}|\"YQ==\"|\"2026-01-01T00:00:00Z\""), 0..9)
    ) {
        let members: Vec<_> = members.iter().map(|(name, json)| format!("\"{name}\":{json}")).collect();
        let body = format!("[{{{}}}]", members.join(","));
        let translated = CloudForm::Batch.translate(&HeaderMap::new(), body.as_bytes(), 1000).unwrap();
        let events: Value = serde_json::from_slice(&translated.body).unwrap();
        prop_assert_eq!(events[0].get("payload").is_none(), !translated.refusals.is_empty());
    }
}
