//! Scenarios, read from TOML: the traffic, its receivers, and the faults meanwhile.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use thiserror::Error;

use super::fault::FaultKind;
use crate::duration;
use crate::metric::{KnownFigures, MetricError, ResultKind, Threshold};
use crate::profile::RateProfile;
use crate::receiver::Behaviour;

/// A file of `loadtest/scenarios/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// A title for people.
    pub title: String,
    /// How long traffic flows, warm-up included.
    #[serde(deserialize_with = "duration_text")]
    pub duration: Duration,
    /// The first part of `duration`, which is not measured.
    #[serde(default, deserialize_with = "duration_text")]
    pub warmup: Duration,
    /// How long deliveries may take to arrive after the traffic's end.
    #[serde(default = "settle", deserialize_with = "duration_text")]
    pub settle: Duration,
    /// Streams of traffic, each with customers and a receiver of its own.
    #[serde(rename = "flow")]
    pub flows: Vec<FlowConfig>,
    /// The faults, if any.
    #[serde(default)]
    pub faults: FaultConfig,
    /// Limits on the result, as in `run --threshold`; a name is a figure of the first
    /// flow, or `flows.NAME.…`.
    #[serde(default, deserialize_with = "threshold_texts")]
    pub thresholds: Vec<Threshold>,
    /// The server's environment.
    #[serde(default)]
    pub environment: std::collections::BTreeMap<String, String>,
}

/// A stream of traffic.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlowConfig {
    /// The flow's name in the result.
    pub name: String,
    /// How many customers, each with a subscription of its own.
    pub customers: usize,
    /// Exponent of the customers' Zipf distribution; 0 for taking turns.
    pub skew: f64,
    /// The rate, as in `run --rate`; without it, as fast as answered.
    #[serde(deserialize_with = "rate_text")]
    pub rate: Option<RateProfile>,
    /// Events a request.
    pub batch: usize,
    /// Connections.
    pub connections: usize,
    /// Size of an event.
    pub event_bytes: usize,
    /// Whether the subscriptions are `ordered`, events have keys, and order is verified.
    pub ordered: bool,
    /// Most events a webhook.
    pub webhook_events: usize,
    /// How the receiver answers while it is not broken.
    pub receiver: Behaviour,
    /// A recording to play instead; relative to the scenario's file.
    pub replay: Option<PathBuf>,
    /// A multiple of the recorded speed; without it, as fast as answered.
    pub speed: Option<f64>,
}

impl Default for FlowConfig {
    fn default() -> Self {
        Self {
            name: "traffic".into(),
            customers: 1,
            skew: 0.0,
            rate: None,
            batch: 1,
            connections: 16,
            event_bytes: 220,
            ordered: false,
            webhook_events: 1000,
            receiver: Behaviour::default(),
            replay: None,
            speed: None,
        }
    }
}

/// Which faults happen, and how often.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultConfig {
    /// Each fault is drawn from these kinds, with equal probability.
    pub kinds: Vec<FaultKind>,
    /// Longest time from one fault's end to the next one's start.
    #[serde(deserialize_with = "duration_text")]
    pub every: Duration,
    /// Longest time that a fault lasts.
    #[serde(deserialize_with = "duration_text")]
    pub lasting: Duration,
}

/// Why a scenario cannot be run.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("reading {}", .0.display())]
    File(PathBuf, #[source] std::io::Error),
    /// The file is no scenario.
    #[error("{} is not a scenario", .0.display())]
    Toml(PathBuf, #[source] Box<toml::de::Error>),
    /// A value is out of range.
    #[error("{}: {fault}", path.display())]
    Value {
        /// Which file.
        path: PathBuf,
        /// Which rule it breaks.
        fault: &'static str,
    },
    /// A limit is on a figure that no result has.
    #[error("{}", path.display())]
    Threshold {
        /// Which file.
        path: PathBuf,
        /// Which limit.
        source: MetricError,
    },
}

impl Scenario {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path).map_err(|error| ScenarioError::File(path.into(), error))?;
        let mut scenario: Self =
            toml::from_str(&text).map_err(|error| ScenarioError::Toml(path.into(), Box::new(error)))?;
        if let Some(fault) = scenario.fault() {
            return Err(ScenarioError::Value { path: path.into(), fault });
        }
        let figures = KnownFigures::new(ResultKind::Chaos, true, true);
        for threshold in &scenario.thresholds {
            let failed = |source| ScenarioError::Threshold { path: path.into(), source };
            figures.check(threshold).map_err(failed)?;
        }
        let directory = path.parent().unwrap_or(Path::new("."));
        for recording in scenario.flows.iter_mut().filter_map(|flow| flow.replay.as_mut()) {
            *recording = directory.join(&*recording);
        }
        Ok(scenario)
    }

    fn fault(&self) -> Option<&'static str> {
        let mut names: Vec<_> = self.flows.iter().map(|flow| &flow.name).collect();
        names.sort_unstable();
        names.dedup();
        let faults = &self.faults;
        if self.flows.is_empty() || names.len() < self.flows.len() {
            Some("there must be a [[flow]], and their names must differ")
        } else if self.flows.iter().any(|flow| !(1..=10_000).contains(&flow.customers)) {
            Some("customers must be 1 to 10000")
        } else if self.flows.iter().any(|flow| !(1..=10_000).contains(&flow.webhook_events)) {
            Some("webhook_events must be 1 to 10000")
        } else if !faults.kinds.is_empty() && (faults.every.is_zero() || faults.lasting.is_zero()) {
            Some("faults need every and lasting above 0")
        } else if self.duration <= self.warmup {
            Some("duration must be above warmup: nothing would be measured")
        } else {
            None
        }
    }
}

fn settle() -> Duration {
    Duration::from_secs(60)
}

fn duration_text<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    duration::parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

fn rate_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<RateProfile>, D::Error> {
    String::deserialize(from)?.parse().map(Some).map_err(serde::de::Error::custom)
}

fn threshold_texts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Threshold>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prepared_scenario_can_be_read() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let files = std::fs::read_dir(directory).expect("the scenarios");
        let scenarios = files.map(|file| file.expect("a file").path());
        let scenarios: Vec<_> =
            scenarios.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
        assert!(scenarios.len() >= 5);
        for path in scenarios {
            Scenario::read(&path)
                .unwrap_or_else(|error| panic!("{}: {}", path.display(), crate::chain(&error)));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("s.toml");
        for text in [
            "",
            "title='a'\nduration='1s'\nflow=[]",
            "title='a'\nduration='1x'\n[[flow]]",
            "title='a'\nduration='1s'\n[[flow]]\ncustmers=1",
            "title='a'\nduration='1s'\n[[flow]]\nrate='fast'",
            "title='a'\nduration='1s'\n[[flow]]\n[[flow]]",
            "title='a'\nduration='1s'\n[[flow]]\n[faults]\nkinds=['kill']",
            "title='a'\nduration='1s'\nwarmup='1s'\n[[flow]]",
            "title='a'\nduration='1s'\nthresholds=['p98<1']\n[[flow]]",
            "title='a'\nduration='1s'\n[[flow]]\n[faults]\nkinds=['meteor']\nevery='1s'\nlasting='1s'",
        ] {
            std::fs::write(&path, text).expect("written");
            assert!(Scenario::read(&path).is_err(), "{text}");
        }
        std::fs::write(&path, "title='a'\nduration='1s'\n[[flow]]\n").expect("written");
        assert!(Scenario::read(&path).is_ok());
    }
}
