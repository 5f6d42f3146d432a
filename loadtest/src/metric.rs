//! Figures of a result by name, limits on them, and differences between two.
//!
//! A figure is named by its path in the result's JSON (`latency_us.p99`,
//! `whole_run.timeouts`) or by a short name: `p50`, `p90`, `p95`, `p99`, `p999`, `max`,
//! `mean`, `min` of the latency, `service_p99` and so on of the service time,
//! `error_rate` (refused, unknown and unanswered requests, as a share of all;
//! rejected events count by their share of an acknowledged request),
//! `unsent`.
//!
//! A figure without measurements does not exist, so that a limit on it fails: a
//! percentile, a rate or an error rate of no requests.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

mod change;
mod known;

pub use change::{ChangeLimit, change};
pub use known::{KnownFigures, ResultKind};

/// Why a text is not a limit.
#[derive(Debug, Error, Eq, PartialEq)]
pub enum MetricError {
    /// Not `NAME<VALUE` or the like.
    #[error("{0:?} is not a threshold like p99<10ms, error_rate<=0.1% or events_per_s>=100k")]
    Threshold(String),
    /// A latency without a unit, or another figure with a unit of time.
    #[error("{text:?}: {name} {reason}")]
    Unit {
        /// The limit.
        text: String,
        /// Its figure.
        name: String,
        /// Which unit it should have.
        reason: &'static str,
    },
    /// No result has a figure of this name.
    #[error("{text:?}: there is no figure {name}{hint}")]
    Unknown {
        /// The limit.
        text: String,
        /// Its figure.
        name: String,
        /// Which option would make the figure exist, or nothing.
        hint: &'static str,
    },
    /// Not `NAME:+N%` or `NAME:-N%`.
    #[error("{0:?} is not a limit on a change like p99:+10% or events_per_s:-5%")]
    Change(String),
}

pub(crate) const LATENCIES: [&str; 8] = ["p50", "p90", "p95", "p99", "p999", "max", "mean", "min"];

/// The figure of this name in a result; `None` if the result has no such number or
/// nothing was measured for it.
pub fn figure(result: &Value, name: &str) -> Option<f64> {
    let number = |path: &str| path.split('.').try_fold(result, |value, member| value.get(member))?.as_f64();
    let path = full_name(name);
    match (name, path.rsplit_once('.')) {
        ("error_rate", _) => {
            let failed = number("measured.requests_refused")? + number("measured.requests_unknown")?;
            // An acknowledged request whose events were rejected is an error in part.
            let events = |name: &str| number(&format!("measured.events_{name}")).unwrap_or(0.0);
            let (accepted, rejected) = (events("accepted"), events("rejected"));
            let share = if rejected > 0.0 { rejected / (accepted + rejected) } else { 0.0 };
            let failed = failed + share * number("measured.requests_acknowledged").unwrap_or(0.0);
            number("measured.requests").filter(|requests| *requests > 0.0).map(|requests| failed / requests)
        }
        // A summary of nothing has zeros.
        (_, Some((summary, part)))
            if LATENCIES.contains(&part) && number(&format!("{summary}.count")) == Some(0.0) =>
        {
            None
        }
        (_, None) if path.ends_with("_per_s") && number("measured.requests") == Some(0.0) => None,
        _ => number(&path),
    }
}

/// The path of a figure in a result's JSON.
pub(crate) fn full_name(name: &str) -> String {
    match (name, name.strip_prefix("service_")) {
        (short, _) if LATENCIES.contains(&short) => format!("latency_us.{short}"),
        (_, Some(part)) if LATENCIES.contains(&part) => format!("service_time_us.{part}"),
        ("unsent", _) => "unsent_requests".to_owned(),
        _ => name.to_owned(),
    }
}

/// Returns true if a figure is in µs.
fn in_us(name: &str) -> bool {
    let path = full_name(name);
    path.rsplit_once('.').is_some_and(|(summary, part)| summary.contains("_us") && LATENCIES.contains(&part))
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

/// A limit that was checked.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct CheckedLimit {
    /// The limit as it was given.
    pub expression: String,
    /// The figure; `None` if nothing was measured for it, which is a failure.
    pub value: Option<f64>,
    /// True if the limit holds.
    pub ok: bool,
    /// The verdict in words.
    pub text: String,
}

impl FromStr for Threshold {
    type Err = MetricError;

    fn from_str(text: &str) -> Result<Self, MetricError> {
        let wrong = || MetricError::Threshold(text.to_owned());
        let name_end = text.find(['<', '>', '=']).ok_or_else(wrong)?;
        let (name, rest) = (text[..name_end].trim(), &text[name_end..]);
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
        let (limit, unit) = quantity(value.trim()).filter(|_| !name.is_empty()).ok_or_else(wrong)?;
        let misfit = |reason| MetricError::Unit { text: text.to_owned(), name: name.to_owned(), reason };
        match (in_us(name), unit) {
            (true, LimitUnit::Time) | (false, LimitUnit::None | LimitUnit::Factor) => {}
            (true, _) => return Err(misfit("is a time and needs a unit: us, ms or s")),
            (false, LimitUnit::Time) => return Err(misfit("is no time and has no unit of time")),
        }
        Ok(Self { text: text.to_owned(), name: name.to_owned(), relation, limit })
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum LimitUnit {
    None,
    /// `%`, `k` or `M`.
    Factor,
    /// `us`, `ms` or `s`.
    Time,
}

/// A number with a unit: `us`, `ms`, `s` (in µs), `%`, `k`, `M`.
fn quantity(text: &str) -> Option<(f64, LimitUnit)> {
    let units = [
        ("us", 1.0, LimitUnit::Time),
        ("µs", 1.0, LimitUnit::Time),
        ("ms", 1e3, LimitUnit::Time),
        ("s", 1e6, LimitUnit::Time),
        ("%", 0.01, LimitUnit::Factor),
        ("k", 1e3, LimitUnit::Factor),
        ("M", 1e6, LimitUnit::Factor),
    ];
    let found =
        units.iter().find_map(|(name, factor, unit)| Some((text.strip_suffix(name)?, *factor, *unit)));
    let (number, factor, unit) = found.unwrap_or((text, 1.0, LimitUnit::None));
    let number = number.trim().parse::<f64>().ok()? * factor;
    number.is_finite().then_some((number, unit))
}

impl Threshold {
    /// The figure that is limited.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The limit as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns true if a broken limit is not expected to hold at the end of the run.
    /// Counts still grow, so a lower limit on a count cannot be judged early.
    pub fn can_be_judged_early(&self) -> bool {
        match self.relation {
            Relation::Less | Relation::AtMost => true,
            Relation::More | Relation::AtLeast => self.name.ends_with("_per_s"),
            Relation::Equal => false,
        }
    }

    /// Checks it against a result.
    pub fn check(&self, result: &Value) -> CheckedLimit {
        let value = figure(result, &self.name);
        let ok = value.is_some_and(|value| match self.relation {
            Relation::Less => value < self.limit,
            Relation::AtMost => value <= self.limit,
            Relation::More => value > self.limit,
            Relation::AtLeast => value >= self.limit,
            Relation::Equal => value == self.limit,
        });
        let shown =
            value.map_or_else(|| "there is nothing to judge".to_owned(), |value| show(&self.name, value));
        let text = format!("{} {}: {shown}", if ok { "ok    " } else { "FAILED" }, self.text);
        CheckedLimit { expression: self.text.clone(), value, ok, text }
    }
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
        for text in
            ["p99<10ms", "latency_us.p99 <= 9999us", "p99<1s", "service_p50==80us", "error_rate<=0.2%"]
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
    fn a_figure_of_nothing_fails_every_limit() {
        let nothing = json!({"events_per_s": 0.0, "latency_us": {"count": 0, "p99": 0},
            "measured": {"requests": 0, "requests_refused": 0, "requests_unknown": 0}});
        for text in
            ["p99<10ms", "p99>=0us", "error_rate==0", "error_rate<=0.1%", "events_per_s<1", "events_per_s>=0"]
        {
            let checked = text.parse::<Threshold>().expect("a threshold").check(&nothing);
            assert!(!checked.ok && checked.text.contains("nothing to judge"), "{checked:?}");
        }
    }

    #[test]
    fn a_latency_needs_a_unit_of_time_and_nothing_else_has_one() {
        for text in ["p99<10", "latency_us.p95<=3k", "service_max<1", "latency_by_status_us.202.p50<1"] {
            assert!(matches!(text.parse::<Threshold>(), Err(MetricError::Unit { .. })), "{text}");
        }
        for text in ["events_per_s>1s", "error_rate<1ms"] {
            assert!(matches!(text.parse::<Threshold>(), Err(MetricError::Unit { .. })), "{text}");
        }
        assert!("p95<3ms".parse::<Threshold>().is_ok());
    }

    #[test]
    fn only_limits_that_cannot_recover_are_judged_early() {
        let early = |text: &str| text.parse::<Threshold>().expect("a threshold").can_be_judged_early();
        assert!(early("p99<1ms") && early("error_rate<=1%") && early("events_per_s>=1k"));
        assert!(!early("measured.requests>=100") && !early("unsent==0"));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["p99", "<1", "p99<", "p99<x", "p99=1", "p99<NaN"] {
            assert!(text.parse::<Threshold>().is_err(), "{text}");
        }
    }
}
