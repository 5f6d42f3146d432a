//! JSONPath (RFC 9535) over the tape.
//!
//! This is our own evaluator rather than `serde_json_path`, which needs a second parse into
//! `serde_json::Value` (3 to 4 times the tape's cost), overflows the stack on 1,024 parentheses,
//! recompiles the regular expressions of `match` and `search` for each node, and cannot be
//! stopped half-way through `$[?count($..*) > 3]`. It is the oracle of our tests, beside the
//! RFC's compliance suite.

mod evaluate;
mod parse;
mod slice;

use super::memo::Slot;
use super::pattern::{Extent, Pattern};

pub(super) use evaluate::Evaluation;
pub(super) use parse::parse;
pub(super) use slice::element_position;

/// A checked expression.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Expression {
    /// A query over the payload: true if it selects anything.
    Query(PathQuery),
    /// A bare logical expression, in which `@` occurs only inside filters.
    Logical(Logical),
}

/// A query from `$` or `@`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct PathQuery {
    pub(super) origin: QueryOrigin,
    pub(super) segments: Vec<PathSegment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum QueryOrigin {
    /// `$`: the payload.
    Root,
    /// `$` and then a name, in a bare logical expression: the payload's member, else the event's
    /// field of that name.
    RootOrEvent,
    /// `@`: the node to which the filter applies.
    Current,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct PathSegment {
    /// Whether it applies to the node and all its descendants rather than to the node alone.
    descendant: bool,
    pub(super) selectors: Vec<PathStep>,
    /// The nodes that the query selects up to and including this segment.
    pub(super) slot: Slot,
}

/// RFC 9535's selectors, under another name because selectors are something else here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum PathStep {
    Name(Box<str>),
    Wildcard,
    Index(i64),
    Slice { start: Option<i64>, end: Option<i64>, step: i64 },
    Filter(Logical),
}

/// A logical expression.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Logical {
    /// Boxed to keep the parser's frames small.
    pub(super) term: Box<Term>,
    /// Used only outside filters, where the whole event has one answer.
    pub(super) slot: Slot,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Term {
    Or(Vec<Logical>),
    And(Vec<Logical>),
    Not(Logical),
    Exists(PathQuery),
    Compare(CompareOperator, Comparable, Comparable),
    Matches(Comparable, Expected),
}

impl From<Term> for Logical {
    fn from(term: Term) -> Self {
        Self { term: Box::new(term), slot: Slot::default() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum CompareOperator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// An operand of a comparison, which has one value or none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Comparable {
    Literal(Literal),
    /// A query that can select at most one node.
    Singular(PathQuery),
    Length(Box<Comparable>),
    Count(PathQuery),
    /// The value of the only node, if there is exactly one.
    ValueOf(PathQuery),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Literal {
    Null,
    Boolean(bool),
    /// As written.
    Number(Box<str>),
    String(Box<str>),
}

/// The second argument of `match` and `search`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Expected {
    Pattern(Pattern),
    /// A literal that is not a string, which matches nothing.
    Nothing,
    /// A pattern from the payload, compiled when it is met.
    Found(Comparable, Extent),
}

impl PathQuery {
    /// True if the query can select at most one node.
    fn is_singular(&self) -> bool {
        self.segments.iter().all(|segment| segment.singular_step().is_some())
    }
}

impl PathSegment {
    fn new(descendant: bool, selectors: Vec<PathStep>) -> Self {
        Self { descendant, selectors, slot: Slot::default() }
    }

    /// The only step, if it selects at most one node.
    pub(super) fn singular_step(&self) -> Option<&PathStep> {
        match self.selectors.as_slice() {
            [step @ (PathStep::Name(_) | PathStep::Index(_))] if !self.descendant => Some(step),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
