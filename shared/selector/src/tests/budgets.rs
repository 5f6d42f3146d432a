//! The cost of all selectors of a customer for an event, and the work that they share.

use super::indexing::index;
use super::*;
use crate::{EventVerdicts, MatchBudget, SubscriptionIndex, UndecidedCause};

/// 22 KB of objects in objects.
fn expensive_payload() -> String {
    let object = format!("{}1{}", r#"{"a":{"y":"#.repeat(6), "}}".repeat(6));
    format!("[{}{object}]", format!("{object},").repeat(22_000 / (object.len() + 1)))
}

fn judge_within(index: &SubscriptionIndex<usize>, limits: EvaluationLimits, payload: &str) -> EventVerdicts {
    let envelope = envelope("t", payload);
    let mut verdicts = EventVerdicts::default();
    let mut scratch = MatchScratch::new(limits);
    let mut view = scratch.view("t", envelope.as_bytes());
    index.judge(&index.for_type("t"), &mut view, |_| true, &mut verdicts);
    assert_eq!(verdicts.steps, view.steps_spent());
    verdicts
}

fn steps(selectors: &[String], payload: &str) -> u32 {
    let verdicts = judge_within(&index(selectors), EvaluationLimits::default(), payload);
    assert!(verdicts.undecided.is_empty(), "{selectors:?}");
    verdicts.steps
}

#[test]
fn all_selectors_of_an_event_share_one_budget() {
    // All different, so that nothing is shared.
    let selectors: Vec<_> = (0..50).map(|n| jsonpath(&format!("$..[?@..[?@.x == {n}]]"))).collect();
    let verdicts = judge_within(&index(&selectors), EvaluationLimits::default(), &expensive_payload());
    assert!(verdicts.steps <= EvaluationLimits::default().event_steps_max);
    assert!(!verdicts.undecided.is_empty());
    assert!(verdicts.undecided.iter().all(|undecided| undecided.cause == UndecidedCause::EventBudget));
    assert!(verdicts.costliest.is_some_and(|costliest| costliest.steps > 1000));
}

#[test]
fn selectors_alone_share_the_budget_of_their_view_too() {
    let envelope = envelope("t", &expensive_payload());
    let mut scratch = MatchScratch::default();
    let mut view = scratch.view("t", envelope.as_bytes());
    let verdicts: Vec<_> = (0..50)
        .map(|n| {
            let selector = Selector::parse(&jsonpath(&format!("$..[?@..[?@.x == {n}]]"))).unwrap();
            selector.compiled().evaluate(&mut view)
        })
        .collect();
    assert_eq!((verdicts[0], verdicts[49]), (Verdict::NoMatch, Verdict::Undecided));
    assert!(view.steps_spent() <= EvaluationLimits::default().event_steps_max);
    assert_eq!(view.budget(), MatchBudget { steps_left: 0 });
}

#[test]
fn an_expensive_selector_leaves_the_cheap_ones_their_answer() {
    let limits = EvaluationLimits { event_steps_max: 40_000, ..EvaluationLimits::default() };
    let selectors = [
        jsonpath("$..[?@..[?@..[?@.x == 1]]]"),
        jsonpath("count($.*) > 1"),
        jsonpath("$[0].a.y.a == 7 || $[0].a"),
        function("0.a", "not_equals", "7"),
    ];
    let verdicts = judge_within(&index(&selectors), limits, &expensive_payload());
    assert_eq!(verdicts.matched, [1, 2, 3]);
    assert_eq!(verdicts.undecided.len(), 1);
    assert_eq!(
        (verdicts.undecided[0].position, verdicts.undecided[0].cause),
        (0, UndecidedCause::EventBudget)
    );
    assert_eq!(verdicts.costliest.map(|costliest| costliest.position), Some(0));
}

#[test]
fn a_selector_that_passes_its_own_limit_is_told_apart() {
    let limits = EvaluationLimits { selector_steps_max: 20_000, ..EvaluationLimits::default() };
    let selectors =
        [jsonpath("$..[?@..[?@.x == 1]]"), jsonpath("$..[?@..[?@.x == 2]]"), jsonpath("$..nothing")];
    let verdicts = judge_within(&index(&selectors), limits, &expensive_payload());
    let causes: Vec<_> =
        verdicts.undecided.iter().map(|undecided| (undecided.position, undecided.cause)).collect();
    assert_eq!(
        causes,
        [(0, UndecidedCause::SelectorBudget), (1, UndecidedCause::SelectorBudget)],
        "{verdicts:?}"
    );
    assert!(verdicts.matched.is_empty());
}

#[test]
fn a_view_can_be_given_less_than_a_whole_budget() {
    let selector = Selector::parse(&jsonpath("$..nothing")).unwrap();
    let envelope = envelope("t", &expensive_payload());
    let mut scratch = MatchScratch::default();
    for (steps_left, wanted) in
        [(u32::MAX, Verdict::NoMatch), (4000, Verdict::Undecided), (0, Verdict::Undecided)]
    {
        let mut view = scratch.view_within("t", envelope.as_bytes(), MatchBudget { steps_left });
        assert_eq!(selector.compiled().evaluate(&mut view), wanted, "{steps_left}");
        assert!(view.steps_spent() <= steps_left);
    }
}

#[test]
fn equal_selectors_cost_as_much_as_one() {
    for selector in [
        jsonpath("$..[?@..[?@.x == 1]]"),
        jsonpath("count($..*) > 100000"),
        function("0.a.y", "contains", "1"),
        format!(r#"{{"type":"not","of":{}}}"#, jsonpath("$..y")),
    ] {
        let one = steps(std::slice::from_ref(&selector), &expensive_payload());
        let hundred = steps(&vec![selector.clone(); 100], &expensive_payload());
        assert!(hundred <= one + 1000, "{selector}: {one} and {hundred} steps");
    }
}

#[test]
fn a_path_that_selectors_share_is_followed_once() {
    for prefix in ["$..[?@..[?@.y == 1]]", "$..a", "$[*].a.y", "$[?@.a.y.a]"] {
        let one = steps(&[jsonpath(&format!("{prefix}.n"))], &expensive_payload());
        let selectors: Vec<_> = (0..20).map(|n| jsonpath(&format!("{prefix}.n{n}"))).collect();
        let twenty = steps(&selectors, &expensive_payload());
        // The rest of each selector's cost is to look at the nodes that the shared path selects.
        let nodes = steps(&[jsonpath(&format!("count({prefix}) < 0"))], &expensive_payload());
        assert!(
            twenty < one + 20 * nodes.min(10_000),
            "{prefix}: {one} and {twenty} steps, {nodes} to count"
        );
    }
    let shared: Vec<_> = (0..20).map(|n| jsonpath(&format!("$..[?@..[?@.x == 1]].n{n}"))).collect();
    let one = steps(&shared[..1], &expensive_payload());
    assert!(steps(&shared, &expensive_payload()) < 2 * one);
}

#[test]
fn terms_and_functions_that_selectors_share_are_evaluated_once() {
    let one = steps(&[jsonpath("count($..*) > 3 && $.a != 1")], &expensive_payload());
    let selectors: Vec<_> = (0..50).map(|n| jsonpath(&format!("count($..*) > 3 && $.a != {n}"))).collect();
    assert!(steps(&selectors, &expensive_payload()) < one + 1000);
    let selectors: Vec<_> = (0..50).map(|n| jsonpath(&format!("count($..*) > {n}"))).collect();
    let one = steps(&selectors[..1], &expensive_payload());
    assert!(steps(&selectors, &expensive_payload()) < 3 * one);
}

#[test]
fn thousands_of_ordinary_selectors_cost_hardly_more_than_one() {
    let expressions: [fn(usize) -> String; 5] = [
        |n| jsonpath(&format!("$.a.b == 'x{n}'")),
        |n| jsonpath(&format!("$.a.f{n}")),
        |n| jsonpath(&format!("$.a.b == 'x{n}' && $.a.c > 1")),
        |n| function("a.b", "equals", &format!("\"x{n}\"")),
        |n| function(&format!("a.f{n}"), "in", "[1,2]"),
    ];
    for expression in expressions {
        let selectors: Vec<_> = (0..2000).map(expression).collect();
        let payload = r#"{"a":{"b":"x77","c":2,"f77":1}}"#;
        let index = index(&selectors);
        let verdicts = judge_within(&index, EvaluationLimits::default(), payload);
        assert_eq!(verdicts.matched, [77], "{}", selectors[0]);
        assert!(verdicts.steps < 100, "{}: {} steps", selectors[0], verdicts.steps);
        let verdicts = judge_within(&index, EvaluationLimits::default(), r#"{"a":{"b":"y"}}"#);
        assert!(verdicts.matched.is_empty() && verdicts.steps < 100, "{}", selectors[0]);
    }
}

#[test]
fn a_budget_that_ends_among_the_fields_leaves_open_what_they_call_for() {
    let selectors = [function("a", "equals", "1"), event_type("other")];
    let payload = format!(r#"{{{}"a":1}}"#, r#""b":1,"#.repeat(1000));
    let limits = EvaluationLimits { event_steps_max: 1200, ..EvaluationLimits::default() };
    let verdicts = judge_within(&index(&selectors), limits, &payload);
    assert!(verdicts.matched.is_empty());
    assert_eq!(verdicts.undecided.len(), 1);
    assert_eq!(
        (verdicts.undecided[0].position, verdicts.undecided[0].cause),
        (0, UndecidedCause::EventBudget)
    );
}
