//! Which subscriptions could want an event of a given type.
//!
//! One lookup for each distinct type of a batch, not for each event: exact
//! types by hash, patterns by a trie of segments, the rest by a list.

use std::collections::HashMap;

use super::{CompiledSelector, EventTypePattern, EventTypes};

/// Whether a candidate must be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Every event of this type matches; none needs evaluation.
    Always,
    /// Each event must be evaluated.
    Evaluate,
}

/// A subscription that could want events of the type looked up.
#[derive(Debug)]
pub struct Candidate<'i, T> {
    /// Position in the order the index was built from.
    pub position: usize,
    /// Whether it must be evaluated.
    pub condition: Condition,
    /// Its selector.
    pub selector: &'i CompiledSelector,
    /// What was indexed.
    pub subscription: &'i T,
}

/// One customer's subscriptions, indexed by event type.
#[derive(Debug)]
pub struct SubscriptionIndex<T> {
    entries: Vec<(CompiledSelector, T)>,
    exact: HashMap<Box<str>, Vec<u32>>,
    patterns: Segments,
    any: Vec<u32>,
}

/// The patterns that begin with the segments on the way here.
#[derive(Debug, Default)]
struct Segments {
    named: HashMap<Box<str>, Segments>,
    /// `*` followed by more segments.
    one: Option<Box<Segments>>,
    /// Those that end here.
    end: Vec<u32>,
    /// Those that go on with a last `*`: one segment or more.
    tail: Vec<u32>,
}

impl<T> SubscriptionIndex<T> {
    /// Indexes subscriptions; candidates come back in this order.
    pub fn new(entries: impl IntoIterator<Item = (CompiledSelector, T)>) -> Self {
        let mut index = Self {
            entries: entries.into_iter().collect(),
            exact: HashMap::new(),
            patterns: Segments::default(),
            any: Vec::new(),
        };
        for (position, (selector, _)) in (0_u32..).zip(&index.entries) {
            match selector.event_types() {
                EventTypes::Any => index.any.push(position),
                EventTypes::Only(patterns) => {
                    for pattern in patterns {
                        if pattern.is_exact() {
                            index.exact.entry(pattern.as_str().into()).or_default().push(position);
                        } else {
                            index.patterns.insert(&pattern, position);
                        }
                    }
                }
            }
        }
        index
    }

    /// How many subscriptions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The subscriptions that could want an event of this type ("": without a
    /// type), in order. Those the type alone rules out are left out. Call it
    /// once for each distinct type of a batch.
    #[must_use]
    pub fn candidates(&self, event_type: &str) -> Vec<Candidate<'_, T>> {
        let mut positions = self.any.clone();
        positions.extend(self.exact.get(event_type).into_iter().flatten());
        self.patterns.collect(event_type, &mut positions);
        positions.sort_unstable();
        positions.dedup();
        positions.into_iter().filter_map(|position| self.candidate(position, event_type)).collect()
    }

    fn candidate(&self, position: u32, event_type: &str) -> Option<Candidate<'_, T>> {
        let position = position as usize;
        let (selector, subscription) = self.entries.get(position)?;
        let condition = match selector.decided_by_type(event_type) {
            Some(true) => Condition::Always,
            Some(false) => return None,
            None => Condition::Evaluate,
        };
        Some(Candidate { position, condition, selector, subscription })
    }
}

impl Segments {
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

    /// Recurses once a segment of a pattern, and visits each node at most once.
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
