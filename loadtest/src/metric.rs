//! Figures of a result by name, limits on them, and differences between two.
//!
//! A figure is named by its path in the result's JSON (`latency_us.p99`,
//! `whole_run.timeouts`) or shortly: `p50`, `p90`, `p99`, `p999`, `max`, `mean`,
//! `min` of the latency, `service_p99` and so on of the service time,
//! `error_rate` (refused and unknown requests, as a share of all), `unsent`.

use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

/// Why a text is no limit.
#[derive(Debug, Error, Eq, PartialEq)]
pub enum MetricError {
    /// Not `NAME<VALUE` or the like.
    #[error("{0:?} is not a threshold like p99<10ms, error_rate<=0.1% or events_per_s>=100k")]
    Threshold(String),
    /// Not `NAME:+N%` or `NAME:-N%`.
    #[error("{0:?} is not a limit on a change like p99:+10% or events_per_s:-5%")]
    Change(String),
}

const LATENCIES: [&str; 7] = ["p50", "p90", "p99", "p999", "max", "mean", "min"];

/// The figure of this name in a result; none if it has no such number.
pub fn figure(result: &Value, name: &str) -> Option<f64> {
    let at = |path: &str| path.split('.').try_fold(result, |value, member| value.get(member))?.as_f64();
    if LATENCIES.contains(&name) {
        return at(&format!("latency_us.{name}"));
    }
    match (name, name.strip_prefix("service_")) {
        (_, Some(part)) if LATENCIES.contains(&part) => at(&format!("service_time_us.{part}")),
        ("unsent", _) => at("unsent_requests"),
        ("error_rate", _) => {
            let failed = at("measured.requests_refused")? + at("measured.requests_unknown")?;
            Some(failed / at("measured.requests")?.max(1.0))
        }
        _ => at(name),
    }
}

/// Whether a figure is in µs.
fn in_us(name: &str) -> bool {
    name.contains("_us.") || LATENCIES.contains(&name.strip_prefix("service_").unwrap_or(name))
}

/// A figure for people.
pub fn show(name: &str, value: f64) -> String {
    if in_us(name) {
        format!("{:.3} ms", value / 1e3)
    } else if name == "error_rate" {
        format!("{:.3} %", value * 100.0)
    } else if value.fract() == 0.0 || value.abs() >= 1000.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.3}")
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Relation {
    Less,
    AtMost,
    More,
    AtLeast,
    Equal,
}

/// A limit on a figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    text: String,
    name: String,
    relation: Relation,
    limit: f64,
}

/// What became of a limit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Checked {
    /// As it was asked for.
    pub expression: String,
    /// The figure; none if the result has no such number, which is a failure.
    pub value: Option<f64>,
    /// Whether it holds.
    pub ok: bool,
    /// In words.
    pub text: String,
}

impl FromStr for Threshold {
    type Err = MetricError;

    fn from_str(text: &str) -> Result<Self, MetricError> {
        let wrong = || MetricError::Threshold(text.to_owned());
        let at = text.find(['<', '>', '=']).ok_or_else(wrong)?;
        let (name, rest) = (text[..at].trim(), &text[at..]);
        let relations = [
            ("<=", Relation::AtMost),
            (">=", Relation::AtLeast),
            ("==", Relation::Equal),
            ("<", Relation::Less),
            (">", Relation::More),
        ];
        let (relation, value) = relations
            .iter()
            .find_map(|(sign, relation)| rest.strip_prefix(sign).map(|value| (*relation, value)))
            .ok_or_else(wrong)?;
        let limit = quantity(value.trim()).filter(|_| !name.is_empty()).ok_or_else(wrong)?;
        Ok(Self { text: text.to_owned(), name: name.to_owned(), relation, limit })
    }
}

/// A number with a unit: `us`, `ms`, `s` (in µs), `%`, `k`, `M`.
fn quantity(text: &str) -> Option<f64> {
    let units = [("us", 1.0), ("µs", 1.0), ("ms", 1e3), ("s", 1e6), ("%", 0.01), ("k", 1e3), ("M", 1e6)];
    let unit = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)));
    let (number, factor) = unit.unwrap_or((text, 1.0));
    number.trim().parse::<f64>().ok().map(|number| number * factor).filter(|number| number.is_finite())
}

impl Threshold {
    /// Checks it against a result.
    pub fn check(&self, result: &Value) -> Checked {
        let value = figure(result, &self.name);
        let ok = value.is_some_and(|value| match self.relation {
            Relation::Less => value < self.limit,
            Relation::AtMost => value <= self.limit,
            Relation::More => value > self.limit,
            Relation::AtLeast => value >= self.limit,
            Relation::Equal => value == self.limit,
        });
        let shown =
            value.map_or_else(|| "there is no such figure".to_owned(), |value| show(&self.name, value));
        let text = format!("{} {}: {shown}", if ok { "ok    " } else { "FAILED" }, self.text);
        Checked { expression: self.text.clone(), value, ok, text }
    }
}

/// A limit on how far a figure may move from one result to another: `p99:+10%`
/// fails if it rose by more, `events_per_s:-5%` if it fell by more.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeLimit {
    text: String,
    name: String,
    /// Relative; its sign is the direction that is limited.
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
    pub fn check(&self, before: &Value, after: &Value) -> Checked {
        let change = figure(before, &self.name).zip(figure(after, &self.name)).map(|(a, b)| change(a, b));
        let ok = change.is_some_and(|change| {
            if self.limit.is_sign_negative() { change >= self.limit } else { change <= self.limit }
        });
        let shown = change.map_or_else(
            || "there is no such figure in both".to_owned(),
            |change| format!("{:+.1} %", change * 100.0),
        );
        let text = format!("{} {}: {shown}", if ok { "ok    " } else { "FAILED" }, self.text);
        Checked { expression: self.text.clone(), value: change, ok, text }
    }
}

/// The relative change; from nothing to something it is infinite.
pub fn change(before: f64, after: f64) -> f64 {
    if before == after { 0.0 } else { (after - before) / before.abs() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn result() -> Value {
        json!({"events_per_s": 99_000.0, "latency_us": {"p99": 9_999}, "service_time_us": {"p50": 80},
            "unsent_requests": 0, "measured": {"requests": 1000, "requests_refused": 1, "requests_unknown": 1}})
    }

    fn holds(text: &str) -> bool {
        text.parse::<Threshold>().expect("a threshold").check(&result()).ok
    }

    #[test]
    fn thresholds_have_names_relations_and_units() {
        for text in ["p99<10ms", "latency_us.p99 <= 9999us", "p99<1s", "service_p50==80", "error_rate<=0.2%"]
        {
            assert!(holds(text), "{text}");
        }
        for text in
            ["p99<9.999ms", "events_per_s>=100k", "events_per_s > 0.1M", "unsent>0", "error_rate<0.2%"]
        {
            assert!(!holds(text), "{text}");
        }
        assert!(!holds("no.such.figure<1") && !holds("no.such.figure>=0"), "what is not there is a failure");
    }

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
        for text in ["p99", "<1", "p99<", "p99<x", "p99=1", "p99<NaN"] {
            assert!(text.parse::<Threshold>().is_err(), "{text}");
        }
        for text in ["p99", "p99:10%", "p99:+x%", "p99:+10"] {
            assert!(text.parse::<ChangeLimit>().is_err(), "{text}");
        }
    }
}
