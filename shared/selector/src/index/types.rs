//! The selectors that could want events of a given type: exact types by hash, patterns by a
//! trie of segments, the rest by a list.

use std::collections::HashMap;

use super::super::{EventTypePattern, EventTypes};

/// Positions of selectors by the event types that they can match.
#[derive(Debug, Default)]
pub(super) struct TypeIndex {
    exact: HashMap<Box<str>, Vec<u32>>,
    patterns: TypeSegments,
    any: Vec<u32>,
}

impl TypeIndex {
    pub(super) fn insert(&mut self, types: EventTypes, position: u32) {
        let EventTypes::Only(patterns) = types else {
            self.any.push(position);
            return;
        };
        for pattern in patterns {
            if pattern.is_exact() {
                self.exact.entry(pattern.as_str().into()).or_default().push(position);
            } else {
                self.patterns.insert(&pattern, position);
            }
        }
    }

    /// The selectors that could want an event of this type, ascending.
    pub(super) fn positions(&self, event_type: &str) -> Vec<u32> {
        let mut positions = self.any.clone();
        positions.extend(self.exact.get(event_type).into_iter().flatten());
        self.patterns.collect(event_type, &mut positions);
        positions.sort_unstable();
        positions.dedup();
        positions
    }
}

/// The patterns that begin with the segments on the way to this node.
#[derive(Debug, Default)]
struct TypeSegments {
    named: HashMap<Box<str>, TypeSegments>,
    /// `*` followed by more segments.
    one: Option<Box<TypeSegments>>,
    /// The patterns that end here.
    end: Vec<u32>,
    /// The patterns that continue with a final `*`: one segment or more.
    tail: Vec<u32>,
}

impl TypeSegments {
    fn insert(&mut self, pattern: &EventTypePattern, position: u32) {
        let mut here = self;
        let mut segments = pattern.as_str().split('.').peekable();
        while let Some(segment) = segments.next() {
            here = match segment {
                "*" if segments.peek().is_none() => {
                    here.tail.push(position);
                    return;
                }
                "*" => here.one.get_or_insert_default(),
                name => here.named.entry(name.into()).or_default(),
            };
        }
        here.end.push(position);
    }

    /// Recurses once for each segment of a pattern, and visits each node at most once.
    fn collect(&self, rest: &str, positions: &mut Vec<u32>) {
        positions.extend(&self.tail);
        let (segment, after) = match rest.split_once('.') {
            Some((segment, after)) => (segment, Some(after)),
            None => (rest, None),
        };
        let next = [self.named.get(segment), self.one.as_deref()];
        for next in next.into_iter().flatten() {
            match after {
                Some(after) => next.collect(after, positions),
                None => positions.extend(&next.end),
            }
        }
    }
}
