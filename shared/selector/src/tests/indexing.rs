//! The index gives the same answers as evaluating each selector alone.

use super::*;
use crate::{EventVerdicts, SubscriptionIndex, UndecidedCause};
use proptest::prelude::*;

const TYPES: [&str; 10] = ["", "a", "b", "a.a", "a.b", "b.a", "a.b.a", "a.b.b", "b.b.a.b", "c"];

fn any_selector() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => prop_oneof!["(a|b|\\*)(\\.(a|b|\\*)){0,2}", Just("c".to_owned())].prop_map(|value| event_type(&value)),
        4 => any_expression().prop_map(|expression| jsonpath(&expression)),
        4 => any_function(),
    ];
    leaf.prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| list("all", &parts)),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| list("any", &parts)),
            inner.prop_map(|part| format!(r#"{{"type":"not","of":{part}}}"#)),
        ]
    })
}

fn any_function() -> impl Strategy<Value = String> {
    let field = prop_oneof!["[a-c]", "[a-c]\\.[a-c0-1]", "/[a-c]/[a-c0]", "[0-1]\\.0", "0\\.0\\.0\\.0"];
    let scalar = any_literal();
    let operator = prop::sample::select(vec!["equals", "not_equals", "contains"]);
    let order = prop::sample::select(vec!["greater_than", "less_or_equal"]);
    prop_oneof![
        (field.clone(), operator, scalar.clone()).prop_map(|(f, o, v)| function(&f, o, &v)),
        (field.clone(), prop::sample::select(vec!["equals", "in"]), Just("[1,[2],\"a\"]".to_owned()))
            .prop_map(|(f, o, v)| function(&f, o, &v)),
        (field.clone(), prop::sample::select(vec!["in", "not_in"]), prop::collection::vec(scalar, 1..4))
            .prop_map(|(f, o, values)| function(&f, o, &format!("[{}]", values.join(",")))),
        (field.clone(), order, "[0-2]").prop_map(|(f, o, v)| function(&f, o, &v)),
        (field.clone(), prop::sample::select(vec!["exists", "not_exists"]))
            .prop_map(|(f, o)| function(&f, o, "")),
        (field, prop::sample::select(vec!["starts_with", "matches"]), "[ab]?")
            .prop_map(|(f, o, v)| function(&f, o, &format!("\"{v}\""))),
    ]
}

/// A JSON scalar, in different spellings.
fn any_literal() -> impl Strategy<Value = String> + Clone {
    prop::sample::select(vec![
        "0", "-0", "1", "1.0", "1e0", "10", "1e1", "\"\"", "\"a\"", "\"ab\"", "true", "false", "null",
    ])
    .prop_map(str::to_owned)
}

/// Plain queries and bare expressions, with few names so that many parts are equal.
fn any_expression() -> impl Strategy<Value = String> {
    let path = prop_oneof![
        4 => "\\$(\\.[a-c]|\\[0\\]|\\[-1\\]){0,3}",
        2 => "\\$\\.(source|event_type|tags|payload|metadata)(\\.[a-c]|\\[0\\])?",
        3 => "\\$(\\.[ab])?(\\.\\*|\\.\\.a|\\[:2\\]|\\[\\?@\\.b == 1\\]|\\[\\?@\\.\\.a\\]|\\[\\?@ == \\$\\.a\\])(\\.[ab]|\\.\\.\\*)?",
    ];
    let singular =
        prop_oneof!["\\$(\\.[a-c]|\\[0\\]|\\[-1\\]){0,3}", "\\$\\.(source|tags|payload)(\\.[a-c]|\\[0\\])?"];
    let comparison = (singular, "==|!=|<|<=|>|>=", any_literal(), any::<bool>())
        .prop_map(|(p, c, l, flipped)| if flipped { format!("{l} {c} {p}") } else { format!("{p} {c} {l}") });
    let basic = prop_oneof![
        3 => path.clone(),
        5 => comparison,
        1 => path.clone().prop_map(|path| format!("count({path}) > 1")),
        1 => path.prop_map(|path| format!("value({path}) == 1")),
        1 => "length\\(\\$\\.[ab]\\) == [01]",
        1 => "(match|search)\\(\\$\\.[ab], '[ab.]{1,2}'\\)",
        1 => "search\\(\\$\\.[ab], \\$\\.[ab]\\)",
        1 => "\\$\\.a (==|<=) \\$\\.b",
    ];
    basic.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|terms| format!("({})", terms.join(" && "))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|terms| format!("({})", terms.join(" || "))),
            inner.prop_map(|term| format!("!({term})")),
        ]
    })
}

/// A payload with few names, some twice, and few values.
fn any_payload() -> impl Strategy<Value = String> {
    any_literal().prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|values| format!("[{}]", values.join(","))),
            prop::collection::vec(("a|b|c|d|0|source|payload", inner), 0..6).prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn list(kind: &str, parts: &[String]) -> String {
    format!(r#"{{"type":"{kind}","of":[{}]}}"#, parts.join(","))
}

pub(super) fn index(selectors: &[String]) -> SubscriptionIndex<usize> {
    let compiled = selectors.iter().map(|json| Selector::parse(json).unwrap().compiled().clone());
    SubscriptionIndex::new(compiled.zip(0..))
}

/// The positions that want the event, and those that are undecided.
fn judged(index: &SubscriptionIndex<usize>, event_type: &str, envelope: &str) -> (Vec<u32>, Vec<u32>) {
    let candidates = index.for_type(event_type);
    let mut verdicts = EventVerdicts::default();
    let mut scratch = MatchScratch::default();
    let mut view = scratch.view(event_type, envelope.as_bytes());
    index.judge(&candidates, &mut view, |_| true, &mut verdicts);
    if candidates.decided() {
        assert_eq!((verdicts.matched.len(), verdicts.undecided.len()), (0, 0));
    }
    assert!(verdicts.matched.is_sorted() && candidates.always().is_sorted());
    let mut matched = [candidates.always(), &verdicts.matched].concat();
    matched.sort_unstable();
    (matched, verdicts.undecided.iter().map(|undecided| undecided.position).collect())
}

/// The same, found by evaluating each selector alone.
fn judged_alone(selectors: &[String], event_type: &str, envelope: &str) -> (Vec<u32>, Vec<u32>) {
    let (mut matched, mut undecided) = (Vec::new(), Vec::new());
    for (position, json) in (0..).zip(selectors) {
        let selector = Selector::parse(json).unwrap();
        let verdict =
            selector.compiled().evaluate(&mut MatchScratch::default().view(event_type, envelope.as_bytes()));
        match verdict {
            Verdict::Match => matched.push(position),
            Verdict::NoMatch => {}
            Verdict::Undecided => undecided.push(position),
        }
        if !selector.compiled().needs_payload() {
            assert_eq!(selector.compiled().decided_by_type(event_type), Some(verdict == Verdict::Match));
        }
        if verdict == Verdict::Match {
            assert!(selector.compiled().event_types().include(event_type));
        }
    }
    (matched, undecided)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn the_index_answers_what_each_selector_alone_answers(
        selectors in prop::collection::vec(any_selector(), 0..12), payload in any_payload(), kind in 0..TYPES.len()
    ) {
        let index = index(&selectors);
        let envelope = envelope(TYPES[kind], &payload);
        let alone = judged_alone(&selectors, TYPES[kind], &envelope);
        prop_assert_eq!(judged(&index, TYPES[kind], &envelope), alone, "{:?} on {}", selectors, payload);
    }

    #[test]
    fn an_event_that_is_not_json_leaves_open_what_it_leaves_open_to_each_alone(
        selectors in prop::collection::vec(any_selector(), 0..6), kind in 0..TYPES.len()
    ) {
        let alone = judged_alone(&selectors, TYPES[kind], "{broken");
        prop_assert_eq!(judged(&index(&selectors), TYPES[kind], "{broken"), alone);
    }

    #[test]
    fn the_canonical_form_is_a_fixed_point(json in any_selector()) {
        let selector = Selector::parse(&json).unwrap();
        let again = Selector::parse(selector.canonical()).unwrap();
        prop_assert_eq!(again.canonical(), selector.canonical());
        prop_assert!(serde_json::from_str::<serde_json::Value>(selector.canonical()).is_ok());
    }
}

#[test]
fn a_type_selector_matches_whole_batches() {
    let types = [event_type("order.*"), event_type("order.created"), event_type("x")];
    let index = index(&types);
    assert_eq!(index.for_type("order.created").always(), [0, 1]);
    assert!(index.for_type("order.created").decided());
    assert!(index.for_type("order").decided() && index.for_type("order").always().is_empty());

    let [order, created, x] = types;
    let index = super::indexing::index(&[order, function("f", "exists", ""), created, x]);
    assert_eq!(index.for_type("order.created").always(), [0, 2]);
    assert!(!index.for_type("").decided());
}

#[test]
fn ten_thousand_other_types_are_no_candidates() {
    let selectors: Vec<_> = (0..10_000).map(|n| event_type(&format!("kind.{n}"))).collect();
    let index = index(&selectors);
    assert_eq!(index.len(), 10_000);
    assert!(index.for_type("other").decided() && index.for_type("other").always().is_empty());
    assert_eq!(index.for_type("kind.77").always(), [77]);
    assert_eq!(index.subscription(77), Some(&77));
}

#[test]
fn a_subscription_that_does_not_count_is_neither_judged_nor_paid_for() {
    let selectors =
        [jsonpath("$..*..*..nothing"), function("a", "equals", "1"), jsonpath("$.a == 1 && $.b == 1")];
    let index = index(&selectors);
    let envelope = envelope("t", r#"{"a":1,"b":1,"c":[1,2,3,4,5,6,7,8]}"#);
    let mut verdicts = EventVerdicts::default();
    let mut scratch = MatchScratch::default();
    let mut judge = |counting: &[usize]| {
        let mut view = scratch.view("t", envelope.as_bytes());
        let counts = |subscription: &usize| counting.contains(subscription);
        index.judge(&index.for_type("t"), &mut view, counts, &mut verdicts);
        (verdicts.matched.clone(), verdicts.steps, verdicts.costliest.map(|cost| cost.position))
    };
    let (matched, steps_of_all, costliest) = judge(&[0, 1, 2]);
    assert_eq!((matched, costliest), (vec![1, 2], Some(0)));
    let (matched, steps, costliest) = judge(&[1]);
    assert_eq!((matched, costliest), (vec![1], None));
    assert!(steps < steps_of_all);
}

#[test]
fn the_last_of_two_equal_names_counts_however_many_names_are_indexed() {
    let few = ["$.a == 2".to_owned(), "$.source == 2".to_owned()];
    let many = (0..20).map(|n| format!("$.x{n} == 2"));
    for expressions in [few.to_vec(), few.iter().cloned().chain(many).collect()] {
        let selectors: Vec<_> = expressions.iter().map(|expression| jsonpath(expression)).collect();
        let index = index(&selectors);
        for (payload, wanted) in [
            (r#"{"a":1,"a":2}"#, vec![0]),
            (r#"{"a":2,"a":1,"source":2}"#, vec![1]),
            (r#"{"source":2,"source":1}"#, vec![]),
            ("[2]", vec![]),
        ] {
            assert_eq!(judged(&index, "t", &envelope("t", payload)).0, wanted, "{payload}");
        }
    }
}

#[test]
fn an_unreadable_event_is_told_apart_from_an_expensive_one() {
    let index = index(&[function("a", "equals", "1")]);
    let mut verdicts = EventVerdicts::default();
    let mut scratch = MatchScratch::default();
    index.judge(&index.for_type("t"), &mut scratch.view("t", b"{broken"), |_| true, &mut verdicts);
    assert_eq!(verdicts.undecided[0].cause, UndecidedCause::Unreadable);
}
