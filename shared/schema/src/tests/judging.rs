//! Payloads that fit, and the misfits of others.

use super::*;
use proptest::prelude::*;

const ORDER: &str = r##"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://example.com/order.json",
    "type": "object",
    "required": ["order", "items"],
    "properties": {
        "order": {"type": "integer", "minimum": 1},
        "currency": {"enum": ["EUR", "USD"]},
        "items": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/item"}}
    },
    "$defs": {"item": {
        "type": "object",
        "properties": {"sku": {"type": "string", "pattern": "^SKU-\\d+$"}, "qty": {"type": "integer"}},
        "additionalProperties": false
    }}
}"##;

#[test]
fn a_payload_fits_or_each_place_that_does_not_is_told() {
    let schema = compiled(ORDER);
    assert_eq!(misfits(&schema, r#"{"order":7,"items":[{"sku":"SKU-1","qty":2}],"more":null}"#), []);
    let told = misfits(&schema, r#"{"order":0,"currency":"GBP","items":[{"sku":"x"},{"qty":"2","a/b~":1}]}"#);
    let pointers: Vec<&str> = told.iter().map(|(pointer, _)| &**pointer).collect();
    assert_eq!(pointers, ["/currency", "/items/0/sku", "/items/1/qty", "/items/1", "/order"], "{told:?}");
    assert!(told.iter().all(|(_, message)| !message.contains("GBP")), "values are not repeated: {told:?}");
    assert_eq!(schema.misfits(&read(r#"{"order":0,"items":[]}"#), 1).len(), 1);
    let missing = misfits(&schema, r#"{"order":1}"#);
    assert_eq!((&*missing[0].0, missing[0].1.contains("items")), ("", true), "{missing:?}");
}

#[test]
fn numbers_are_judged_as_they_are_written() {
    let bounded = r#"{"type":"integer","maximum":9007199254740993}"#;
    assert!(fits(bounded, "9007199254740993"), "2^53 + 1 is told from 2^53 + 2");
    assert!(!fits(bounded, "9007199254740994"));
    assert!(fits(r#"{"const":18446744073709551615}"#, "18446744073709551615"));
    assert!(!fits(r#"{"const":18446744073709551615}"#, "18446744073709551614"));
    assert!(fits(r#"{"type":"integer"}"#, "1.0"), "JSON Schema calls it an integer");
    // Integers beyond 64 bits are doubles.
    assert!(fits(r#"{"type":"integer"}"#, "123456789012345678901234567890"));
    assert!(fits(r#"{"multipleOf":0.01}"#, "19.99"));
    let beyond = SchemaPayload::read(r#"{"a":[1,1e400]}"#).unwrap_err();
    assert_eq!((&*beyond.pointer, &*beyond.message), ("/a/1", "number out of range"));
}

#[test]
fn a_name_that_comes_twice_is_refused_with_its_place() {
    for (payload, pointer) in [
        (r#"{"a":1,"a":1}"#, "/a"),
        (r#"[0,{"x":{"b/c":1,"d":2,"b/c":3}}]"#, "/1/x/b~1c"),
        (r#"{"\u0061":1,"a":1}"#, "/a"),
    ] {
        let misfit = SchemaPayload::read(payload).unwrap_err();
        assert_eq!((&*misfit.pointer, &*misfit.message), (pointer, "the name comes twice in its object"));
    }
    assert!(SchemaPayload::read(r#"{"a":{"a":[{"a":1},{"a":1}]}}"#).is_ok());
}

#[test]
fn messages_about_a_payload_are_short() {
    let long = "k".repeat(10_000);
    let told =
        misfits(&compiled(r#"{"additionalProperties":{"type":"string"}}"#), &format!(r#"{{"{long}":1}}"#));
    assert!(told[0].0.len() < 300 && told[0].0.ends_with('…'), "{told:?}");
    let told = misfits(&compiled(r#"{"additionalProperties":false}"#), &format!(r#"{{"{long}":1}}"#));
    assert!(told[0].1.len() < 300, "{told:?}");
}

#[test]
fn format_is_a_note() {
    assert!(fits(r#"{"format":"email"}"#, r#""no address""#));
}

#[test]
fn a_payload_s_depth_is_that_of_the_decoder() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(SchemaPayload::read(&nested(PAYLOAD_DEPTH_MAX)).is_ok());
    let inner = format!("{}1{}", "[".repeat(PAYLOAD_DEPTH_MAX), "]".repeat(PAYLOAD_DEPTH_MAX));
    assert!(SchemaPayload::read(&inner).is_ok());
    assert!(SchemaPayload::read(&nested(PAYLOAD_DEPTH_MAX + 1)).is_err());
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "[a-z\\\\\"é]{0,6}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            proptest::collection::btree_map("[a-z/~]{0,3}", inner, 0..5)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_payload_is_read_as_serde_json_reads_it(value in any_json()) {
        let text = value.to_string();
        prop_assert_eq!(&read(&text).value, &serde_json::from_str::<serde_json::Value>(&text).unwrap());
    }

    #[test]
    fn whatever_is_put_in_is_judged_or_refused(schema in any_json(), payload in any_json()) {
        if let Ok(schema) = EventSchema::compile(&schema.to_string(), &SchemaLimits::default()) {
            let payload = read(&payload.to_string());
            let _told = schema.misfits(&payload, 10);
            prop_assert!(schema.checks(&payload) > 0);
        }
    }
}
