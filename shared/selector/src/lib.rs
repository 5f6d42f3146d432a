//! Selectors: which events a subscription wants.
//!
//! A selector arrives as JSON, is checked once when the subscription is created, and is then
//! evaluated on every event that might match it.
//!
//! | kind | JSON | true if |
//! |---|---|---|
//! | event type | `{"type":"event_type","value":"order.*"}` | the event's type fits the pattern, by segment ([`EventTypePattern`]) |
//! | JSONPath | `{"type":"jsonpath","expression":"$.items[?@.qty > 2]"}` | the RFC 9535 query selects anything in the payload |
//! | | `{"type":"jsonpath","expression":"$.total > 100 && $.source == 'shop'"}` | the bare logical expression holds (below) |
//! | function | `{"type":"custom","function":{"field":"amount","operator":"greater_than","value":100}}` | the operator holds for that field of the payload |
//! | all, any | `{"type":"all","of":[…]}` | all parts hold, at least one part holds |
//! | not | `{"type":"not","of":{…}}` | the inner one is false |
//!
//! # The meaning of `$` in a bare logical expression
//! `$.name` is the payload's top-level member `name` if it has one; else the event's field of
//! that name, as its webhook shows it (`event_type`, `source`, `tags`, `metadata`, `payload`,
//! `event_id`, `customer_id`, `timestamp`); else nothing. So `$.event_type == 'order.created'`
//! works whether the type was sent inside the payload or beside it, and `$.payload.total` is
//! `$.total` unless the payload has a `payload` of its own. The rule holds for a name right
//! after `$`, also if that `$` is inside a filter; `$[0]`, `$.*`, `$..x` and every plain query
//! see only the payload.
//!
//! # Missing values
//! A missing field satisfies `not_exists`, `not_equals`, `not_in` and nothing else; `null` is a
//! value that exists. RFC 9535 has the same rule for `!=`.
//!
//! # Numbers
//! Numbers are compared by their exact decimal value, of any size: `1e2` equals `100`,
//! `18446744073709551617` differs from `18446744073709551616`, and `-0` is `0`.
//!
//! # Cost
//! Limits at creation ([`SelectorLimits`]) keep a selector small. At evaluation all selectors
//! that look at one event share a budget of steps ([`EvaluationLimits`], [`MatchBudget`]); if it
//! runs out the answer is [`Verdict::Undecided`], never a guess. A [`SubscriptionIndex`]
//! evaluates the parts that selectors share once for each event, and finds the selectors that
//! ask for one value of one field without evaluating the others. Nothing here panics, or
//! recurses deeper than the limits.

mod budget;
mod canonical;
mod compare;
mod compiled;
mod error;
mod event;
mod event_type;
mod explain;
mod field;
mod function;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod i_regexp;
mod index;
mod json;
mod jsonpath;
mod limits;
mod memo;
mod node;
mod number;
mod parse;
mod pattern;
mod share;

pub use budget::MatchBudget;
pub use compiled::{CompiledSelector, Verdict};
pub use error::{SelectorError, SelectorFault};
pub use event::{EventView, MatchScratch};
pub use event_type::{EventTypePattern, EventTypes, PRODUCT_TYPES};
pub use explain::Explanation;
pub use index::{
    EventVerdicts, SelectorCost, SubscriptionIndex, TypeCandidates, UndecidedCause, UndecidedSelector,
};
pub use limits::{EvaluationLimits, SelectorLimits};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A checked selector: its JSON as it was given, and its compiled form.
#[derive(Debug, Clone)]
pub struct Selector {
    original: Box<str>,
    canonical: Box<str>,
    compiled: CompiledSelector,
}

impl Selector {
    /// Parses and checks a selector under the default limits.
    ///
    /// # Errors
    /// The first fault, and where it is.
    pub fn parse(json: &str) -> Result<Self, SelectorError> {
        Self::parse_within(json, &SelectorLimits::default())
    }

    /// Parses and checks a selector under the given limits.
    ///
    /// # Errors
    /// The first fault, and where it is.
    pub fn parse_within(json: &str, limits: &SelectorLimits) -> Result<Self, SelectorError> {
        let root = parse::parse(json, limits)?;
        let mut canonical = String::new();
        root.write_canonical(&mut canonical);
        let compiled = CompiledSelector::new(root, canonical.contains(PRODUCT_TYPES));
        Ok(Self { original: json.into(), canonical: canonical.into(), compiled })
    }

    /// The JSON as it was given.
    #[must_use]
    pub fn original(&self) -> &str {
        &self.original
    }

    /// The same selector in canonical form: no spaces, members in a fixed order, strings with only
    /// the escapes that they need.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// The compiled form, which judges events. Cloning it is cheap.
    #[must_use]
    pub fn compiled(&self) -> &CompiledSelector {
        &self.compiled
    }
}

/// Selectors are equal if they are written with the same meaning in the same way.
impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for Selector {}

/// Writes the JSON as it was given.
impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json: &RawValue = serde_json::from_str(&self.original).map_err(serde::ser::Error::custom)?;
        json.serialize(serializer)
    }
}

/// Parses and checks under the default limits, from JSON text only: numbers are kept as
/// written.
impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(json.get()).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
