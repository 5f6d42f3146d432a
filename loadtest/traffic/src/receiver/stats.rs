//! The figures of a receiver.

use std::fmt::Write as _;

use serde::Serialize;

use crate::account::TakenCounts;
use crate::summary::LatencySummary;

/// The figures since the start or the last reset. Events count within their
/// subscription: an event that two subscriptions deliver counts twice. The field
/// names are stable.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ReceiverStats {
    /// Deliveries taken: answered 2xx.
    pub deliveries: u64,
    /// Deliveries taken whose `webhook-id` had been taken before.
    pub deliveries_again: u64,
    /// Deliveries read and not taken, as the behaviour asked.
    pub deliveries_refused: u64,
    /// Deliveries answered 401 for their signature.
    pub signature_failures: u64,
    /// Requests that could not be read.
    pub malformed_requests: u64,
    /// Distinct marked events taken.
    pub events: u64,
    /// Marked events taken before, in a delivery with an id seen before.
    pub duplicates_same_delivery: u64,
    /// Marked events taken before, in a delivery with a new id or none.
    pub duplicates_other_delivery: u64,
    /// Events that came after a later one of their stream.
    pub out_of_order: u64,
    /// Sequence numbers below the highest of their stream that have not come: lost,
    /// refused by the server, or in flight.
    pub missing: u64,
    /// Events whose checksum does not hold.
    pub corrupted: u64,
    /// Events that `sluice-event-count` announced and that had no mark.
    pub unmarked: u64,
    /// Events of deliveries (or parts of them) that were not taken.
    pub events_refused: u64,
    /// Events that could not be tracked, because too many streams are tracked already.
    pub untracked: u64,
    /// Most events in a delivery.
    pub largest_delivery: u64,
    /// Bytes of the bodies taken.
    pub body_bytes: u64,
    /// Streams seen: connections times customers times subscriptions.
    pub streams: u64,
    /// Subscriptions (or paths) seen.
    pub subscriptions: u64,
    /// From the first to the last delivery taken, in seconds.
    pub active_s: f64,
    /// Distinct events per second of `active_s`.
    pub events_per_s: f64,
    /// From when an event was meant to be sent to its first receipt, µs.
    pub latency_us: LatencySummary,
    /// The figures of each run of a sender.
    pub runs: Vec<RunStats>,
}

/// The figures of one run of a sender.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct RunStats {
    /// The run, 16 hex digits.
    pub run: String,
    /// Streams seen.
    pub streams: u64,
    /// Distinct events taken.
    pub events: u64,
    /// Events taken before.
    pub duplicates: u64,
    /// Events that came after a later one of their stream.
    pub out_of_order: u64,
    /// Sequence numbers below the highest of their stream that have not come.
    pub missing: u64,
}

impl RunStats {
    pub(super) fn new(run: u64) -> Self {
        Self { run: format!("{run:016x}"), ..Self::default() }
    }

    pub(super) fn add(&mut self, stream: &TakenCounts, missing: u64) {
        self.streams += 1;
        self.events += stream.new;
        self.duplicates += stream.duplicates;
        self.out_of_order += stream.out_of_order;
        self.missing += missing;
    }
}

impl ReceiverStats {
    /// The result for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.write_text(&mut text).expect("writing to a String does not fail");
        text
    }

    fn write_text(&self, text: &mut String) -> std::fmt::Result {
        let per_delivery = self.events as f64 / (self.deliveries.max(1)) as f64;
        writeln!(
            text,
            "{} events in {} deliveries ({per_delivery:.1} each, at most {}), {:.0} events/s over {:.1} s",
            self.events, self.deliveries, self.largest_delivery, self.events_per_s, self.active_s
        )?;
        writeln!(
            text,
            "{} missing, {} duplicates ({} with the same webhook-id), {} out of order, {} corrupted, \
             {} unmarked, {} untracked",
            self.missing,
            self.duplicates_same_delivery + self.duplicates_other_delivery,
            self.duplicates_same_delivery,
            self.out_of_order,
            self.corrupted,
            self.unmarked,
            self.untracked
        )?;
        writeln!(
            text,
            "{} deliveries refused ({} events), {} bad signatures, {} malformed requests",
            self.deliveries_refused, self.events_refused, self.signature_failures, self.malformed_requests
        )?;
        writeln!(text, "latency to receipt: {}", self.latency_us.line())?;
        self.runs.iter().try_for_each(|run| {
            writeln!(
                text,
                "run {}: {} events of {} streams, {} missing, {} duplicates, {} out of order",
                run.run, run.events, run.streams, run.missing, run.duplicates, run.out_of_order
            )
        })
    }
}
