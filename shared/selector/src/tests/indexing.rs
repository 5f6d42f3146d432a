//! The index never loses a match, and settles by type what the type settles.

use super::*;
use crate::{Condition, SubscriptionIndex};
use proptest::prelude::*;

const TYPES: [&str; 10] = ["", "a", "b", "a.a", "a.b", "b.a", "a.b.a", "a.b.b", "b.b.a.b", "c"];

fn any_selector() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => prop_oneof!["(a|b|\\*)(\\.(a|b|\\*)){0,2}", Just("c".to_owned())].prop_map(|value| event_type(&value)),
        1 => Just(function("f", "greater_than", "1")),
        1 => Just(jsonpath("$.f == 1 || $.event_type == 'a.b'")),
    ];
    leaf.prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|of| list("all", &of)),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|of| list("any", &of)),
            inner.prop_map(|of| format!(r#"{{"type":"not","of":{of}}}"#)),
        ]
    })
}

fn list(kind: &str, of: &[String]) -> String {
    format!(r#"{{"type":"{kind}","of":[{}]}}"#, of.join(","))
}

fn index(selectors: &[String]) -> SubscriptionIndex<usize> {
    let compiled = selectors.iter().map(|json| Selector::parse(json).unwrap().compiled().clone());
    SubscriptionIndex::new(compiled.zip(0..))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn candidates_hold_every_match_in_order(selectors in prop::collection::vec(any_selector(), 0..12), f in 0..3) {
        let index = index(&selectors);
        for event_type in TYPES {
            let candidates = index.candidates(event_type);
            prop_assert!(candidates.is_sorted_by(|a, b| a.position < b.position));
            let envelope = envelope(event_type, &format!(r#"{{"f":{f}}}"#));
            for (position, json) in selectors.iter().enumerate() {
                let selector = Selector::parse(json).unwrap();
                let mut scratch = MatchScratch::default();
                let matches = selector.compiled().matches(&mut scratch.view(event_type, envelope.as_bytes()));
                let candidate = candidates.iter().find(|candidate| candidate.position == position);
                match candidate.map(|candidate| candidate.condition) {
                    None => prop_assert!(!matches, "{} lost on {}", json, event_type),
                    Some(Condition::Always) => prop_assert!(matches, "{} always on {}", json, event_type),
                    Some(Condition::Evaluate) => prop_assert_eq!(*candidate.unwrap().subscription, position),
                }
                if !selector.compiled().needs_payload() {
                    prop_assert_eq!(selector.compiled().decided_by_type(event_type), Some(matches));
                }
                if matches {
                    prop_assert!(selector.compiled().event_types().include(event_type));
                }
            }
        }
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
    let index = index(&[
        event_type("order.*"),
        function("f", "exists", ""),
        event_type("order.created"),
        event_type("x"),
    ]);
    let found = |event_type: &str| -> Vec<_> {
        index
            .candidates(event_type)
            .iter()
            .map(|candidate| (candidate.position, candidate.condition))
            .collect()
    };
    assert_eq!(
        found("order.created"),
        [(0, Condition::Always), (1, Condition::Evaluate), (2, Condition::Always)]
    );
    assert_eq!(found("order"), [(1, Condition::Evaluate)]);
    assert_eq!(found(""), [(1, Condition::Evaluate)]);
}

#[test]
fn ten_thousand_other_types_are_no_candidates() {
    let selectors: Vec<_> = (0..10_000).map(|n| event_type(&format!("kind.{n}"))).collect();
    let index = index(&selectors);
    assert_eq!(index.len(), 10_000);
    assert!(index.candidates("other").is_empty());
    assert_eq!(index.candidates("kind.77")[0].position, 77);
}
