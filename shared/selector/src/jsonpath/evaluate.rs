//! Evaluating an expression on one event, within a budget.
//!
//! It recurses by one frame or two for each segment and parenthesis of the expression, which the
//! expression's length bounds, and never by the levels of the payload, whose subtrees are ranges
//! of the tape.

mod follow;
mod shared;

use std::cmp::Ordering;
use std::ops::ControlFlow;

use super::super::budget::{Exhausted, StepBudget};
use super::super::event::{EventJson, Opened};
use super::super::json::{Shape, Value};
use super::super::memo::Memo;
use super::super::pattern::{Extent, Pattern, PatternFault};
use super::super::{EvaluationLimits, Verdict, compare};
use super::{Comparable, CompareOperator, Expected, Expression, Literal, Logical, PathQuery, Term};
use follow::Stop;

/// The cost in steps of compiling a pattern from a payload: some 0.1 ms.
const COMPILE_STEPS: usize = 20_000;

/// One evaluation of an expression.
pub(in super::super) struct Evaluation<'v, 'b> {
    event: EventJson<'v>,
    memo: &'v mut Memo,
    limits: &'v EvaluationLimits,
    budget: &'b mut StepBudget,
    /// The last pattern from the payload; `None` inside if it is invalid.
    found_pattern: Option<(&'v str, Extent, Option<Pattern>)>,
}

/// The value of a comparable.
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
    pub(in super::super) fn new(opened: Opened<'v>, budget: &'b mut StepBudget) -> Self {
        let Opened { json, memo, limits } = opened;
        Self { event: json, memo, limits, budget, found_pattern: None }
    }

    /// Whether the query selects anything, or the logical expression holds.
    pub(in super::super) fn run(&mut self, expression: &Expression) -> Result<bool, Exhausted> {
        match expression {
            Expression::Query(query) => self.selects(query, self.event.payload),
            Expression::Logical(logical) => self.holds(logical, self.event.payload),
        }
    }

    /// All nodes that a query selects, in order.
    #[cfg(test)]
    pub(super) fn select(&mut self, query: &PathQuery) -> Result<Vec<Value<'v>>, Exhausted> {
        let mut nodes = Vec::new();
        self.each(query, self.event.payload, &mut |node| {
            nodes.push(node);
            ControlFlow::Continue(())
        })?;
        Ok(nodes)
    }

    fn holds(&mut self, logical: &Logical, current: Value<'v>) -> Result<bool, Exhausted> {
        self.budget.spend(1)?;
        if let Some(verdict) = self.memo.verdict(&logical.slot) {
            return Ok(verdict == Verdict::Match);
        }
        let holds = self.term_holds(&logical.term, current)?;
        self.memo.keep_verdict(&logical.slot, holds.into());
        Ok(holds)
    }

    fn term_holds(&mut self, term: &Term, current: Value<'v>) -> Result<bool, Exhausted> {
        match term {
            Term::Or(parts) => {
                for part in parts {
                    if self.holds(part, current)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Term::And(parts) => {
                for part in parts {
                    if !self.holds(part, current)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Term::Not(part) => Ok(!self.holds(part, current)?),
            Term::Exists(query) => self.selects(query, current),
            Term::Compare(comparison, left, right) => {
                let left = self.yielded(left, current)?;
                let right = self.yielded(right, current)?;
                self.compare(*comparison, &left, &right)
            }
            Term::Matches(subject, expected) => {
                let subject = self.yielded(subject, current)?;
                self.matches(&subject, expected, current)
            }
        }
    }

    fn selects(&mut self, query: &PathQuery, current: Value<'v>) -> Result<bool, Exhausted> {
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
            Comparable::Singular(query) => node(self.only_node(query, current)?),
            Comparable::Length(inner) => match self.yielded(inner, current)?.shape() {
                Some(Shape::String(text)) => {
                    self.budget.spend_bytes(text.len())?;
                    Yield::Number(text.chars().count().to_string())
                }
                Some(Shape::Array(count) | Shape::Object(count)) => Yield::Number(count.to_string()),
                _ => Yield::Nothing,
            },
            Comparable::Count(query) => Yield::Number(self.count(query, current)?.to_string()),
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

    fn count(&mut self, query: &PathQuery, current: Value<'v>) -> Result<usize, Exhausted> {
        if let Some((nodes, [])) = self.shared_nodes(query)? {
            return Ok(nodes.len());
        }
        let mut count = 0;
        self.each(query, current, &mut |_| {
            count += 1;
            ControlFlow::Continue(())
        })?;
        Ok(count)
    }

    fn compare(
        &mut self,
        comparison: CompareOperator,
        left: &Yield<'_, '_>,
        right: &Yield<'_, '_>,
    ) -> Result<bool, Exhausted> {
        match comparison {
            CompareOperator::Equal => self.equal(left, right),
            CompareOperator::NotEqual => Ok(!self.equal(left, right)?),
            CompareOperator::Less => self.less(left, right),
            CompareOperator::Greater => self.less(right, left),
            CompareOperator::LessOrEqual => Ok(self.less(left, right)? || self.equal(left, right)?),
            CompareOperator::GreaterOrEqual => Ok(self.less(right, left)? || self.equal(left, right)?),
        }
    }

    /// A missing value equals only a missing value.
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

    /// An invalid pattern matches nothing (RFC 9535, 2.4.6); a pattern that is too large to be
    /// tried has no answer.
    fn matches_found(&mut self, text: &str, source: &'v str, extent: Extent) -> Result<bool, Exhausted> {
        let is_known =
            matches!(&self.found_pattern, Some((known, within, _)) if *known == source && *within == extent);
        if !is_known {
            self.budget.spend(COMPILE_STEPS)?;
            if source.len() > self.limits.found_regex_bytes_max {
                return Err(Exhausted);
            }
            let compiled_bytes_max = self.limits.found_regex_compiled_bytes_max;
            let pattern = match Pattern::compile_i_regexp(source, extent, compiled_bytes_max) {
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
