//! The rate of an open loop over time: constant, in steps, in ramps, in bursts.
//!
//! As text, stages separated by commas: `5000` (events a second, from then on),
//! `5000/10s` (for ten seconds), `1000..50000/30s` (a straight ramp).

use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::duration;

/// Rates in events per second, over time.
#[derive(Clone, Debug, PartialEq)]
pub struct RateProfile {
    stages: Vec<Stage>,
    repeats: bool,
}

/// A straight line of the rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stage {
    /// Events per second at its start.
    pub(crate) from: f64,
    /// Events per second at its end.
    pub(crate) to: f64,
    /// Its length in seconds; infinite only in the last.
    pub(crate) seconds: f64,
}

/// How the requests of a rate are spread.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ArrivalSpread {
    /// Evenly.
    #[default]
    Even,
    /// Independently of one another, as from many users: a Poisson process.
    Poisson,
}

/// Why a text is not a profile.
#[derive(Debug, Error, Eq, PartialEq)]
#[error("{text:?} is not a rate over time: {reason}")]
pub struct ProfileError {
    text: String,
    reason: String,
}

/// The highest rate, in events per second.
const RATE_MAX: f64 = 1e9;

impl RateProfile {
    /// The same rate for ever.
    pub fn constant(events_per_s: f64) -> Self {
        Self { stages: vec![Stage::flat(events_per_s, f64::INFINITY)], repeats: false }
    }

    /// `events_per_s`, but `factor` times that for the last `length` of every `period`.
    pub fn burst(
        events_per_s: f64,
        factor: f64,
        length: Duration,
        period: Duration,
    ) -> Result<Self, ProfileError> {
        let profile = Self {
            stages: vec![
                Stage::flat(events_per_s, period.saturating_sub(length).as_secs_f64()),
                Stage::flat(events_per_s * factor, length.as_secs_f64()),
            ],
            repeats: true,
        };
        let shorter = !length.is_zero() && length < period;
        match profile.fault().or((!shorter).then_some("a burst must be shorter than its period")) {
            None => Ok(profile),
            Some(reason) => Err(ProfileError { text: "burst".into(), reason: reason.into() }),
        }
    }

    /// How long the stages are together; `None` if they have no end.
    pub fn length(&self) -> Option<Duration> {
        let seconds: f64 = self.stages.iter().map(|stage| stage.seconds).sum();
        (!self.repeats && seconds.is_finite()).then(|| Duration::from_secs_f64(seconds))
    }

    /// The rate, if it is constant.
    pub fn constant_rate(&self) -> Option<f64> {
        match self.stages[..] {
            [Stage { from, to, seconds: f64::INFINITY }] if from == to => Some(from),
            _ => None,
        }
    }

    pub(crate) fn stages(&self) -> &[Stage] {
        &self.stages
    }

    pub(crate) fn repeats(&self) -> bool {
        self.repeats
    }

    /// The first rule that the rates break, if any.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let rates = || self.stages.iter().flat_map(|stage| [stage.from, stage.to]);
        let last = self.stages.len().saturating_sub(1);
        if !rates().all(|rate| (0.0..=RATE_MAX).contains(&rate)) {
            Some("rates must be from 0 to 1000000000 events per second")
        } else if !rates().any(|rate| rate >= 0.001) {
            Some("some rate must be at least 0.001 events per second")
        } else if self.stages[..last].iter().any(|stage| stage.seconds.is_infinite()) {
            Some("only the last stage may go on for ever")
        } else {
            None
        }
    }
}

impl Stage {
    fn flat(rate: f64, seconds: f64) -> Self {
        Self { from: rate, to: rate, seconds }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let rate = |text: &str| {
            let rate = text.trim().parse::<f64>().ok().filter(|rate| rate.is_finite());
            rate.ok_or_else(|| format!("{text:?} is not a number"))
        };
        let (rates, seconds) = match text.split_once('/') {
            Some((rates, length)) => (rates, duration::parse(length.trim())?.as_secs_f64()),
            None => (text, f64::INFINITY),
        };
        match rates.split_once("..") {
            Some(_) if seconds.is_infinite() => Err("a ramp needs its length, as in 1000..5000/30s".into()),
            Some((from, to)) => Ok(Self { from: rate(from)?, to: rate(to)?, seconds }),
            None => Ok(Self::flat(rate(rates)?, seconds)),
        }
    }
}

impl FromStr for RateProfile {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Self, ProfileError> {
        let wrong = |reason: String| ProfileError { text: text.to_owned(), reason };
        let stages: Result<Vec<_>, _> = text.split(',').map(Stage::parse).collect();
        let profile = Self { stages: stages.map_err(wrong)?, repeats: false };
        profile.fault().map_or(Ok(profile), |fault| Err(wrong(fault.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_read() {
        let profile: RateProfile = "1000..5000/30s,5000/1m, 200 ".parse().expect("a profile");
        let expected = [
            Stage { from: 1000.0, to: 5000.0, seconds: 30.0 },
            Stage::flat(5000.0, 60.0),
            Stage::flat(200.0, f64::INFINITY),
        ];
        assert_eq!(profile.stages, expected);
        assert_eq!((profile.length(), profile.constant_rate()), (None, None));
        let ends: RateProfile = "0..10/1s,10/500ms".parse().expect("a profile");
        assert_eq!(ends.length(), Some(Duration::from_millis(1500)));
        assert_eq!("7".parse(), Ok(RateProfile::constant(7.0)));
        assert_eq!(RateProfile::constant(7.0).constant_rate(), Some(7.0));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "x", "1..2", "5,6/1s", "-1", "0", "1/1d", "2e9", "NaN", "1/10s,,2"] {
            assert!(text.parse::<RateProfile>().is_err(), "{text:?}");
        }
        let second = Duration::from_secs(1);
        assert!(RateProfile::burst(10.0, 2.0, second, second).is_err());
        assert!(RateProfile::burst(10.0, 2.0, second, 2 * second).is_ok());
    }
}
