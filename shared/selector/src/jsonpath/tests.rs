//! RFC 9535's compliance suite, `serde_json_path` as an oracle, and hostile expressions.

use super::super::budget::StepBudget;
use super::super::canonical::write_value;
use super::super::event::{EventJson, Opened};
use super::super::json::Tape;
use super::super::json::tests::any_json;
use super::super::memo::Memo;
use super::super::{EvaluationLimits, Selector, SelectorLimits};
use super::*;
use proptest::prelude::*;
use serde_json::value::RawValue;

/// The nodes that a query selects in a payload, as canonical JSON.
fn select(expression: &str, payload: &str) -> Result<Vec<String>, String> {
    let limits = SelectorLimits { expression_bytes_max: 4096, ..SelectorLimits::default() };
    let expression = parse(expression, &limits).map_err(|fault| fault.reason)?;
    let Expression::Query(query) = expression else { return Err("not a query".to_owned()) };
    let mut tape = Tape::default();
    tape.parse(payload, 64).map_err(|fault| fault.reason.to_owned())?;
    let root = tape.root(payload);
    let mut budget = StepBudget::new(1_000_000);
    let (mut memo, limits) = (Memo::default(), EvaluationLimits::default());
    let json = EventJson { envelope: root, payload: root };
    let opened = Opened { json, memo: &mut memo, limits: &limits };
    let mut evaluation = Evaluation::new(opened, &mut budget);
    let nodes = evaluation.select(&query).map_err(|_| "exhausted")?;
    let any = evaluation.run(&Expression::Query(query)).map_err(|_| "exhausted")?;
    assert_eq!(any, !nodes.is_empty());
    let written = nodes.into_iter().map(|node| {
        let mut json = String::new();
        write_value(node, &mut json);
        json
    });
    Ok(written.collect())
}

#[derive(serde::Deserialize)]
struct Suite {
    tests: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    selector: String,
    document: Option<Box<RawValue>>,
    result: Option<Vec<serde_json::Value>>,
    results: Option<Vec<Vec<serde_json::Value>>>,
    #[serde(default)]
    invalid_selector: bool,
}

#[test]
fn the_rfc_9535_compliance_suite_passes() {
    let suite: Suite =
        serde_json::from_str(include_str!("../../tests/data/jsonpath-compliance/cts.json")).unwrap();
    assert!(suite.tests.len() > 680, "{}", suite.tests.len());
    let mut failures = Vec::new();
    for case in &suite.tests {
        if let Err(failure) = run(case) {
            failures.push(format!("{}: {}: {failure}", case.name, case.selector));
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), suite.tests.len(), failures.join("\n"));
}

fn run(case: &Case) -> Result<(), String> {
    let expression = serde_json::Value::from(case.selector.as_str());
    let selector = Selector::parse(&format!(r#"{{"type":"jsonpath","expression":{expression}}}"#));
    if case.invalid_selector {
        return if selector.is_err() { Ok(()) } else { Err("taken".to_owned()) };
    }
    selector.map_err(|error| error.to_string())?;
    let document = case.document.as_ref().ok_or("no document")?;
    let nodes = select(&case.selector, document.get())?;
    let nodes: Vec<serde_json::Value> = nodes
        .iter()
        .map(|json| serde_json::from_str(json))
        .collect::<Result<_, _>>()
        .map_err(|e| e.to_string())?;
    let allowed = case.result.iter().chain(case.results.iter().flatten());
    if allowed.clone().any(|result| *result == nodes) {
        return Ok(());
    }
    Err(format!("{nodes:?}, not {:?}", allowed.collect::<Vec<_>>()))
}

fn any_query() -> impl Strategy<Value = String> {
    let step = prop_oneof![
        "\\.[a-d]",
        "\\['[a-d]'\\]",
        "\\[-?[1-3]\\]",
        Just("[0]".to_owned()),
        Just("[*]".to_owned()),
        Just(".*".to_owned()),
        "\\.\\.[a-d]",
        Just("..*".to_owned()),
        Just("..[0]".to_owned()),
        Just("[0,-1,'a']".to_owned()),
        "\\[(-?[1-3])?:(-?[1-3])?(:-?[1-3])?\\]",
        any_filter().prop_map(|filter| format!("[?{filter}]")),
    ];
    prop::collection::vec(step, 0..4).prop_map(|steps| format!("${}", steps.concat()))
}

fn any_filter() -> impl Strategy<Value = String> {
    let operand = prop_oneof![
        "@(\\.[a-c]){0,2}",
        "\\$\\.[a-c]",
        "-?[1-3]",
        Just("0.5".to_owned()),
        "'[a-c]{0,2}'",
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("count(@.*)".to_owned()),
        Just("count(@..a)".to_owned()),
        Just("value(@..a)".to_owned()),
    ];
    // The oracle holds `nothing <= nothing` to be false; RFC 9535 (2.3.5.2.2) says true.
    let length =
        ("@(\\.[a-c])?", "==|!=|<|>", "[0-3]").prop_map(|(inner, op, r)| format!("length({inner}) {op} {r}"));
    let order = (operand.clone(), "<=|>=", "-?[1-3]|'[a-c]'").prop_map(|(l, op, r)| format!("{l} {op} {r}"));
    let compare = (operand.clone(), "==|!=|<|>", operand).prop_map(|(l, op, r)| format!("{l} {op} {r}"));
    let basic = prop_oneof![
        compare,
        order,
        length,
        "@\\.[a-c]",
        Just("@.*".to_owned()),
        Just("@[?@.a]".to_owned()),
        Just("match(@.a, '[ab]+')".to_owned()),
        Just("search(@, 'b')".to_owned()),
        Just("search(@.b, $.a)".to_owned()),
    ];
    basic.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("{l} && {r}")),
            (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("({l} || {r})")),
            inner.prop_map(|term| format!("!({term})")),
        ]
    })
}

fn any_singular_query() -> impl Strategy<Value = String> {
    let step = prop_oneof!["\\.[a-d]", "\\[\"[a-d]\"\\]", Just("[0]".to_owned()), "\\[-?[1-3]\\]"];
    prop::collection::vec(step, 0..6).prop_map(|steps| format!("${}", steps.concat()))
}

fn selected_by_oracle(query: &str, payload: &serde_json::Value) -> Vec<serde_json::Value> {
    serde_json_path::JsonPath::parse(query).unwrap().query(payload).all().into_iter().cloned().collect()
}

/// Sorted, because RFC 9535 leaves some orders open and both use that freedom.
fn sorted(nodes: impl IntoIterator<Item = serde_json::Value>) -> Vec<String> {
    let mut nodes: Vec<_> = nodes.into_iter().map(|node| node.to_string()).collect();
    nodes.sort_unstable();
    nodes
}

fn selected(query: &str, payload: &serde_json::Value) -> Vec<serde_json::Value> {
    let nodes = select(query, &payload.to_string()).unwrap();
    nodes.iter().map(|node| serde_json::from_str(node).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn singular_queries_select_what_the_oracle_selects(query in any_singular_query(), payload in any_json()) {
        prop_assert_eq!(selected(&query, &payload), selected_by_oracle(&query, &payload));
    }

    #[test]
    fn queries_select_what_the_oracle_selects(query in any_query(), payload in any_json()) {
        prop_assert_eq!(
            sorted(selected(&query, &payload)),
            sorted(selected_by_oracle(&query, &payload)),
            "{} {}", query, payload
        );
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in r#"[$@.\[\]()?!&|=<>'"*:,0-9a-c \\u-]{0,40}"#) {
        let _parsed = parse(&text, &SelectorLimits::default());
    }

    // No blanks: the oracle refuses a blank before `..`, which the grammar allows.
    #[test]
    fn exactly_the_queries_that_the_oracle_takes_are_taken(text in any_query(), cut in 0_usize..40, insert in "[.\\[\\]()*?'a0-]?") {
        let mut text = text;
        let cut = cut.min(text.len());
        text.insert_str(cut, &insert);
        let theirs = serde_json_path::JsonPath::parse(&text).is_ok();
        match parse(&text, &SelectorLimits::default()) {
            Ok(Expression::Query(_)) => prop_assert!(theirs, "{}", text),
            // Bare expressions are our own, and the oracle checks patterns only when it evaluates.
            Ok(Expression::Logical(_)) => prop_assert!(!theirs, "{}", text),
            Err(fault) => prop_assert!(!theirs || fault.reason.starts_with("regular"), "{} {:?}", text, fault),
        }
    }
}

#[test]
fn faults_point_at_the_character() {
    for (text, offset, reason) in [
        ("", 0, "expected a query, a literal or a function"),
        ("order.total > 1", 0, "expected a query, a literal or a function"),
        ("$.a.", 4, "expected a name or `*`"),
        ("$.items[?@.qty > ]", 17, "expected a query, a literal or a function"),
        ("$.a == 'x", 9, "the string does not end"),
        ("$.a = 1", 3, "unexpected here"),
        ("$.a == 1 &&", 11, "expected a query, a literal or a function"),
        ("@.a == 1", 0, "`@` has no meaning outside a filter; write `$`"),
        ("$[?@.* == 1]", 3, "a query that can select several values cannot be compared"),
        ("$[?match(@.a, '(')]", 14, "regular expression: unclosed group"),
        (
            "$[?len(@.a) > 1]",
            3,
            "no such function; there are `length`, `count`, `value`, `match` and `search`",
        ),
        ("$[?length(@.a)]", 3, "a function's value is no test; compare it"),
        ("$[9007199254740992]", 2, "an integer beyond ±(2^53 - 1)"),
        ("$.a == 01", 7, "a number cannot have leading zeros"),
        ("true", 0, "a literal alone is no test; compare it"),
        (" $.a", 0, "expected a query, a literal or a function"),
    ] {
        let fault = parse(text, &SelectorLimits::default()).map(|_| ()).unwrap_err();
        assert_eq!((fault.offset, fault.reason.as_str()), (offset, reason), "{text}");
    }
}

#[test]
fn nesting_is_bounded_before_anything_recurses() {
    let limits = SelectorLimits { expression_bytes_max: usize::MAX, ..SelectorLimits::default() };
    for (open, close) in [("(", ")"), ("!(", ")"), ("$[?", "]"), ("length(", ")"), ("$.a == $.b && (", ")")] {
        let nested = |depth: usize| format!("{}$.a == 1{}", open.repeat(depth), close.repeat(depth));
        let fault = parse(&nested(100_000), &limits).map(|_| ()).unwrap_err();
        assert_eq!(fault.reason, "nested too deeply, at most 32", "{open}");
    }
    assert!(parse(&format!("{}$.a == 1{}", "(".repeat(32), ")".repeat(32)), &limits).is_ok());
}
