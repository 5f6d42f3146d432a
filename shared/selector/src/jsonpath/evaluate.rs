//! Runs a checked expression against one event, within a budget.
//!
//! Recursion: one frame or two for each segment and parenthesis of the
//! expression, which its length bounds; never one for each level of the
//! payload, whose subtrees are ranges of the tape.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use super::super::budget::{Budget, Exhausted};
use super::super::compare;
use super::super::event::EventJson;
use super::super::json::{Shape, Value};
use super::super::pattern::{Extent, Pattern, PatternFault};
use super::slice::{Bounds, position};
use super::{Comparable, Comparison, Expected, Expression, Literal, Logical, Origin, Query, Segment, Step};

/// Steps that compiling a pattern found in a payload costs: some 0.1 ms.
const COMPILE_STEPS: usize = 20_000;

/// Bytes of a pattern found in a payload, as written and compiled.
const FOUND_PATTERN_BYTES_MAX: usize = 256;
const FOUND_PATTERN_COMPILED_BYTES_MAX: usize = 16 * 1024;

/// Why a visit ends before all nodes are seen.
enum Stop {
    Enough,
    Exhausted,
}

type Visit = ControlFlow<Stop>;

impl From<Exhausted> for Stop {
    fn from(_: Exhausted) -> Self {
        Self::Exhausted
    }
}

/// One run of an expression.
pub(in super::super) struct Evaluation<'v, 'b> {
    event: EventJson<'v>,
    budget: &'b mut Budget,
    /// The last pattern found in the payload; `None` inside if it is invalid.
    found_pattern: Option<(&'v str, Extent, Option<Pattern>)>,
}

/// What a comparable yields.
enum Yield<'v, 'q> {
    Nothing,
    Node(Value<'v>),
    Scalar(Shape<'q>),
    Number(String),
}

impl Yield<'_, '_> {
    fn shape(&self) -> Option<Shape<'_>> {
        match self {
            Self::Nothing => None,
            Self::Node(value) => Some(value.shape()),
            Self::Scalar(shape) => Some(*shape),
            Self::Number(text) => Some(Shape::Number(text)),
        }
    }
}

impl<'v, 'b> Evaluation<'v, 'b> {
    pub(in super::super) fn new(event: EventJson<'v>, budget: &'b mut Budget) -> Self {
        Self { event, budget, found_pattern: None }
    }

    /// True if the query selects anything, or the logical expression holds.
    pub(in super::super) fn run(&mut self, expression: &Expression) -> Result<bool, Exhausted> {
        match expression {
            Expression::Query(query) => self.selects(query, self.event.payload),
            Expression::Logical(logical) => self.holds(logical, self.event.payload),
        }
    }

    /// Every node that a query selects, in order.
    #[cfg(test)]
    pub(super) fn select(&mut self, query: &Query) -> Result<Vec<Value<'v>>, Exhausted> {
        let mut nodes = Vec::new();
        self.each(query, self.event.payload, &mut |node| {
            nodes.push(node);
            ControlFlow::Continue(())
        })?;
        Ok(nodes)
    }

    fn holds(&mut self, logical: &Logical, current: Value<'v>) -> Result<bool, Exhausted> {
        self.budget.spend(1)?;
        match logical {
            Logical::Or(terms) => {
                for term in terms {
                    if self.holds(term, current)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Logical::And(terms) => {
                for term in terms {
                    if !self.holds(term, current)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Logical::Not(term) => Ok(!self.holds(term, current)?),
            Logical::Exists(query) => self.selects(query, current),
            Logical::Compare(comparison, left, right) => {
                let left = self.yielded(left, current)?;
                let right = self.yielded(right, current)?;
                self.compare(*comparison, &left, &right)
            }
            Logical::Matches(subject, expected) => {
                let subject = self.yielded(subject, current)?;
                self.matches(&subject, expected, current)
            }
        }
    }

    fn selects(&mut self, query: &Query, current: Value<'v>) -> Result<bool, Exhausted> {
        let mut any = false;
        self.each(query, current, &mut |_| {
            any = true;
            ControlFlow::Break(Stop::Enough)
        })?;
        Ok(any)
    }

    fn yielded<'q>(
        &mut self,
        comparable: &'q Comparable,
        current: Value<'v>,
    ) -> Result<Yield<'v, 'q>, Exhausted> {
        let node = |found: Option<_>| found.map_or(Yield::Nothing, Yield::Node);
        Ok(match comparable {
            Comparable::Literal(literal) => Yield::Scalar(literal.shape()),
            Comparable::Singular(query) => {
                let (origin, segments) = self.origin(query, current)?;
                let (found, _) = self.singular_prefix(segments, origin)?;
                node(found)
            }
            Comparable::Length(of) => match self.yielded(of, current)?.shape() {
                Some(Shape::String(text)) => {
                    self.budget.spend_bytes(text.len())?;
                    Yield::Number(text.chars().count().to_string())
                }
                Some(Shape::Array(count) | Shape::Object(count)) => Yield::Number(count.to_string()),
                _ => Yield::Nothing,
            },
            Comparable::Count(query) => {
                let mut count = 0_usize;
                self.each(query, current, &mut |_| {
                    count += 1;
                    ControlFlow::Continue(())
                })?;
                Yield::Number(count.to_string())
            }
            Comparable::ValueOf(query) => {
                let (mut first, mut second) = (None, false);
                self.each(query, current, &mut |value| {
                    second = first.is_some();
                    first = Some(value);
                    if second { ControlFlow::Break(Stop::Enough) } else { ControlFlow::Continue(()) }
                })?;
                node(first.filter(|_| !second))
            }
        })
    }

    fn compare(
        &mut self,
        comparison: Comparison,
        left: &Yield<'_, '_>,
        right: &Yield<'_, '_>,
    ) -> Result<bool, Exhausted> {
        match comparison {
            Comparison::Equal => self.equal(left, right),
            Comparison::NotEqual => Ok(!self.equal(left, right)?),
            Comparison::Less => self.less(left, right),
            Comparison::Greater => self.less(right, left),
            Comparison::LessOrEqual => Ok(self.less(left, right)? || self.equal(left, right)?),
            Comparison::GreaterOrEqual => Ok(self.less(right, left)? || self.equal(left, right)?),
        }
    }

    /// Nothing equals nothing, and nothing else.
    fn equal(&mut self, left: &Yield<'_, '_>, right: &Yield<'_, '_>) -> Result<bool, Exhausted> {
        match (left, right) {
            (Yield::Node(left), Yield::Node(right)) => compare::equal(*left, *right, self.budget),
            _ => match (left.shape(), right.shape()) {
                (Some(left), Some(right)) => compare::scalars_equal(left, right, self.budget),
                (None, None) => Ok(true),
                _ => Ok(false),
            },
        }
    }

    fn less(&mut self, left: &Yield<'_, '_>, right: &Yield<'_, '_>) -> Result<bool, Exhausted> {
        match (left.shape(), right.shape()) {
            (Some(left), Some(right)) => {
                Ok(compare::order(left, right, self.budget)? == Some(Ordering::Less))
            }
            _ => Ok(false),
        }
    }

    fn matches(
        &mut self,
        subject: &Yield<'_, '_>,
        expected: &Expected,
        current: Value<'v>,
    ) -> Result<bool, Exhausted> {
        let Some(Shape::String(text)) = subject.shape() else { return Ok(false) };
        match expected {
            Expected::Nothing => Ok(false),
            Expected::Pattern(pattern) => pattern.is_match(text, self.budget),
            Expected::Found(comparable, extent) => match self.yielded(comparable, current)? {
                Yield::Node(node) => match node.as_str() {
                    Some(source) => self.matches_found(text, source, *extent),
                    None => Ok(false),
                },
                _ => Ok(false),
            },
        }
    }

    /// An invalid pattern matches nothing (RFC 9535, 2.4.6); one too large to
    /// be tried has no answer.
    fn matches_found(&mut self, text: &str, source: &'v str, extent: Extent) -> Result<bool, Exhausted> {
        let is_known =
            matches!(&self.found_pattern, Some((known, of, _)) if *known == source && *of == extent);
        if !is_known {
            self.budget.spend(COMPILE_STEPS)?;
            if source.len() > FOUND_PATTERN_BYTES_MAX {
                return Err(Exhausted);
            }
            let pattern = match Pattern::compile_i_regexp(source, extent, FOUND_PATTERN_COMPILED_BYTES_MAX) {
                Ok(pattern) => Some(pattern),
                Err(PatternFault::Invalid(_)) => None,
                Err(PatternFault::TooLarge(_)) => return Err(Exhausted),
            };
            self.found_pattern = Some((source, extent, pattern));
        }
        match &self.found_pattern {
            Some((_, _, Some(pattern))) => pattern.is_match(text, self.budget),
            _ => Ok(false),
        }
    }

    /// Where a query starts, and the segments still to follow from there.
    fn origin<'q>(
        &mut self,
        query: &'q Query,
        current: Value<'v>,
    ) -> Result<(Value<'v>, &'q [Segment]), Exhausted> {
        let payload = self.event.payload;
        match query.origin {
            Origin::Root => Ok((payload, &query.segments)),
            Origin::Current => Ok((current, &query.segments)),
            Origin::RootOrEvent => {
                let [Segment { selectors, .. }, rest @ ..] = query.segments.as_slice() else {
                    return Ok((payload, &query.segments));
                };
                let [Step::Name(name)] = selectors.as_slice() else { return Ok((payload, &query.segments)) };
                self.budget.spend(1 + payload.child_count())?;
                let found = payload.member(name).or_else(|| self.event.envelope.member(name));
                // A payload without that name selects nothing, like the event.
                Ok(found.map_or((payload, &query.segments), |value| (value, rest)))
            }
        }
    }

    /// Shows `found` the nodes that a query selects, until it has enough.
    fn each(
        &mut self,
        query: &Query,
        current: Value<'v>,
        found: &mut dyn FnMut(Value<'v>) -> Visit,
    ) -> Result<(), Exhausted> {
        let (origin, segments) = self.origin(query, current)?;
        match self.visit(segments, origin, found) {
            ControlFlow::Continue(()) | ControlFlow::Break(Stop::Enough) => Ok(()),
            ControlFlow::Break(Stop::Exhausted) => Err(Exhausted),
        }
    }

    fn visit(
        &mut self,
        segments: &[Segment],
        value: Value<'v>,
        found: &mut dyn FnMut(Value<'v>) -> Visit,
    ) -> Visit {
        let (value, rest) = match self.singular_prefix(segments, value) {
            Ok((Some(value), rest)) => (value, rest),
            Ok((None, _)) => return ControlFlow::Continue(()),
            Err(Exhausted) => return ControlFlow::Break(Stop::Exhausted),
        };
        let [segment, rest @ ..] = rest else { return found(value) };
        if !segment.descendant {
            return self.apply(segment, rest, value, found);
        }
        for node in value.subtree() {
            self.spend(1)?;
            self.apply(segment, rest, node, found)?;
        }
        ControlFlow::Continue(())
    }

    /// Follows the leading segments that select at most one node, without
    /// recursion; what remains starts with one that can select several.
    fn singular_prefix<'q>(
        &mut self,
        segments: &'q [Segment],
        value: Value<'v>,
    ) -> Result<(Option<Value<'v>>, &'q [Segment]), Exhausted> {
        let mut value = value;
        let mut rest = segments;
        while let [segment, after @ ..] = rest {
            let Some(step) = segment.singular_step() else { break };
            match self.step_to_one(step, value)? {
                Some(next) => value = next,
                None => return Ok((None, after)),
            }
            rest = after;
        }
        Ok((Some(value), rest))
    }

    fn step_to_one(&mut self, step: &Step, value: Value<'v>) -> Result<Option<Value<'v>>, Exhausted> {
        match (step, value.shape()) {
            (Step::Name(name), Shape::Object(members)) => {
                self.budget.spend(1 + members)?;
                Ok(value.member(name))
            }
            (Step::Index(index), Shape::Array(elements)) => match position(*index, elements) {
                Some(position) => {
                    self.budget.spend(1 + position)?;
                    Ok(value.element(position))
                }
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn apply(
        &mut self,
        segment: &Segment,
        rest: &[Segment],
        value: Value<'v>,
        found: &mut dyn FnMut(Value<'v>) -> Visit,
    ) -> Visit {
        for step in &segment.selectors {
            match step {
                Step::Name(_) | Step::Index(_) => match self.step_to_one(step, value) {
                    Ok(Some(node)) => self.visit(rest, node, found)?,
                    Ok(None) => {}
                    Err(Exhausted) => return ControlFlow::Break(Stop::Exhausted),
                },
                Step::Wildcard => {
                    for node in value.children() {
                        self.spend(1)?;
                        self.visit(rest, node, found)?;
                    }
                }
                Step::Slice { start, end, step } => {
                    if let Shape::Array(elements) = value.shape() {
                        self.spend(elements)?;
                        self.slice(value, &Bounds::of(*start, *end, *step, elements), rest, found)?;
                    }
                }
                Step::Filter(logical) => {
                    for node in value.children() {
                        match self.holds(logical, node) {
                            Ok(true) => self.visit(rest, node, found)?,
                            Ok(false) => {}
                            Err(Exhausted) => return ControlFlow::Break(Stop::Exhausted),
                        }
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn slice(
        &mut self,
        array: Value<'v>,
        bounds: &Bounds,
        rest: &[Segment],
        found: &mut dyn FnMut(Value<'v>) -> Visit,
    ) -> Visit {
        let within = array.children().take(bounds.upper).skip(bounds.lower);
        if !bounds.backwards {
            for node in within.step_by(bounds.stride) {
                self.visit(rest, node, found)?;
            }
            return ControlFlow::Continue(());
        }
        // The tape reads forwards only.
        let nodes: Vec<_> = within.collect();
        for node in nodes.into_iter().rev().step_by(bounds.stride) {
            self.visit(rest, node, found)?;
        }
        ControlFlow::Continue(())
    }

    fn spend(&mut self, steps: usize) -> Visit {
        match self.budget.spend(steps) {
            Ok(()) => ControlFlow::Continue(()),
            Err(exhausted) => ControlFlow::Break(exhausted.into()),
        }
    }
}

impl Literal {
    fn shape(&self) -> Shape<'_> {
        match self {
            Self::Null => Shape::Null,
            Self::Boolean(value) => Shape::Boolean(*value),
            Self::Number(text) => Shape::Number(text),
            Self::String(text) => Shape::String(text),
        }
    }
}
