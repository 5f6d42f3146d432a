//! Reads recordings ahead of the replay, and plans when each request is due.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::ReplayConfig;
use crate::recording::{Recorded, RecordingError, RecordingReader};

/// A request and its time.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) request: Recorded,
    /// From the start of the replay; none where time does not count.
    pub(super) offset: Option<Duration>,
    /// Customers are numbered as they appear.
    pub(super) customer_number: u32,
    /// How often the recording was played before.
    pub(super) pass: u64,
}

/// Which requests are played, and when.
#[derive(Debug)]
struct Plan<'a> {
    config: &'a ReplayConfig,
    /// Unix time of the first request.
    first: Option<f64>,
    /// Of the latest so far: requests without a time come with it.
    last: f64,
    /// Where this pass starts, in recorded seconds from the first pass.
    pass_start: f64,
    /// Requests of this pass that had a time.
    timed: u64,
}

/// Reads until the end, the last pass or `stop`, as fast as requests are taken.
pub(super) fn read(
    config: &ReplayConfig,
    requests: &mpsc::Sender<Planned>,
    stop: &CancellationToken,
) -> Result<(), RecordingError> {
    let mut customers: HashMap<String, u32> = HashMap::new();
    let mut plan = Plan { config, first: None, last: 0.0, pass_start: 0.0, timed: 0 };
    for pass in 0..config.passes {
        for file in &config.files {
            let mut reader = RecordingReader::open(file)?;
            while let Some(request) = reader.next_request()? {
                let Some(offset) = plan.offset_of(&request) else { continue };
                let next = customers.len() as u32;
                let customer_number = *customers.entry(request.customer.clone()).or_insert(next);
                let offset = config.speed.map(|speed| Duration::from_secs_f64(offset / speed));
                let planned = Planned { request, offset, customer_number, pass };
                if stop.is_cancelled() || requests.blocking_send(planned).is_err() {
                    return Ok(());
                }
            }
        }
        plan.end_pass();
    }
    Ok(())
}

impl Plan<'_> {
    /// When a request is due, in recorded seconds; none if it is not played.
    fn offset_of(&mut self, request: &Recorded) -> Option<f64> {
        let at = match request.at {
            Some(at) => {
                self.timed += 1;
                at
            }
            None => self.last.max(self.first.unwrap_or_default()),
        };
        let first = *self.first.get_or_insert(at);
        self.last = self.last.max(at);
        // One before the first has come out of order: it is due at once.
        let since = (at - first).max(0.0);
        let from = self.config.from.as_secs_f64();
        let played = since >= from && self.config.to.is_none_or(|to| since < to.as_secs_f64());
        let customers = &self.config.customers;
        let wanted = customers.is_empty() || customers.contains(&request.customer);
        (played && wanted).then_some(self.pass_start + since - from)
    }

    /// The next pass follows at the mean distance of two requests.
    fn end_pass(&mut self) {
        let from = self.config.from.as_secs_f64();
        let whole = self.last - self.first.unwrap_or(self.last);
        let length = self.config.to.map_or(whole, |to| to.as_secs_f64().min(whole)) - from;
        let gap = if self.timed > 1 { whole / (self.timed - 1) as f64 } else { 0.0 };
        self.pass_start += length.max(0.0) + gap;
        (self.last, self.timed) = (0.0, 0);
    }
}
