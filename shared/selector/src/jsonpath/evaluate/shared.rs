//! Following the parts of paths that several selectors share, once for each event.

use std::ops::{ControlFlow, Range};

use super::super::super::budget::Exhausted;
use super::super::super::json::Value;
use super::super::super::memo::KnownNodes;
use super::super::{PathQuery, PathSegment};
use super::Evaluation;
use super::follow::Stop;

impl<'v> Evaluation<'v, '_> {
    /// The nodes of the longest part of a query's path that other selectors share, and the
    /// segments after it. `None` if it shares no part, or none whose nodes can be listed within
    /// [`shared_path_steps_max`](super::super::super::EvaluationLimits::shared_path_steps_max).
    pub(super) fn shared_nodes<'q>(
        &mut self,
        query: &'q PathQuery,
    ) -> Result<Option<(Range<u32>, &'q [PathSegment])>, Exhausted> {
        let mut longest: Option<(Range<u32>, usize)> = None;
        for (index, segment) in query.segments.iter().enumerate() {
            if segment.slot.number().is_none() {
                continue;
            }
            self.budget.spend(1)?;
            let nodes = match self.memo.nodes(&segment.slot) {
                Some(known) => known,
                None => self.list_nodes(query, longest.clone(), index + 1)?,
            };
            match nodes {
                KnownNodes::Selected(nodes) => longest = Some((nodes, index + 1)),
                KnownNodes::TooMany => break,
            }
        }
        let rest = |length| query.segments.get(length..).unwrap_or_default();
        Ok(longest.map(|(nodes, length)| (nodes, rest(length))))
    }

    /// A node that was listed.
    pub(super) fn known_node(&self, index: u32) -> Option<Value<'v>> {
        self.memo.node(index).map(|position| self.event.payload.of_same_tape(position))
    }

    /// Lists and remembers the nodes of a query's first `length` segments, given those of a
    /// shorter part.
    fn list_nodes(
        &mut self,
        query: &PathQuery,
        shorter: Option<(Range<u32>, usize)>,
        length: usize,
    ) -> Result<KnownNodes, Exhausted> {
        let Some(PathSegment { slot, .. }) = query.segments.get(length - 1) else {
            return Ok(KnownNodes::TooMany);
        };
        let kept_back = self.budget.keep_back(self.limits.shared_path_steps_max);
        let mut positions = Vec::new();
        let listed = self.collect(query, shorter, length, &mut positions);
        self.budget.give_back(kept_back);
        match listed {
            Ok(()) => Ok(KnownNodes::Selected(self.memo.keep_nodes(slot, &positions))),
            Err(Exhausted) if self.budget.left() == 0 => Err(Exhausted),
            Err(Exhausted) => {
                self.memo.keep_too_many(slot);
                Ok(KnownNodes::TooMany)
            }
        }
    }

    fn collect(
        &mut self,
        query: &PathQuery,
        shorter: Option<(Range<u32>, usize)>,
        length: usize,
        positions: &mut Vec<u32>,
    ) -> Result<(), Exhausted> {
        let Some((nodes, done)) = shorter else {
            let (origin, rest) = self.origin(query, self.event.payload)?;
            let done = query.segments.len() - rest.len();
            return self.collect_from(
                origin,
                query.segments.get(done..length).unwrap_or_default(),
                positions,
            );
        };
        let segments = query.segments.get(done..length).unwrap_or_default();
        for index in nodes {
            if let Some(node) = self.known_node(index) {
                self.collect_from(node, segments, positions)?;
            }
        }
        Ok(())
    }

    fn collect_from(
        &mut self,
        node: Value<'v>,
        segments: &[PathSegment],
        positions: &mut Vec<u32>,
    ) -> Result<(), Exhausted> {
        let visited = self.visit(segments, node, &mut |found| {
            positions.push(found.position());
            ControlFlow::Continue(())
        });
        match visited {
            ControlFlow::Break(Stop::Exhausted) => Err(Exhausted),
            ControlFlow::Continue(()) | ControlFlow::Break(Stop::Enough) => Ok(()),
        }
    }
}
