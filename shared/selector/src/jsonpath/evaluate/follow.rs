//! Following the segments of a query from node to node.

use std::ops::{ControlFlow, Range};

use super::super::super::budget::Exhausted;
use super::super::super::json::{Shape, Value};
use super::super::slice::{SliceBounds, element_position};
use super::super::{PathQuery, PathSegment, PathStep, QueryOrigin};
use super::Evaluation;

/// Why a visit ends before all nodes were seen.
pub(super) enum Stop {
    Enough,
    Exhausted,
}

pub(super) type Visit = ControlFlow<Stop>;

impl From<Exhausted> for Stop {
    fn from(_: Exhausted) -> Self {
        Self::Exhausted
    }
}

impl<'v> Evaluation<'v, '_> {
    /// Where a query begins, and the segments to follow from there.
    pub(super) fn origin<'q>(
        &mut self,
        query: &'q PathQuery,
        current: Value<'v>,
    ) -> Result<(Value<'v>, &'q [PathSegment]), Exhausted> {
        let payload = self.event.payload;
        match query.origin {
            QueryOrigin::Root => Ok((payload, &query.segments)),
            QueryOrigin::Current => Ok((current, &query.segments)),
            QueryOrigin::RootOrEvent => {
                let [PathSegment { selectors, .. }, rest @ ..] = query.segments.as_slice() else {
                    return Ok((payload, &query.segments));
                };
                let [PathStep::Name(name)] = selectors.as_slice() else {
                    return Ok((payload, &query.segments));
                };
                self.budget.spend(1 + payload.child_count())?;
                let found = payload.member(name).or_else(|| self.event.envelope.member(name));
                // If both lack that name, the query selects nothing in the payload.
                Ok(found.map_or((payload, &query.segments), |value| (value, rest)))
            }
        }
    }

    /// Calls `found` with the nodes that a query selects, until it has enough.
    pub(super) fn each(
        &mut self,
        query: &PathQuery,
        current: Value<'v>,
        found: &mut dyn FnMut(Value<'v>) -> Visit,
    ) -> Result<(), Exhausted> {
        let visited = match self.shared_nodes(query)? {
            Some((nodes, rest)) => self.visit_each(nodes, rest, found),
            None => {
                let (origin, segments) = self.origin(query, current)?;
                self.visit(segments, origin, found)
            }
        };
        match visited {
            ControlFlow::Continue(()) | ControlFlow::Break(Stop::Enough) => Ok(()),
            ControlFlow::Break(Stop::Exhausted) => Err(Exhausted),
        }
    }

    /// The node that a singular query selects.
    pub(super) fn only_node(
        &mut self,
        query: &PathQuery,
        current: Value<'v>,
    ) -> Result<Option<Value<'v>>, Exhausted> {
        let (origin, segments) = match self.shared_nodes(query)? {
            Some((mut nodes, rest)) => match nodes.next().and_then(|index| self.known_node(index)) {
                Some(node) => (node, rest),
                None => return Ok(None),
            },
            None => self.origin(query, current)?,
        };
        self.singular_prefix(segments, origin).map(|(found, _)| found)
    }

    fn visit_each(
        &mut self,
        nodes: Range<u32>,
        rest: &[PathSegment],
        found: &mut dyn FnMut(Value<'v>) -> Visit,
    ) -> Visit {
        for index in nodes {
            self.spend(1)?;
            let Some(node) = self.known_node(index) else { break };
            self.visit(rest, node, found)?;
        }
        ControlFlow::Continue(())
    }

    pub(super) fn visit(
        &mut self,
        segments: &[PathSegment],
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

    /// Follows the leading segments that select at most one node, without recursion. The remaining
    /// segments begin with one that can select several.
    pub(super) fn singular_prefix<'q>(
        &mut self,
        segments: &'q [PathSegment],
        value: Value<'v>,
    ) -> Result<(Option<Value<'v>>, &'q [PathSegment]), Exhausted> {
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

    fn step_to_one(&mut self, step: &PathStep, value: Value<'v>) -> Result<Option<Value<'v>>, Exhausted> {
        match (step, value.shape()) {
            (PathStep::Name(name), Shape::Object(members)) => {
                self.budget.spend(1 + members)?;
                Ok(value.member(name))
            }
            (PathStep::Index(index), Shape::Array(elements)) => match element_position(*index, elements) {
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
        segment: &PathSegment,
        rest: &[PathSegment],
        value: Value<'v>,
        found: &mut dyn FnMut(Value<'v>) -> Visit,
    ) -> Visit {
        for step in &segment.selectors {
            match step {
                PathStep::Name(_) | PathStep::Index(_) => match self.step_to_one(step, value) {
                    Ok(Some(node)) => self.visit(rest, node, found)?,
                    Ok(None) => {}
                    Err(Exhausted) => return ControlFlow::Break(Stop::Exhausted),
                },
                PathStep::Wildcard => {
                    for node in value.children() {
                        self.spend(1)?;
                        self.visit(rest, node, found)?;
                    }
                }
                PathStep::Slice { start, end, step } => {
                    if let Shape::Array(elements) = value.shape() {
                        self.spend(elements)?;
                        self.slice(value, &SliceBounds::new(*start, *end, *step, elements), rest, found)?;
                    }
                }
                PathStep::Filter(logical) => {
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
        bounds: &SliceBounds,
        rest: &[PathSegment],
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
