//! Reads recordings ahead of the replay, merged by time, and plans when each
//! request is due.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::config::ReplayConfig;
use super::timing::{FileClock, Offsets};
use crate::recording::{Recorded, RecordingError, RecordingReader};

/// A request and its time.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) request: Recorded,
    /// When the request is due, from the start of the replay; `None` if it is
    /// sent as fast as answered.
    pub(super) offset: Option<Duration>,
    /// The customer's number; customers are numbered as they appear.
    pub(super) customer_number: u32,
    /// How often the recordings were played before.
    pub(super) pass: u64,
}

/// Irregularities that were found while reading.
#[derive(Debug, Default)]
pub(super) struct ReadFindings {
    /// Recordings whose last line was cut short, which is then not played.
    pub(super) cut_short: u64,
    /// Times that were replaced because they cannot be right.
    pub(super) times_replaced: u64,
    /// Recorded silence that was not waited for.
    pub(super) silence_skipped_s: f64,
    /// Why a recording could not be read to its end.
    pub(super) failure: Option<RecordingError>,
}

/// A recording that is being read, with its next two requests.
struct OpenRecording {
    reader: RecordingReader,
    clock: FileClock,
    /// The next request and its usable time.
    next: Option<(Recorded, Option<f64>)>,
    /// The request after that.
    following: Option<Recorded>,
    ended: Option<RecordingError>,
}

/// Reads until the end, the last pass or `stop`, as fast as requests are taken.
pub(super) fn read(
    config: &ReplayConfig,
    requests: &mpsc::Sender<Planned>,
    stop: &CancellationToken,
) -> ReadFindings {
    let mut customers: HashMap<String, u32> = HashMap::new();
    let (from, to) = (config.from.as_secs_f64(), config.to.map(|to| to.as_secs_f64()));
    let mut offsets = Offsets::new(config.gap_max.as_secs_f64());
    let mut findings = ReadFindings::default();
    for pass in 0..config.passes {
        let mut files = match open_all(config) {
            Ok(files) => files,
            Err(error) => {
                findings.failure = Some(error);
                return findings;
            }
        };
        let mut found_any = false;
        while let Some((request, at)) = take_earliest(&mut files) {
            found_any = true;
            if request.at.is_some() {
                offsets.count_timed();
            }
            let since = offsets.within_pass(at);
            let wanted = config.customers.is_empty() || config.customers.contains(&request.customer);
            if !wanted || since < from || to.is_some_and(|to| since >= to) {
                continue;
            }
            let due = offsets.pass_start + since - from;
            let next = customers.len() as u32;
            let customer_number = *customers.entry(request.customer.clone()).or_insert(next);
            let offset = config.speed.map(|speed| seconds(due / speed));
            let planned = Planned { request, offset, customer_number, pass };
            if stop.is_cancelled() || requests.blocking_send(planned).is_err() {
                return findings;
            }
        }
        offsets.end_pass(from, to);
        findings.add(files, &offsets);
        if findings.failure.is_some() || !found_any {
            return findings;
        }
    }
    findings
}

/// Converts any number of seconds; a value beyond the range of durations becomes the longest one.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

fn open_all(config: &ReplayConfig) -> Result<Vec<OpenRecording>, RecordingError> {
    let gap_max_s = config.gap_max.as_secs_f64();
    config.files.iter().map(|file| OpenRecording::open(file, gap_max_s)).collect()
}

/// The next request of all recordings: the first recording whose next request has no
/// time comes first, else the request with the earliest time.
fn take_earliest(files: &mut [OpenRecording]) -> Option<(Recorded, Option<f64>)> {
    let time = |file: &OpenRecording| file.next.as_ref().map(|(_, at)| at.unwrap_or(f64::NEG_INFINITY));
    let earliest = files
        .iter()
        .enumerate()
        .filter_map(|(nth, file)| Some((nth, time(file)?)))
        .min_by(|(_, one), (_, other)| one.total_cmp(other))
        .map(|(nth, _)| nth)?;
    files[earliest].take()
}

impl OpenRecording {
    fn open(path: &Path, gap_max_s: f64) -> Result<Self, RecordingError> {
        let reader = RecordingReader::open(path)?;
        let clock = FileClock::new(gap_max_s);
        let mut file = Self { reader, clock, next: None, following: None, ended: None };
        file.following = file.read();
        file.advance();
        Ok(file)
    }

    fn take(&mut self) -> Option<(Recorded, Option<f64>)> {
        let taken = self.next.take();
        self.advance();
        taken
    }

    fn advance(&mut self) {
        let Some(request) = self.following.take() else { return };
        self.following = self.read();
        let at = self.clock.usable(request.at, self.following.as_ref().and_then(|next| next.at));
        self.next = Some((request, at));
    }

    /// Reads a request. An error ends the recording; the requests before it are played.
    fn read(&mut self) -> Option<Recorded> {
        if self.ended.is_some() {
            return None;
        }
        self.reader.next_request().unwrap_or_else(|error| {
            self.ended = Some(error);
            None
        })
    }
}

impl ReadFindings {
    fn add(&mut self, files: Vec<OpenRecording>, offsets: &Offsets) {
        self.silence_skipped_s = offsets.skipped_s;
        for file in files {
            self.times_replaced += file.clock.replaced;
            match file.ended {
                Some(RecordingError::CutShort { .. }) => self.cut_short += 1,
                Some(error) => drop(self.failure.get_or_insert(error)),
                None => {}
            }
        }
    }
}
