//! Explanations why an event is or is not wanted, for people.

use super::budget::{Exhausted, StepBudget};
use super::compiled::{CompiledSelector, judge};
use super::function::Function;
use super::json::{Shape, Value};
use super::node::SelectorNode;
use super::{EventView, Verdict};

/// A verdict with the part of the selector that decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The answer.
    pub verdict: Verdict,
    /// JSON Pointer to the part of the selector that decided it.
    pub pointer: String,
    /// What that part found in the event, for people.
    pub reason: String,
}

/// Longer values are cut.
const SHOWN_MAX: usize = 80;

impl CompiledSelector {
    /// Judges one event and explains the verdict. The reason is found with the steps of the
    /// view's budget that the verdict left.
    pub fn explain(&self, event: &mut EventView<'_>) -> Explanation {
        if !self.may_want(event.event_type()) {
            let reason = NOT_NAMED.to_owned();
            return Explanation { verdict: Verdict::NoMatch, pointer: String::new(), reason };
        }
        let verdict = self.evaluate(event);
        let mut budget = event.event_budget();
        let given = budget.left();
        let explanation = explain(self.root(), event, &mut budget, String::new());
        event.charge(given, &budget);
        if explanation.verdict == verdict {
            return explanation;
        }
        Explanation { verdict, pointer: String::new(), reason: UNEXPLAINED.to_owned() }
    }
}

const NOT_NAMED: &str = "it is an event of Sluice itself, which only a selector that names `sluice.` wants";
const UNDECIDED: &str = "it could not be judged within its budget of steps";
const UNEXPLAINED: &str = "judging it took so many steps that none are left to say why";

fn explain(
    node: &SelectorNode,
    event: &mut EventView<'_>,
    budget: &mut StepBudget,
    pointer: String,
) -> Explanation {
    match node {
        SelectorNode::All(parts) => {
            list(node, parts, Verdict::NoMatch, "every part holds", event, budget, &pointer)
        }
        SelectorNode::Any(parts) => {
            list(node, parts, Verdict::Match, "no part holds", event, budget, &pointer)
        }
        SelectorNode::Not(part) => {
            let inner = explain(part, event, budget, format!("{pointer}/of"));
            let verdict = judge(node, event, budget);
            Explanation { verdict, reason: format!("not: {}", inner.reason), pointer: inner.pointer }
        }
        SelectorNode::EventType(pattern) => {
            let verdict = judge(node, event, budget);
            let kind = if event.event_type().is_empty() { "(none)" } else { event.event_type() };
            let fits = if verdict == Verdict::Match { "fits" } else { "does not fit" };
            let reason = format!("the event type {kind} {fits} {}", pattern.as_str());
            Explanation { verdict, pointer, reason }
        }
        SelectorNode::JsonPath { .. } => {
            let verdict = judge(node, event, budget);
            let reason = match verdict {
                Verdict::Match => "the expression selects something",
                Verdict::NoMatch => "the expression selects nothing",
                Verdict::Undecided => UNDECIDED,
            };
            Explanation { verdict, pointer, reason: reason.to_owned() }
        }
        SelectorNode::Function { function, .. } => {
            let verdict = judge(node, event, budget);
            let reason = function_reason(function, verdict, event, budget);
            Explanation { verdict, pointer, reason }
        }
    }
}

/// The first part that decides the list, else the list itself.
fn list(
    node: &SelectorNode,
    parts: &[SelectorNode],
    settling: Verdict,
    otherwise: &str,
    event: &mut EventView<'_>,
    budget: &mut StepBudget,
    pointer: &str,
) -> Explanation {
    let verdict = judge(node, event, budget);
    if verdict == settling || verdict == Verdict::Undecided {
        for (index, part) in parts.iter().enumerate() {
            let part = explain(part, event, budget, format!("{pointer}/of/{index}"));
            if part.verdict == verdict {
                return part;
            }
        }
    }
    let reason = if verdict == Verdict::Undecided { UNDECIDED } else { otherwise };
    Explanation { verdict, pointer: format!("{pointer}/of"), reason: reason.to_owned() }
}

fn function_reason(
    function: &Function,
    verdict: Verdict,
    event: &mut EventView<'_>,
    budget: &mut StepBudget,
) -> String {
    let (field, operator) = (function.field.as_str(), function.operator.name());
    let found = match event.opened().map(|opened| function.field.find(opened.json.payload, budget)) {
        None | Some(Err(Exhausted)) => return UNDECIDED.to_owned(),
        Some(Ok(None)) => return format!("the payload has no {field} ({operator})"),
        Some(Ok(Some(value))) => describe(value),
    };
    let holds = if verdict == Verdict::Match { "holds" } else { "does not hold" };
    let operand = function.operand.as_deref().map(|text| format!(" {}", shown(text))).unwrap_or_default();
    format!("{field} is {found}: {operator}{operand} {holds}")
}

fn describe(value: Value<'_>) -> String {
    match value.shape() {
        Shape::Null => "null".to_owned(),
        Shape::Boolean(value) => value.to_string(),
        Shape::Number(text) => shown(text),
        Shape::String(text) => format!("{:?}", shown(text)),
        Shape::Array(len) => format!("an array of {len}"),
        Shape::Object(len) => format!("an object of {len}"),
    }
}

fn shown(text: &str) -> String {
    let end = text.floor_char_boundary(SHOWN_MAX);
    if end < text.len() { format!("{}…", &text[..end]) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MatchScratch, Selector};

    fn why(selector: &str, kind: &str, payload: &str) -> (Verdict, String, String) {
        let selector = Selector::parse(selector).unwrap();
        let envelope = format!(r#"{{"payload":{payload}}}"#);
        let mut scratch = MatchScratch::default();
        let explained = selector.compiled().explain(&mut scratch.view(kind, envelope.as_bytes()));
        let verdict = selector.compiled().evaluate(&mut scratch.view(kind, envelope.as_bytes()));
        assert_eq!(explained.verdict, verdict);
        (verdict, explained.pointer, explained.reason)
    }

    #[test]
    fn the_part_that_settles_it_is_named_with_what_it_found() {
        let selector = r#"{"type":"all","of":[{"type":"event_type","value":"order.*"},
            {"type":"any","of":[{"type":"custom","function":{"field":"amount","operator":"greater_than","value":100}},
                                {"type":"jsonpath","expression":"$.vip"}]},
            {"type":"not","of":{"type":"custom","function":{"field":"test","operator":"exists"}}}]}"#;
        let no = |kind, payload| {
            let (verdict, pointer, reason) = why(selector, kind, payload);
            assert_eq!(verdict, Verdict::NoMatch);
            (pointer, reason)
        };
        let (pointer, reason) = no("cart.made", "{}");
        assert_eq!((&*pointer, &*reason), ("/of/0", "the event type cart.made does not fit order.*"));
        let (pointer, reason) = no("order.made", r#"{"amount":5}"#);
        assert_eq!((&*pointer, &*reason), ("/of/1/of", "no part holds"));
        let (pointer, reason) = no("order.made", r#"{"amount":500,"test":1}"#);
        assert_eq!((&*pointer, &*reason), ("/of/2/of", "not: test is 1: exists holds"));
        let (verdict, pointer, _) = why(selector, "order.made", r#"{"amount":500}"#);
        assert_eq!((verdict, &*pointer), (Verdict::Match, "/of"));
    }

    #[test]
    fn a_field_that_is_missing_or_long_is_said_so() {
        let reason = |payload: &str| {
            why(r#"{"type":"custom","function":{"field":"a.b","operator":"equals","value":1}}"#, "", payload)
                .2
        };
        assert_eq!(reason("{}"), "the payload has no a.b (equals)");
        assert_eq!(reason(r#"{"a":{"b":2}}"#), "a.b is 2: equals 1 does not hold");
        assert!(reason(&format!(r#"{{"a":{{"b":"{}"}}}}"#, "ä".repeat(1000))).len() < 200);
    }
}
