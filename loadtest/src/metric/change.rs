//! Limits on how far figures move from one result to another.

use std::str::FromStr;

use serde_json::Value;

use super::{CheckedLimit, MetricError, figure};

/// A limit on how far a figure may move from one result to another: `p99:+10%`
/// fails if it rose by more, `events_per_s:-5%` if it fell by more.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeLimit {
    text: String,
    name: String,
    /// A relative change; its sign is the direction that is limited.
    limit: f64,
}

impl FromStr for ChangeLimit {
    type Err = MetricError;

    fn from_str(text: &str) -> Result<Self, MetricError> {
        let wrong = || MetricError::Change(text.to_owned());
        let (name, change) = text.split_once(':').ok_or_else(wrong)?;
        let change = change.trim();
        let percent =
            change.strip_suffix('%').filter(|_| change.starts_with(['+', '-'])).ok_or_else(wrong)?;
        let limit = percent.parse::<f64>().ok().filter(|limit| limit.is_finite()).ok_or_else(wrong)? / 100.0;
        // "+0%" limits rises and "-0%" falls: the sign of a zero is kept.
        Ok(Self { text: text.to_owned(), name: name.trim().to_owned(), limit })
    }
}

impl ChangeLimit {
    /// The figure that is limited.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Checks how far `after` is from `before`.
    pub fn check(&self, before: &Value, after: &Value) -> CheckedLimit {
        let change = figure(before, &self.name).zip(figure(after, &self.name)).map(|(a, b)| change(a, b));
        let ok = change.is_some_and(|change| {
            if self.limit.is_sign_negative() { change >= self.limit } else { change <= self.limit }
        });
        let shown = change.map_or_else(
            || "it was not measured in both".to_owned(),
            |change| format!("{:+.1} %", change * 100.0),
        );
        let text = format!("{} {}: {shown}", if ok { "ok    " } else { "FAILED" }, self.text);
        CheckedLimit { expression: self.text.clone(), value: change, ok, text }
    }
}

/// The relative change; infinite if `before` is 0 and `after` is not.
pub fn change(before: f64, after: f64) -> f64 {
    if before == after { 0.0 } else { (after - before) / before.abs() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changes_are_limited_in_their_direction() {
        let (before, after) = (json!({"a": 100, "z": 0}), json!({"a": 111, "z": 1}));
        let ok = |text: &str| text.parse::<ChangeLimit>().expect("a limit").check(&before, &after).ok;
        assert!(ok("a:+11%") && ok("a:-0%") && !ok("a:+10%") && !ok("a:+0%"));
        assert!(!ok("z:+1000%") && ok("z:-5%") && !ok("q:+5%"));
        let back = |text: &str| text.parse::<ChangeLimit>().expect("a limit").check(&after, &before).ok;
        assert!(back("a:-10%") && !back("a:-9%") && back("a:+0%"));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["p99", "p99:10%", "p99:+x%", "p99:+10"] {
            assert!(text.parse::<ChangeLimit>().is_err(), "{text}");
        }
    }
}
