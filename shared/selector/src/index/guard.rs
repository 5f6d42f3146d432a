//! Guards: a selector's necessary condition on single fields. An index finds the
//! selector by it.

use super::super::field::FieldStep;
use super::super::function::{Function, Operator, Predicate};
use super::super::json::{Shape, Value};
use super::super::jsonpath::{
    Comparable, CompareOperator, Expected, Expression, Literal, Logical, PathQuery, PathStep, QueryOrigin,
    Term,
};
use super::super::node::SelectorNode;
use super::super::number;

/// An event that meets none of the keys does not match.
#[derive(Debug, Clone)]
pub(super) struct KeyGuard {
    pub(super) keys: Vec<FieldKey>,
    pub(super) strength: Strength,
}

/// What follows if the event meets one of the guard's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    /// The selector matches.
    Settles,
    /// The selector must be evaluated.
    Admits,
}

/// A field, and the value that the event must have there.
#[derive(Debug, Clone)]
pub(super) struct FieldKey {
    pub(super) start: KeyStart,
    pub(super) path: Vec<KeyStep>,
    pub(super) wanted: WantedValue,
}

/// Where the path of a key begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyStart {
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
pub(super) enum WantedValue {
    /// Any value.
    Exists,
    Null,
    Boolean(bool),
    /// A number, as written by [`number::write_canonical`].
    Number(Box<str>),
    String(Box<str>),
}

/// How many steps of one field may name a member as well as an element: each doubles the
/// indexed paths.
const AMBIGUOUS_STEPS_MAX: usize = 3;

/// The guard of a selector, if it has one.
pub(super) fn guard(selector: &SelectorNode) -> Option<KeyGuard> {
    match selector {
        SelectorNode::EventType(_) | SelectorNode::Not(_) => None,
        SelectorNode::JsonPath { expression: Expression::Query(query), .. } => of_query(query),
        SelectorNode::JsonPath { expression: Expression::Logical(logical), .. } => of_logical(logical),
        SelectorNode::Function { function, .. } => of_function(function),
        SelectorNode::All(parts) => all(parts.iter().map(guard)),
        SelectorNode::Any(parts) => any(parts.iter().map(guard)),
    }
}

/// All parts must hold, so the guard of any one of them suffices; the best is one for few
/// values.
fn all(guards: impl Iterator<Item = Option<KeyGuard>>) -> Option<KeyGuard> {
    let mut best: Option<KeyGuard> = None;
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
    Some(KeyGuard { strength, ..best })
}

/// One part must hold, so all of them must have guards.
fn any(guards: impl Iterator<Item = Option<KeyGuard>>) -> Option<KeyGuard> {
    let guards: Vec<KeyGuard> = guards.collect::<Option<_>>()?;
    let strength = guards.iter().map(|guard| guard.strength).max()?;
    let keys = guards.into_iter().flat_map(|guard| guard.keys).collect();
    Some(KeyGuard { keys, strength })
}

impl KeyGuard {
    /// Fields that must merely exist are the broadest keys.
    fn breadth(&self) -> (bool, usize) {
        (self.keys.iter().any(|key| matches!(key.wanted, WantedValue::Exists)), self.keys.len())
    }
}

fn one(key: Option<FieldKey>, strength: Strength) -> Option<KeyGuard> {
    key.map(|key| KeyGuard { keys: vec![key], strength })
}

/// A query that selects anything passes through the nodes of its leading segments.
fn of_query(query: &PathQuery) -> Option<KeyGuard> {
    let singular = query.segments.iter().take_while(|segment| segment.singular_step().is_some()).count();
    let strength = if singular == query.segments.len() { Strength::Settles } else { Strength::Admits };
    if singular == 0 {
        return None;
    }
    one(key_of(query, singular, WantedValue::Exists), strength)
}

fn of_logical(logical: &Logical) -> Option<KeyGuard> {
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

/// A missing value is neither equal to, less than nor greater than a literal; it is unequal.
fn of_comparison(comparison: CompareOperator, query: &PathQuery, literal: &Literal) -> Option<KeyGuard> {
    match comparison {
        CompareOperator::NotEqual => None,
        CompareOperator::Equal => {
            let wanted = match literal {
                Literal::Null => WantedValue::Null,
                Literal::Boolean(value) => WantedValue::Boolean(*value),
                Literal::Number(text) => number(text),
                Literal::String(text) => WantedValue::String(text.clone()),
            };
            one(key_of(query, query.segments.len(), wanted), Strength::Settles)
        }
        CompareOperator::Less
        | CompareOperator::LessOrEqual
        | CompareOperator::Greater
        | CompareOperator::GreaterOrEqual => exists(query),
    }
}

fn exists(query: &PathQuery) -> Option<KeyGuard> {
    one(key_of(query, query.segments.len(), WantedValue::Exists), Strength::Admits)
}

/// The key of a query's first `length` segments, each of which selects at most one node.
fn key_of(query: &PathQuery, length: usize, wanted: WantedValue) -> Option<FieldKey> {
    let start = match query.origin {
        QueryOrigin::Root => KeyStart::Payload,
        QueryOrigin::RootOrEvent => KeyStart::PayloadOrEvent,
        QueryOrigin::Current => return None,
    };
    let steps = query.segments.iter().take(length).map(|segment| match segment.singular_step() {
        Some(PathStep::Name(name)) => Some(KeyStep::Name(name.clone())),
        Some(PathStep::Index(index)) => Some(KeyStep::Index(*index)),
        _ => None,
    });
    Some(FieldKey { start, path: steps.collect::<Option<_>>()?, wanted })
}

fn of_function(function: &Function) -> Option<KeyGuard> {
    if matches!(function.operator, Operator::NotEquals | Operator::NotIn | Operator::NotExists) {
        return None;
    }
    let (wanted, strength) = match &function.predicate {
        Predicate::Exists => (vec![WantedValue::Exists], Strength::Settles),
        Predicate::Equals(constant) => wanted_values(std::iter::once(constant.value())),
        Predicate::In(list) => wanted_values(list.values()),
        Predicate::Order(_)
        | Predicate::Contains(_)
        | Predicate::StartsWith(_)
        | Predicate::EndsWith(_)
        | Predicate::Matches(_) => (vec![WantedValue::Exists], Strength::Admits),
    };
    let paths = paths(function.field.steps())?;
    let keys = paths.iter().flat_map(|path| {
        wanted.iter().map(|wanted| FieldKey {
            start: KeyStart::Payload,
            path: path.clone(),
            wanted: wanted.clone(),
        })
    });
    Some(KeyGuard { keys: keys.collect(), strength })
}

/// An array or object cannot be a key: its field must exist, and the selector is evaluated.
fn wanted_values<'v>(values: impl Iterator<Item = Value<'v>>) -> (Vec<WantedValue>, Strength) {
    let scalars = values.map(|value| match value.shape() {
        Shape::Null => Some(WantedValue::Null),
        Shape::Boolean(value) => Some(WantedValue::Boolean(value)),
        Shape::Number(text) => Some(number(text)),
        Shape::String(text) => Some(WantedValue::String(text.into())),
        Shape::Array(_) | Shape::Object(_) => None,
    });
    match scalars.collect::<Option<Vec<_>>>() {
        Some(scalars) => (scalars, Strength::Settles),
        None => (vec![WantedValue::Exists], Strength::Admits),
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

fn number(text: &str) -> WantedValue {
    let mut canonical = String::new();
    number::write_canonical(text, &mut canonical);
    WantedValue::Number(canonical.into())
}
