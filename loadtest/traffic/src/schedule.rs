//! The times at which an open loop sends: a fixed plan that does not wait for answers,
//! so that a slow server cannot slow its own measurement.
//!
//! Each request has a place on a line that starts at 0. Evenly spread requests are at
//! 0, 1, 2, …; those of a Poisson process at the sums of exponential gaps of mean 1. A
//! request is due when the rate's integral reaches its place.

use std::sync::Arc;
use std::time::Duration;

use crate::profile::{ArrivalSpread, RateProfile, Stage};
use crate::random::SeededRandom;

/// The times of one worker's requests. Two clones give the same times, so one
/// can count due requests while the other tells when each was due.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    stages: Arc<[Stage]>,
    repeats: bool,
    /// Requests of this worker for each event of the profile.
    share: f64,
    places: Places,
    /// The stage of the last place, and where that stage begins.
    stage: usize,
    start_s: f64,
    start_place: f64,
    due: Duration,
}

/// The places of requests on the line.
#[derive(Clone, Debug)]
enum Places {
    Even { next: u64, phase: f64 },
    Poisson { at: f64, random: SeededRandom },
}

/// A worker's part of a profile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScheduleShare {
    /// Requests for each event of the profile.
    pub(crate) share: f64,
    /// Where the first request falls within an interval, 0 to 1: workers that
    /// share a rate differ in it.
    pub(crate) phase: f64,
    /// Seed of the arrivals of a Poisson process.
    pub(crate) seed: u64,
}

impl Schedule {
    pub(crate) fn new(profile: &RateProfile, arrivals: ArrivalSpread, share: ScheduleShare) -> Self {
        let places = match arrivals {
            ArrivalSpread::Even => Places::Even { next: 0, phase: share.phase },
            ArrivalSpread::Poisson => Places::Poisson { at: 0.0, random: SeededRandom::new(share.seed) },
        };
        let mut schedule = Self {
            stages: profile.stages().into(),
            repeats: profile.repeats(),
            share: share.share,
            places,
            stage: 0,
            start_s: 0.0,
            start_place: 0.0,
            due: Duration::ZERO,
        };
        schedule.advance();
        schedule
    }

    /// When the next request is due, from the start of the run;
    /// [`Duration::MAX`] if there is none.
    pub(crate) fn peek(&self) -> Duration {
        self.due
    }

    /// Takes the next request.
    pub(crate) fn take(&mut self) -> Duration {
        let due = self.due;
        self.advance();
        due
    }

    /// Takes the requests that are due by `elapsed`, at most `limit`; returns how many.
    pub(crate) fn take_due(&mut self, elapsed: Duration, limit: usize) -> usize {
        (0..limit).take_while(|_| (self.peek() <= elapsed).then(|| self.take()).is_some()).count()
    }

    fn advance(&mut self) {
        let place = self.places.next();
        self.due = self
            .time_of(place)
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .unwrap_or(Duration::MAX);
    }

    /// When the rate's integral reaches `place`, in seconds; places ascend.
    fn time_of(&mut self, place: f64) -> Option<f64> {
        loop {
            let stage = self.stages.get(self.stage)?;
            let (from, to) = (stage.from * self.share, stage.to * self.share);
            let requests = if from + to > 0.0 { (from + to) / 2.0 * stage.seconds } else { 0.0 };
            let within = place - self.start_place;
            if within < requests {
                // The root of from·t + (to - from)/2s·t² = within, in the form
                // without cancellation.
                let slope = (to - from) / stage.seconds;
                let root = (from * from + 2.0 * slope * within).max(0.0).sqrt();
                let seconds = if within > 0.0 { 2.0 * within / (from + root) } else { 0.0 };
                return Some(self.start_s + seconds);
            }
            self.start_s += stage.seconds;
            self.start_place += requests;
            self.stage += 1;
            if self.repeats && self.stage == self.stages.len() {
                self.stage = 0;
            }
        }
    }
}

impl Places {
    fn next(&mut self) -> f64 {
        match self {
            Self::Even { next, phase } => {
                *next += 1;
                (*next - 1) as f64 + *phase
            }
            Self::Poisson { at, random } => {
                *at -= (1.0 - random.unit()).ln();
                *at
            }
        }
    }
}

#[cfg(test)]
mod tests;
