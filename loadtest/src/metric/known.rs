//! The figures that the result of a command can have, so that a limit on another name
//! is refused before anything runs.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{LATENCIES, MetricError, Threshold, full_name};
use crate::receiver::ReceiverStats;
use crate::sender::RunReport;
use crate::verify::VerifyReport;

/// The command that makes the result.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ResultKind {
    /// `run` or `search`.
    Run,
    /// `replay`.
    Replay,
    /// `chaos`.
    Chaos,
}

/// The figures that a result can have.
#[derive(Clone, Debug)]
pub struct KnownFigures {
    names: BTreeSet<String>,
    kind: ResultKind,
    /// True if the server's process is watched.
    watched: bool,
    /// True if a receiver is asked for its figures.
    receiver: bool,
}

const REPLAY_FIGURES: [&str; 6] =
    ["played", "customers", "unmarked_events", "held_back", "times_replaced", "silence_skipped_s"];

impl KnownFigures {
    /// The figures of a command's result, with or without those of the
    /// server's process and of a receiver.
    pub fn new(kind: ResultKind, watched: bool, receiver: bool) -> Self {
        let mut names = BTreeSet::new();
        names.insert("error_rate".to_owned());
        add_numbers(&mut names, "", &value_of(&RunReport::default()));
        names.extend(["rate", "generator_cores"].map(str::to_owned));
        if kind == ResultKind::Replay {
            names.extend(REPLAY_FIGURES.map(str::to_owned));
        }
        if watched {
            names.extend(["watched.cores", "watched.memory_bytes_max"].map(str::to_owned));
        }
        if receiver {
            add_numbers(&mut names, "receiver.", &value_of(&ReceiverStats::default()));
        }
        if kind == ResultKind::Chaos {
            add_numbers(&mut names, "verify.", &value_of(&VerifyReport::default()));
        }
        Self { names, kind, watched, receiver }
    }

    /// Refuses a limit on a figure that the result cannot have.
    pub fn check(&self, threshold: &Threshold) -> Result<(), MetricError> {
        let name = full_name(threshold.name());
        let known = match name.strip_prefix("flows.").and_then(|rest| rest.split_once('.')) {
            Some((_flow, rest)) if self.kind == ResultKind::Chaos => {
                self.knows(rest.strip_prefix("run.").unwrap_or(rest))
            }
            _ => self.knows(&name),
        };
        if known {
            return Ok(());
        }
        let hint = match name.split('.').next() {
            Some("watched") if !self.watched => " without --watch-pid",
            Some("receiver") if !self.receiver => " without --receiver",
            _ => "",
        };
        Err(MetricError::Unknown {
            text: threshold.text().to_owned(),
            name: threshold.name().to_owned(),
            hint,
        })
    }

    fn knows(&self, name: &str) -> bool {
        let status = |text: &str| text.parse::<u16>().is_ok_and(|status| (100..600).contains(&status));
        if let Some(answer) = name.strip_prefix("answers.") {
            return status(answer);
        }
        if let Some((which, part)) =
            name.strip_prefix("latency_by_status_us.").and_then(|rest| rest.split_once('.'))
        {
            return (status(which) || which == "none") && (part == "count" || LATENCIES.contains(&part));
        }
        self.names.contains(name)
    }
}

fn value_of(report: &impl serde::Serialize) -> Value {
    serde_json::to_value(report).unwrap_or_default()
}

fn add_numbers(names: &mut BTreeSet<String>, prefix: &str, value: &Value) {
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Number(_) => names.extend([format!("{prefix}{name}")]),
            Value::Object(_) => add_numbers(names, &format!("{prefix}{name}."), value),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(kind: ResultKind, text: &str) -> bool {
        let threshold: Threshold = text.parse().expect("a threshold");
        KnownFigures::new(kind, true, true).check(&threshold).is_ok()
    }

    #[test]
    fn figures_of_each_result_are_known() {
        for text in [
            "p95<1ms",
            "service_p999<1ms",
            "error_rate<1%",
            "unsent==0",
            "whole_run.timeouts==0",
            "answers.202>0",
            "latency_by_status_us.429.p99<1s",
            "generator_cores<1",
            "watched.cores<1",
            "receiver.missing==0",
            "receiver.latency_us.p99<1s",
        ] {
            assert!(known(ResultKind::Run, text), "{text}");
        }
        assert!(known(ResultKind::Replay, "played>=10"));
        for text in
            ["flows.healthy.receiver.latency_us.p99<1s", "flows.a.run.error_rate<=0", "verify.lost==0"]
        {
            assert!(known(ResultKind::Chaos, text), "{text}");
        }
    }

    #[test]
    fn other_names_are_refused_with_what_would_make_them() {
        for text in
            ["p98<1", "eror_rate<1%", "answers.abc>0", "played>=10", "verify.lost==0", "flows.a.unsent==0"]
        {
            assert!(!known(ResultKind::Run, text), "{text}");
        }
        let alone = KnownFigures::new(ResultKind::Run, false, false);
        let refused = alone.check(&"receiver.events>0".parse().expect("a threshold")).expect_err("unknown");
        assert!(refused.to_string().contains("without --receiver"), "{refused}");
    }
}
