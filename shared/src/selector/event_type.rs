//! Event types by segment, and the set of types a selector can match.

use super::{SelectorFault, SelectorLimits};

/// Which event types an `event_type` selector accepts. A type's segments are
/// what lies between its dots.
///
/// - `order.created`: that type exactly.
/// - `*`: every event, one without a type included.
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
    /// Empty, too long, an empty segment beside a `*`, or a `*` that is only
    /// part of a segment.
    pub fn parse(text: &str, limits: &SelectorLimits) -> Result<Self, SelectorFault> {
        if text.is_empty() {
            return Err(SelectorFault::Json("an event type is not empty".into()));
        }
        let max = limits.event_type_bytes_max;
        if text.len() > max {
            return Err(SelectorFault::Json(format!("too long: {max}")));
        }
        Ok(Self { text: text.into() })
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True if the pattern holds no `*`.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.text.contains('*')
    }

    /// True if an event of this type (`None`: it has none) is accepted.
    #[must_use]
    pub fn accepts(&self, event_type: Option<&str>) -> bool {
        if &*self.text == "*" {
            return true;
        }
        let Some(event_type) = event_type else { return false };
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

/// A superset of the event types a selector can match, for indexing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventTypes {
    /// Any type, or none at all.
    Any,
    /// Only types that one of these accepts; an empty list matches nothing.
    Only(Vec<EventTypePattern>),
}
