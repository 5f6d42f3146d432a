//! Patterns of event types, and the set of types that a selector can match.

use super::{SelectorFault, SelectorLimits};

/// The prefix of the types of product events. Only a selector that contains this text wants
/// any of them.
pub const PRODUCT_TYPES: &str = "sluice.";

/// Which event types an `event_type` selector accepts. A type's segments are
/// the texts between its dots; an event without a type has the type "".
///
/// - `order.created`: that type exactly.
/// - `*`: every event, also one without a type, but no product event.
/// - `*` as a segment stands for exactly one segment: `order.*.failed` accepts
///   `order.payment.failed`, not `order.failed`.
/// - a last segment `.*` stands for one or more: `order.*` accepts
///   `order.created` and `order.item.added`, not `order`.
///
/// `*` must be a whole segment; `ord*` is refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventTypePattern {
    text: Box<str>,
}

impl EventTypePattern {
    /// Checks a pattern.
    ///
    /// # Errors
    /// If it is empty, too long, has an empty segment beside a `*`, or a `*` that is only part
    /// of a segment.
    pub fn parse(text: &str, limits: &SelectorLimits) -> Result<Self, SelectorFault> {
        let max = limits.event_type_bytes_max;
        if text.is_empty() {
            return Err(SelectorFault::EventType("an event type cannot be empty"));
        }
        if text.len() > max {
            return Err(SelectorFault::Limit { counted: "bytes of the event type", found: text.len(), max });
        }
        if text.contains('*') {
            if text.split('.').any(str::is_empty) {
                return Err(SelectorFault::EventType("a pattern cannot have an empty segment"));
            }
            if text.split('.').any(|segment| segment.contains('*') && segment != "*") {
                return Err(SelectorFault::EventType("`*` must be a whole segment, as in `order.*`"));
            }
        }
        Ok(Self { text: text.into() })
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern has no `*`.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.text.contains('*')
    }

    /// True if the pattern is `*`, which accepts every event.
    #[must_use]
    pub fn is_any(&self) -> bool {
        &*self.text == "*"
    }

    /// Whether an event of this type ("": without a type) is accepted. A `*` as the first
    /// segment does not stand for that of product events.
    #[must_use]
    pub fn accepts(&self, event_type: &str) -> bool {
        if self.text.starts_with('*') && event_type.starts_with(PRODUCT_TYPES) {
            return false;
        }
        if self.is_any() {
            return true;
        }
        let mut wanted = self.text.split('.').peekable();
        let mut given = event_type.split('.');
        while let Some(segment) = wanted.next() {
            let Some(found) = given.next() else { return false };
            if segment == "*" && wanted.peek().is_none() {
                return true;
            }
            if segment != "*" && segment != found {
                return false;
            }
        }
        given.next().is_none()
    }
}

/// A superset of the event types that a selector can match, for indexing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventTypes {
    /// Any type, or none at all.
    Any,
    /// Only types that one of these patterns accepts, sorted; an empty list matches nothing.
    /// None of them is `*`.
    Only(Vec<EventTypePattern>),
}

impl EventTypes {
    pub(super) fn one(pattern: &EventTypePattern) -> Self {
        if pattern.is_any() { Self::Any } else { Self::Only(vec![pattern.clone()]) }
    }

    /// Whether a selector with these types could match an event of this type.
    #[must_use]
    pub fn include(&self, event_type: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(patterns) => patterns.iter().any(|pattern| pattern.accepts(event_type)),
        }
    }

    /// The types that are in at least one of both.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Only(mut patterns), Self::Only(more)) => {
                patterns.extend(more);
                patterns.sort_unstable();
                patterns.dedup();
                Self::Only(patterns)
            }
            _ => Self::Any,
        }
    }

    /// The types that are in both. If both have patterns, the smaller list stands for the
    /// intersection, which it contains.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Any, types) | (types, Self::Any) => types,
            (Self::Only(left), Self::Only(right)) => {
                let exact = |patterns: &[EventTypePattern]| patterns.iter().all(EventTypePattern::is_exact);
                let kept_by = |kept: &[EventTypePattern], patterns: Vec<EventTypePattern>| {
                    let accepted =
                        |found: &EventTypePattern| kept.iter().any(|keep| keep.accepts(&found.text));
                    patterns.into_iter().filter(accepted).collect()
                };
                Self::Only(match (exact(&left), exact(&right)) {
                    (true, _) => kept_by(&right, left),
                    (false, true) => kept_by(&left, right),
                    (false, false) if right.len() < left.len() => right,
                    (false, false) => left,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> EventTypePattern {
        EventTypePattern::parse(text, &SelectorLimits::default()).unwrap()
    }

    #[test]
    fn patterns_accept_by_segment() {
        for (text, accepted, refused) in [
            ("order.created", &["order.created"][..], &["order", "order.created.x", "Order.created", ""][..]),
            ("*", &["order", "a.b.c", ""], &[]),
            ("order.*", &["order.created", "order.item.added"], &["order", "orders.created", ""]),
            ("*.created", &["order.created"], &["created", "a.b.created", "order.created.late"]),
            ("order.*.failed", &["order.payment.failed"], &["order.failed", "order.a.b.failed"]),
            ("*.*", &["a.b", "a.b.c"], &["a", ""]),
            ("a..b", &["a..b"], &["a.b"]),
        ] {
            let pattern = pattern(text);
            for event_type in accepted {
                assert!(pattern.accepts(event_type), "{text} {event_type}");
            }
            for event_type in refused {
                assert!(!pattern.accepts(event_type), "{text} {event_type}");
            }
        }
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for text in ["", "ord*", "order.*x", "**", "order..*", ".*", "*.", &"x".repeat(257)] {
            assert!(EventTypePattern::parse(text, &SelectorLimits::default()).is_err(), "{text}");
        }
    }

    #[test]
    fn sets_of_types_combine() {
        let only = |texts: &[&str]| EventTypes::Only(texts.iter().map(|text| pattern(text)).collect());
        assert_eq!(only(&["a"]).or(only(&["b", "a"])), only(&["a", "b"]));
        assert_eq!(only(&["a"]).or(EventTypes::Any), EventTypes::Any);
        assert_eq!(only(&["a"]).and(only(&["b"])), only(&[]));
        assert_eq!(only(&["a.b", "b.c"]).and(only(&["a.*"])), only(&["a.b"]));
        assert_eq!(only(&["*.b", "*.c"]).and(only(&["a.*"])), only(&["a.*"]));
        assert_eq!(EventTypes::Any.and(only(&["a"])), only(&["a"]));
    }
}
