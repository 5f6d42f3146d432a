//! Estimating how the cost of a selector grows with the event.

use super::super::function::{Function, Predicate};
use super::super::jsonpath::{Comparable, Expected, Expression, Logical, PathQuery, PathStep, Term};
use super::super::node::SelectorNode;

/// The exponent of the cost: 0 if the selector looks at single fields, 1 if it visits the
/// nodes of the event once, 2 if it does so for each node, …
pub(super) fn growth(selector: &SelectorNode) -> u32 {
    match selector {
        SelectorNode::EventType(_) => 0,
        SelectorNode::JsonPath { expression: Expression::Query(query), .. } => of_query(query),
        SelectorNode::JsonPath { expression: Expression::Logical(logical), .. } => of_logical(logical),
        SelectorNode::Function { function, .. } => of_function(function),
        SelectorNode::All(parts) | SelectorNode::Any(parts) => greatest(parts.iter().map(growth)),
        SelectorNode::Not(part) => growth(part),
    }
}

fn of_function(function: &Function) -> u32 {
    match function.predicate {
        Predicate::Contains(_) | Predicate::Matches(_) => 1,
        _ => 0,
    }
}

/// Each segment that can select several nodes multiplies the cost; a filter multiplies it by
/// the cost of its own expression.
fn of_query(query: &PathQuery) -> u32 {
    let mut nodes = 0;
    let mut filters = 0;
    for segment in &query.segments {
        nodes += u32::from(segment.singular_step().is_none());
        for step in &segment.selectors {
            if let PathStep::Filter(logical) = step {
                filters = filters.max(nodes + of_logical(logical));
            }
        }
    }
    filters.max(nodes)
}

fn of_logical(logical: &Logical) -> u32 {
    match &*logical.term {
        Term::Or(parts) | Term::And(parts) => greatest(parts.iter().map(of_logical)),
        Term::Not(part) => of_logical(part),
        Term::Exists(query) => of_query(query),
        Term::Compare(_, left, right) => of_comparable(left).max(of_comparable(right)),
        Term::Matches(subject, Expected::Found(pattern, _)) => {
            1 + of_comparable(subject).max(of_comparable(pattern))
        }
        Term::Matches(subject, _) => 1 + of_comparable(subject),
    }
}

fn of_comparable(comparable: &Comparable) -> u32 {
    match comparable {
        Comparable::Literal(_) => 0,
        Comparable::Singular(query) | Comparable::Count(query) | Comparable::ValueOf(query) => {
            of_query(query)
        }
        Comparable::Length(inner) => of_comparable(inner),
    }
}

fn greatest(growths: impl Iterator<Item = u32>) -> u32 {
    growths.max().unwrap_or(0)
}
