//! What an event must have for a selector to match, as far as single fields
//! tell: the keys by which an index finds the selector.

use super::super::field::FieldStep;
use super::super::function::{Function, Operator, Predicate};
use super::super::json::{Shape, Value};
use super::super::jsonpath::{
    Comparable, Comparison, Expected, Expression, Literal, Logical, Origin, Query, Step, Term,
};
use super::super::node::SelectorNode;
use super::super::number;

/// An event that has none of the keys does not match.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    pub(super) keys: Vec<Key>,
    pub(super) strength: Strength,
}

/// What follows for an event that has one of a guard's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    /// The selector matches.
    Settles,
    /// The selector must be evaluated.
    Admits,
}

/// A field, and what the event must have there.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) start: Start,
    pub(super) path: Vec<KeyStep>,
    pub(super) wanted: Wanted,
}

/// Where a key's path starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Payload,
    /// The first step is the payload's member or else the envelope's.
    PayloadOrEvent,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyStep {
    /// An object's member.
    Name(Box<str>),
    /// An array's element, counted from the end if negative.
    Index(i64),
}

#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// Any value.
    Exists,
    Null,
    Boolean(bool),
    /// As [`number::write_canonical`] has it.
    Number(Box<str>),
    String(Box<str>),
}

/// Steps of one field that may name a member as well as an element: each
/// doubles the paths that are indexed.
const AMBIGUOUS_STEPS_MAX: usize = 3;

/// The guard of a selector, if it has one.
pub(super) fn guard(selector: &SelectorNode) -> Option<Guard> {
    match selector {
        SelectorNode::EventType(_) | SelectorNode::Not(_) => None,
        SelectorNode::JsonPath { expression: Expression::Query(query), .. } => of_query(query),
        SelectorNode::JsonPath { expression: Expression::Logical(logical), .. } => of_logical(logical),
        SelectorNode::Function { function, .. } => of_function(function),
        SelectorNode::All(parts) => all(parts.iter().map(guard)),
        SelectorNode::Any(parts) => any(parts.iter().map(guard)),
    }
}

/// All parts must hold, so the guard of any one of them will do: the best is
/// one for few values.
fn all(guards: impl Iterator<Item = Option<Guard>>) -> Option<Guard> {
    let mut best: Option<Guard> = None;
    let mut parts = 0;
    for guard in guards {
        parts += 1;
        if let Some(guard) = guard
            && best.as_ref().is_none_or(|best| guard.breadth() < best.breadth())
        {
            best = Some(guard);
        }
    }
    let best = best?;
    let strength = if parts == 1 { best.strength } else { Strength::Admits };
    Some(Guard { strength, ..best })
}

/// One part must hold, so all of them must have guards.
fn any(guards: impl Iterator<Item = Option<Guard>>) -> Option<Guard> {
    let guards: Vec<Guard> = guards.collect::<Option<_>>()?;
    let strength = guards.iter().map(|guard| guard.strength).max()?;
    let keys = guards.into_iter().flat_map(|guard| guard.keys).collect();
    Some(Guard { keys, strength })
}

impl Guard {
    /// Fields that must merely exist are the broadest keys.
    fn breadth(&self) -> (bool, usize) {
        (self.keys.iter().any(|key| matches!(key.wanted, Wanted::Exists)), self.keys.len())
    }
}

fn one(key: Option<Key>, strength: Strength) -> Option<Guard> {
    key.map(|key| Guard { keys: vec![key], strength })
}

/// A query that selects anything passes through the nodes of its leading
/// segments.
fn of_query(query: &Query) -> Option<Guard> {
    let singular = query.segments.iter().take_while(|segment| segment.singular_step().is_some()).count();
    let strength = if singular == query.segments.len() { Strength::Settles } else { Strength::Admits };
    if singular == 0 {
        return None;
    }
    one(key_of(query, singular, Wanted::Exists), strength)
}

fn of_logical(logical: &Logical) -> Option<Guard> {
    match &*logical.term {
        Term::Or(parts) => any(parts.iter().map(of_logical)),
        Term::And(parts) => all(parts.iter().map(of_logical)),
        Term::Not(_) => None,
        Term::Exists(query) => of_query(query),
        Term::Compare(comparison, Comparable::Singular(query), Comparable::Literal(literal))
        | Term::Compare(comparison, Comparable::Literal(literal), Comparable::Singular(query)) => {
            of_comparison(*comparison, query, literal)
        }
        Term::Matches(Comparable::Singular(query), Expected::Pattern(_)) => exists(query),
        Term::Compare(..) | Term::Matches(..) => None,
    }
}

/// Nothing is neither equal to a literal nor less nor greater; it is unequal.
fn of_comparison(comparison: Comparison, query: &Query, literal: &Literal) -> Option<Guard> {
    match comparison {
        Comparison::NotEqual => None,
        Comparison::Equal => {
            let wanted = match literal {
                Literal::Null => Wanted::Null,
                Literal::Boolean(value) => Wanted::Boolean(*value),
                Literal::Number(text) => number(text),
                Literal::String(text) => Wanted::String(text.clone()),
            };
            one(key_of(query, query.segments.len(), wanted), Strength::Settles)
        }
        Comparison::Less | Comparison::LessOrEqual | Comparison::Greater | Comparison::GreaterOrEqual => {
            exists(query)
        }
    }
}

fn exists(query: &Query) -> Option<Guard> {
    one(key_of(query, query.segments.len(), Wanted::Exists), Strength::Admits)
}

/// The key of a query's first `length` segments, each of which selects one node
/// at most.
fn key_of(query: &Query, length: usize, wanted: Wanted) -> Option<Key> {
    let start = match query.origin {
        Origin::Root => Start::Payload,
        Origin::RootOrEvent => Start::PayloadOrEvent,
        Origin::Current => return None,
    };
    let steps = query.segments.iter().take(length).map(|segment| match segment.singular_step() {
        Some(Step::Name(name)) => Some(KeyStep::Name(name.clone())),
        Some(Step::Index(index)) => Some(KeyStep::Index(*index)),
        _ => None,
    });
    Some(Key { start, path: steps.collect::<Option<_>>()?, wanted })
}

fn of_function(function: &Function) -> Option<Guard> {
    if matches!(function.operator, Operator::NotEquals | Operator::NotIn | Operator::NotExists) {
        return None;
    }
    let (wanted, strength) = match &function.predicate {
        Predicate::Exists => (vec![Wanted::Exists], Strength::Settles),
        Predicate::Equals(constant) => wanted_values(std::iter::once(constant.value())),
        Predicate::In(list) => wanted_values(list.values()),
        Predicate::Order(_)
        | Predicate::Contains(_)
        | Predicate::StartsWith(_)
        | Predicate::EndsWith(_)
        | Predicate::Matches(_) => (vec![Wanted::Exists], Strength::Admits),
    };
    let paths = paths(function.field.steps())?;
    let keys = paths.iter().flat_map(|path| {
        wanted.iter().map(|wanted| Key { start: Start::Payload, path: path.clone(), wanted: wanted.clone() })
    });
    Some(Guard { keys: keys.collect(), strength })
}

/// Arrays and objects are no keys: the field must exist, and be evaluated.
fn wanted_values<'v>(values: impl Iterator<Item = Value<'v>>) -> (Vec<Wanted>, Strength) {
    let scalars = values.map(|value| match value.shape() {
        Shape::Null => Some(Wanted::Null),
        Shape::Boolean(value) => Some(Wanted::Boolean(value)),
        Shape::Number(text) => Some(number(text)),
        Shape::String(text) => Some(Wanted::String(text.into())),
        Shape::Array(_) | Shape::Object(_) => None,
    });
    match scalars.collect::<Option<Vec<_>>>() {
        Some(scalars) => (scalars, Strength::Settles),
        None => (vec![Wanted::Exists], Strength::Admits),
    }
}

/// A step such as `0` names a member of an object and an element of an array.
fn paths(steps: &[FieldStep]) -> Option<Vec<Vec<KeyStep>>> {
    if steps.iter().filter(|step| step.index.is_some()).count() > AMBIGUOUS_STEPS_MAX {
        return None;
    }
    let mut paths = vec![Vec::new()];
    for step in steps {
        let index = step.index.and_then(|index| i64::try_from(index).ok()).map(KeyStep::Index);
        let extended = index.map(|index| {
            let by_index = paths.iter().cloned().map(|mut path: Vec<KeyStep>| {
                path.push(index.clone());
                path
            });
            by_index.collect::<Vec<_>>()
        });
        for path in &mut paths {
            path.push(KeyStep::Name(step.name.clone()));
        }
        paths.extend(extended.into_iter().flatten());
    }
    Some(paths)
}

fn number(text: &str) -> Wanted {
    let mut canonical = String::new();
    number::write_canonical(text, &mut canonical);
    Wanted::Number(canonical.into())
}
