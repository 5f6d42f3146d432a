//! The meaning of each kind of selector and each operator.

use super::*;
use crate::EventTypes;

#[track_caller]
fn holds(operator: &str, field_value: &str, value: &str) {
    assert_matches(&function("f", operator, value), &format!(r#"{{"f":{field_value}}}"#), true);
}

#[track_caller]
fn fails(operator: &str, field_value: &str, value: &str) {
    assert_matches(&function("f", operator, value), &format!(r#"{{"f":{field_value}}}"#), false);
}

#[test]
fn equals_compares_values_of_any_shape() {
    for (left, right) in [
        ("1", "1.0"),
        ("\"a\"", "\"\\u0061\""),
        ("null", "null"),
        ("true", "true"),
        ("[1,[2]]", "[1.0,[2]]"),
        (r#"{"a":1,"b":[]}"#, r#"{"b":[],"a":1}"#),
        ("18446744073709551617", "18446744073709551617"),
    ] {
        holds("equals", left, right);
        fails("not_equals", left, right);
    }
    for (left, right) in [
        ("1", "\"1\""),
        ("0", "false"),
        ("null", "false"),
        ("[1,2]", "[2,1]"),
        ("[1]", "[1,1]"),
        (r#"{"a":1}"#, r#"{"a":1,"b":2}"#),
        (r#"{"a":1,"b":2}"#, r#"{"a":1,"c":2}"#),
        ("18446744073709551616", "18446744073709551617"),
    ] {
        fails("equals", left, right);
        holds("not_equals", left, right);
    }
}

#[test]
fn order_is_between_numbers_or_between_strings() {
    holds("greater_than", "100.5", "100");
    fails("greater_than", "100", "100");
    holds("greater_or_equal", "1e2", "100");
    fails("greater_or_equal", "99.999", "100");
    holds("less_than", "-1", "0.5");
    fails("less_than", "18446744073709551616", "18446744073709551615");
    holds("less_or_equal", "0", "-0");
    fails("less_or_equal", "1e400", "1e399");
    holds("greater_than", "\"2026-02-01\"", "\"2026-01-31\"");
    holds("less_than", "\"A\"", "\"a\"");
    for operator in ["greater_than", "greater_or_equal", "less_than", "less_or_equal"] {
        for field_value in ["\"5\"", "null", "true", "[5]", "{}"] {
            fails(operator, field_value, "5");
        }
    }
}

#[test]
fn contains_looks_in_strings_and_arrays() {
    holds("contains", "\"abc\"", "\"bc\"");
    holds("contains", "[1,{\"a\":[2]}]", "{\"a\":[2.0]}");
    fails("contains", "\"abc\"", "\"x\"");
    fails("contains", "[\"abc\"]", "\"b\"");
    fails("contains", "123", "2");
    fails("contains", "\"123\"", "2");
    fails("contains", "{\"a\":1}", "\"a\"");
}

#[test]
fn strings_have_starts_ends_and_patterns() {
    holds("starts_with", "\"caf\\u00e9 au lait\"", "\"café\"");
    fails("starts_with", "\"a\"", "\"ab\"");
    holds("ends_with", "\"x.png\"", "\".png\"");
    fails("ends_with", "[\".png\"]", "\".png\"");
    holds("matches", "\"order-42\"", "\"[0-9]+$\"");
    holds("matches", "\"a\\nb\"", "\"(?m)^b\"");
    fails("matches", "\"order\"", "\"^[0-9]\"");
    fails("matches", "42", "\"4\"");
}

#[test]
fn in_takes_any_value_of_the_list() {
    for field_value in ["\"b\"", "1.0", "null", "[2]"] {
        holds("in", field_value, r#"["c","b",1,null,[2]]"#);
        fails("not_in", field_value, r#"["c","b",1,null,[2]]"#);
    }
    fails("in", "\"1\"", "[1]");
    holds("not_in", "2", "[1]");
}

#[test]
fn a_missing_field_satisfies_only_the_negations() {
    for operator in ["not_equals", "not_exists"] {
        let value = if operator == "not_exists" { "" } else { "1" };
        assert_matches(&function("f", operator, value), r#"{"g":1}"#, true);
    }
    assert_matches(&function("f", "not_in", "[1]"), "{}", true);
    assert_matches(&function("f", "in", "[null]"), "{}", false);
    for (operator, value) in [
        ("exists", ""),
        ("equals", "null"),
        ("greater_or_equal", "0"),
        ("less_than", "0"),
        ("contains", "\"\""),
        ("starts_with", "\"\""),
        ("ends_with", "\"\""),
        ("matches", "\"\""),
    ] {
        assert_matches(&function("f", operator, value), "{}", false);
    }
    holds("exists", "null", "");
    fails("not_exists", "null", "");
}

#[test]
fn fields_are_dotted_paths_or_pointers() {
    let payload = r#"{"a":{"b":[{"c":1},{"c":2}],"0":"zero","":7},"x.y":3,"s/t~":4,"01":5}"#;
    for (field, value) in [
        ("a.b.1.c", "2"),
        ("/a/b/1/c", "2"),
        ("a.0", "\"zero\""),
        ("/x.y", "3"),
        ("/s~1t~0", "4"),
        ("01", "5"),
        ("/a/", "7"),
    ] {
        assert_matches(&function(field, "equals", value), payload, true);
    }
    for field in ["a.b.2", "a.b.-1", "a.b.01", "a.b.c", "x.y", "a.b.0.c.d", "A", "a.b.99999999999999999999"] {
        assert_matches(&function(field, "exists", ""), payload, false);
    }
    for payload in ["1", "null", "\"f\"", "[]", "{}"] {
        assert_matches(&function("f", "exists", ""), payload, false);
    }
    assert_matches(&function("0.f", "equals", "1"), r#"[{"f":1}]"#, true);
}

#[test]
fn the_last_of_two_equal_names_counts() {
    assert_matches(&function("f", "equals", "2"), r#"{"f":1,"f":2}"#, true);
    assert_matches(&jsonpath("$.f == 2 && $['f'] != 1"), r#"{"f":1,"f":2}"#, true);
}

#[test]
fn queries_are_true_if_they_select() {
    let payload = r#"{"items":[{"sku":"x","qty":1},{"sku":"y","qty":3}]}"#;
    assert_matches(&jsonpath("$.items[?@.qty > 2]"), payload, true);
    assert_matches(&jsonpath("$.items[?@.qty > 3]"), payload, false);
    assert_matches(&jsonpath("$..sku"), payload, true);
    assert_matches(&jsonpath("$.items[-1:].sku"), payload, true);
    assert_matches(&jsonpath("$.items[?search(@.sku, '[yz]')]"), payload, true);
    assert_matches(&jsonpath("$"), "null", true);
}

#[test]
fn bare_expressions_see_the_payload_then_the_event() {
    let plain = r#"{"total":120}"#;
    assert_matches(&jsonpath("$.event_type == 'order.created'"), plain, true);
    assert_matches(&jsonpath("$.event_type == 'order.created'"), r#"{"event_type":"other"}"#, false);
    assert_matches(&jsonpath("$['event_type'] == 'other'"), r#"{"event_type":"other"}"#, true);
    assert_matches(&jsonpath("$.source == 'shop' && $.metadata.priority == 'high'"), plain, true);
    assert_matches(&jsonpath("$.tags[0] == 'a' && length($.tags) == 2"), plain, true);
    assert_matches(&jsonpath("$.payload.total == 120 && $.total == 120"), plain, true);
    assert_matches(&jsonpath("$.payload.total == 120"), r#"{"payload":{}}"#, false);
    assert_matches(&jsonpath("$.total > 100 && !$.refunded"), plain, true);
    assert_matches(&jsonpath("($.total < 100 || $.total >= 120) && $.missing != 1"), plain, true);
    assert_matches(&jsonpath("$.source == 'shop'"), "[1]", true);
    assert_matches(&jsonpath("$[0] == 1"), "[1]", true);
    assert_matches(&jsonpath("$[?@ == $.source] && $.source == 'shop'"), r#"["shop"]"#, true);
}

#[test]
fn plain_queries_see_the_payload_alone() {
    assert_matches(&jsonpath("$.event_type"), "{}", false);
    assert_matches(&jsonpath("$.payload"), "{}", false);
    assert_matches(&jsonpath("$[?@ == $.source]"), r#"["shop"]"#, false);
    assert_matches(&jsonpath("count($.*) == 0 && !$..source"), "{}", true);
}

#[test]
fn event_types_match_without_a_payload() {
    let selector = Selector::parse(&event_type("order.*")).unwrap();
    let mut scratch = MatchScratch::default();
    assert!(!selector.compiled().needs_payload());
    assert!(selector.compiled().matches(&mut scratch.view("order.created", b"not json")));
    assert!(!selector.compiled().matches(&mut scratch.view("", b"not json")));
    assert_eq!(scratch.view("", b"").steps_spent(), 0);
}

#[test]
fn all_any_and_not_combine() {
    let payload = r#"{"a":1,"b":2}"#;
    let (yes, no) = (function("a", "equals", "1"), function("b", "equals", "1"));
    for (kind, parts, wanted) in [
        ("all", vec![&yes, &yes], true),
        ("all", vec![&yes, &no], false),
        ("any", vec![&no, &yes], true),
        ("any", vec![&no, &no], false),
    ] {
        let parts = parts.into_iter().cloned().collect::<Vec<_>>().join(",");
        let selector = format!(r#"{{"type":"{kind}","of":[{parts}]}}"#);
        assert_matches(&selector, payload, wanted);
        assert_matches(&format!(r#"{{"type":"not","of":{selector}}}"#), payload, !wanted);
    }
}

#[test]
fn an_undecided_part_leaves_the_whole_undecided_unless_another_settles_it() {
    let (blind, yes, no) = (function("a", "exists", ""), event_type("*"), event_type("x"));
    let judge = |kind: &str, other: &str| {
        let selector = Selector::parse(&format!(r#"{{"type":"{kind}","of":[{blind},{other}]}}"#)).unwrap();
        selector.compiled().evaluate(&mut MatchScratch::default().view("t", b"{broken"))
    };
    assert_eq!(judge("all", &no), Verdict::NoMatch);
    assert_eq!(judge("all", &yes), Verdict::Undecided);
    assert_eq!(judge("any", &yes), Verdict::Match);
    assert_eq!(judge("any", &no), Verdict::Undecided);
}

#[test]
fn one_scratch_serves_many_events() {
    let selector = Selector::parse(&function("n", "equals", "2")).unwrap();
    let mut scratch = MatchScratch::default();
    for n in 0..5 {
        let envelope = envelope("t", &format!(r#"{{"pad":"{}","n":{n}}}"#, "\\n".repeat(n)));
        let mut view = scratch.view("t", envelope.as_bytes());
        assert_eq!(selector.compiled().matches(&mut view), n == 2);
        assert_eq!(selector.compiled().matches(&mut view), n == 2);
    }
}

#[test]
fn the_types_a_selector_can_match_are_known() {
    let types = |selector: &str| Selector::parse(selector).unwrap().compiled().event_types();
    let both = format!(r#"{{"type":"any","of":[{},{}]}}"#, event_type("a"), event_type("b.*"));
    assert_eq!(types(&event_type("*")), EventTypes::Any);
    assert_eq!(types(&function("f", "exists", "")), EventTypes::Any);
    assert_eq!(types(&format!(r#"{{"type":"not","of":{both}}}"#)), EventTypes::Any);
    assert!(types(&both).include("b.c") && !types(&both).include("c"));
    let narrowed = format!(r#"{{"type":"all","of":[{},{both}]}}"#, function("f", "exists", ""));
    assert_eq!(types(&narrowed), types(&both));
}

#[test]
fn selectors_keep_their_json_and_have_one_canonical_form() {
    let json = r#" { "value" : "order.*", "type":"event_type" } "#;
    let selector = Selector::parse(json).unwrap();
    assert_eq!(selector.original(), json);
    assert_eq!(selector.canonical(), r#"{"type":"event_type","value":"order.*"}"#);
    let json = r#"{"type":"any","of":[{"function":{"value":{"b":1.50,"a":"\u00e9\/"},"operator":"equals","field":"f"},"type":"custom"},
        {"of":{"type":"jsonpath","expression":"$.a == \"x\""},"type":"not"},{"type":"custom","function":{"field":"/f","operator":"exists"}}]}"#;
    assert_eq!(
        Selector::parse(json).unwrap().canonical(),
        r#"{"type":"any","of":[{"type":"custom","function":{"field":"f","operator":"equals","value":{"a":"é/","b":1.50}}},{"type":"not","of":{"type":"jsonpath","expression":"$.a == \"x\""}},{"type":"custom","function":{"field":"/f","operator":"exists"}}]}"#
    );
}

#[test]
fn selectors_pass_through_serde() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct SelectorRequest {
        event_selector: Selector,
    }
    let json = r#"{"event_selector":{"value":"a","type":"event_type"}}"#;
    let request: SelectorRequest = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&request).unwrap(), json);
    let error = serde_json::from_str::<SelectorRequest>(r#"{"event_selector":{"type":"all","of":[]}}"#)
        .err()
        .unwrap();
    assert!(error.to_string().contains("selector at /of"), "{error}");
}
