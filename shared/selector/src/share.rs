//! Finding the parts that the selectors of an index share, and giving equal parts one slot.
//!
//! The shared parts are whole expressions and functions, a function's field, the terms of a bare
//! logical expression, and the leading segments of queries from `$`. Nothing under `@` is
//! shared, since it has an answer for each node.

use std::collections::HashMap;

use super::field::FieldStep;
use super::function::Function;
use super::jsonpath::{
    Comparable, Expected, Expression, Logical, PathQuery, PathSegment, PathStep, QueryOrigin, Term,
};
use super::memo::Slot;
use super::node::SelectorNode;

/// A part with one result for the whole event.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum SharedPart<'s> {
    Expression(&'s Expression),
    Function(&'s Function),
    Field(&'s [FieldStep]),
    Logical(&'s Logical),
    Path(QueryOrigin, &'s [PathSegment]),
}

/// Gives slots to the parts that occur under more than one other part. Returns the number of
/// slots.
#[expect(clippy::mutable_key_type, reason = "slots, which change, are no part of equality and hash")]
pub(super) fn share<'s>(selectors: impl Iterator<Item = &'s SelectorNode> + Clone) -> usize {
    let mut found: HashMap<SharedPart<'s>, Occurrence> = HashMap::new();
    let mut slots = 0;
    for selector in selectors.clone() {
        // If a part was met before, all that is inside it is known.
        walk(selector, &mut |part, _| match found.get_mut(&part) {
            None => {
                found.insert(part, Occurrence::Once);
                Descent::Visit
            }
            Some(known) => {
                if let Occurrence::Once = known {
                    *known = Occurrence::Shared(slots);
                    slots += 1;
                }
                Descent::Skip
            }
        });
    }
    for selector in selectors {
        walk(selector, &mut |part, slot| {
            if let Some(Occurrence::Shared(number)) = found.get(&part) {
                slot.set(*number);
            }
            Descent::Visit
        });
    }
    slots as usize
}

enum Occurrence {
    Once,
    Shared(u32),
}

/// Whether the parts inside a part are visited.
#[derive(PartialEq, Eq)]
enum Descent {
    Visit,
    Skip,
}

type Visitor<'v, 's> = dyn FnMut(SharedPart<'s>, &'s Slot) -> Descent + 'v;

fn walk<'s>(node: &'s SelectorNode, visitor: &mut Visitor<'_, 's>) {
    match node {
        SelectorNode::EventType(_) => {}
        SelectorNode::JsonPath { expression, slot, .. } => {
            if visitor(SharedPart::Expression(expression), slot) == Descent::Visit {
                match expression {
                    Expression::Query(query) => walk_query(query, visitor),
                    Expression::Logical(logical) => walk_logical(logical, Surroundings::Outside, visitor),
                }
            }
        }
        SelectorNode::Function { function, slot, field } => {
            if visitor(SharedPart::Function(function), slot) == Descent::Visit {
                visitor(SharedPart::Field(function.field.steps()), field);
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

/// Where a logical expression is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Surroundings {
    /// It has one answer for the whole event.
    Outside,
    /// It has one for each node that the filter looks at.
    InFilter,
}

fn walk_logical<'s>(logical: &'s Logical, place: Surroundings, visitor: &mut Visitor<'_, 's>) {
    if place == Surroundings::Outside && visitor(SharedPart::Logical(logical), &logical.slot) == Descent::Skip
    {
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

/// Visits the whole path first and its first segment last, since a part of a path is under the
/// next longer part.
fn walk_query<'s>(query: &'s PathQuery, visitor: &mut Visitor<'_, 's>) {
    for length in (1..=query.segments.len()).rev() {
        let Some(path @ [.., last]) = query.segments.get(..length) else { return };
        let is_absolute = query.origin != QueryOrigin::Current;
        if is_absolute && visitor(SharedPart::Path(query.origin, path), &last.slot) == Descent::Skip {
            return;
        }
        for step in &last.selectors {
            if let PathStep::Filter(logical) = step {
                walk_logical(logical, Surroundings::InFilter, visitor);
            }
        }
    }
}
