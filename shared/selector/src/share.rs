//! Finds what the selectors of an index have in common, and gives equal parts
//! one slot.
//!
//! Shared are whole expressions and functions, a function's field, the terms of
//! a bare logical expression, and the leading segments of queries from `$`.
//! Nothing under `@` is, since its answer is one for each node.

use std::collections::HashMap;

use super::field::FieldStep;
use super::function::Function;
use super::jsonpath::{Comparable, Expected, Expression, Logical, Origin, Query, Segment, Step, Term};
use super::memo::Slot;
use super::node::SelectorNode;

/// A part whose result is one for the whole event.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Part<'s> {
    Expression(&'s Expression),
    Function(&'s Function),
    Field(&'s [FieldStep]),
    Logical(&'s Logical),
    Path(Origin, &'s [Segment]),
}

/// Gives slots to the parts that are found under more than one other part, and
/// says how many slots there are.
pub(super) fn share<'s>(selectors: impl Iterator<Item = &'s SelectorNode> + Clone) -> usize {
    let mut found: HashMap<Part<'s>, Found> = HashMap::new();
    let mut slots = 0;
    for selector in selectors.clone() {
        // A part that was met before is known with all that is inside it.
        walk(selector, &mut |part, _| match found.get_mut(&part) {
            None => {
                found.insert(part, Found::Once);
                Inside::Visit
            }
            Some(known) => {
                if let Found::Once = known {
                    *known = Found::Shared(slots);
                    slots += 1;
                }
                Inside::Skip
            }
        });
    }
    for selector in selectors {
        walk(selector, &mut |part, slot| {
            if let Some(Found::Shared(number)) = found.get(&part) {
                slot.set(*number);
            }
            Inside::Visit
        });
    }
    slots as usize
}

enum Found {
    Once,
    Shared(u32),
}

/// Whether the parts inside a part are to be visited.
#[derive(PartialEq, Eq)]
enum Inside {
    Visit,
    Skip,
}

type Visitor<'v, 's> = dyn FnMut(Part<'s>, &'s Slot) -> Inside + 'v;

fn walk<'s>(node: &'s SelectorNode, visitor: &mut Visitor<'_, 's>) {
    match node {
        SelectorNode::EventType(_) => {}
        SelectorNode::JsonPath { expression, slot, .. } => {
            if visitor(Part::Expression(expression), slot) == Inside::Visit {
                match expression {
                    Expression::Query(query) => walk_query(query, visitor),
                    Expression::Logical(logical) => walk_logical(logical, Place::Outside, visitor),
                }
            }
        }
        SelectorNode::Function { function, slot, field } => {
            if visitor(Part::Function(function), slot) == Inside::Visit {
                visitor(Part::Field(function.field.steps()), field);
            }
        }
        SelectorNode::All(parts) | SelectorNode::Any(parts) => {
            for part in parts {
                walk(part, visitor);
            }
        }
        SelectorNode::Not(part) => walk(part, visitor),
    }
}

/// Where a logical expression stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It has one answer for the whole event.
    Outside,
    /// It has one for each node that the filter looks at.
    InFilter,
}

fn walk_logical<'s>(logical: &'s Logical, place: Place, visitor: &mut Visitor<'_, 's>) {
    if place == Place::Outside && visitor(Part::Logical(logical), &logical.slot) == Inside::Skip {
        return;
    }
    match &*logical.term {
        Term::Or(parts) | Term::And(parts) => {
            for part in parts {
                walk_logical(part, place, visitor);
            }
        }
        Term::Not(part) => walk_logical(part, place, visitor),
        Term::Exists(query) => walk_query(query, visitor),
        Term::Compare(_, left, right) => {
            walk_comparable(left, visitor);
            walk_comparable(right, visitor);
        }
        Term::Matches(subject, expected) => {
            walk_comparable(subject, visitor);
            if let Expected::Found(comparable, _) = expected {
                walk_comparable(comparable, visitor);
            }
        }
    }
}

fn walk_comparable<'s>(comparable: &'s Comparable, visitor: &mut Visitor<'_, 's>) {
    match comparable {
        Comparable::Literal(_) => {}
        Comparable::Length(inner) => walk_comparable(inner, visitor),
        Comparable::Singular(query) | Comparable::Count(query) | Comparable::ValueOf(query) => {
            walk_query(query, visitor);
        }
    }
}

/// From the whole path to its first segment: a part of a path is under the next
/// longer part.
fn walk_query<'s>(query: &'s Query, visitor: &mut Visitor<'_, 's>) {
    for length in (1..=query.segments.len()).rev() {
        let Some(path @ [.., last]) = query.segments.get(..length) else { return };
        let is_absolute = query.origin != Origin::Current;
        if is_absolute && visitor(Part::Path(query.origin, path), &last.slot) == Inside::Skip {
            return;
        }
        for step in &last.selectors {
            if let Step::Filter(logical) = step {
                walk_logical(logical, Place::InFilter, visitor);
            }
        }
    }
}
