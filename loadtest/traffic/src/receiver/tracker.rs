//! The receiver's record of the events that it took: pure state, no I/O.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::account::{StreamAccount, TakenCounts};
use crate::ledger::{Code, LedgerBuffer, LedgerEntry};
use crate::mark::Mark;
use crate::scan::ScannedMark;
use crate::summary::Latencies;

use super::stats::{ReceiverStats, RunStats};

/// The most streams that are tracked; events of further streams count as untracked.
const STREAMS_MAX: usize = 1 << 20;
/// Delivery ids remembered, to tell a repeated delivery from a new one.
const DELIVERY_IDS_MAX: usize = 1 << 20;

/// The facts about a delivery, apart from its events.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReceivedDelivery<'a> {
    /// The subscription's id, or else the path: duplicates count within it.
    pub(super) subscription: &'a [u8],
    /// `webhook-id`, the same on every attempt.
    pub(super) id: Option<&'a [u8]>,
    /// `sluice-event-count`.
    pub(super) event_count: Option<u64>,
    pub(super) body_bytes: u64,
    /// When the body was read, Unix time in ns.
    pub(super) received_ns: u64,
    /// The number of places that look like marks but are not.
    pub(super) garbled: u64,
}

/// All streams, and the sums over them.
#[derive(Debug)]
pub(super) struct Tracker {
    index: HashMap<StreamKey, usize, foldhash::fast::RandomState>,
    streams: Vec<TrackedStream>,
    /// The stream looked up last: events usually come in runs of one stream.
    last: Option<(StreamKey, usize)>,
    subscriptions: HashSet<u64>,
    delivery_ids: RecentIds,
    sums: ReceiverStats,
    latency: Latencies,
    first_ns: u64,
    last_ns: u64,
    entries: Option<LedgerBuffer>,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct StreamKey {
    subscription: u64,
    run: u64,
    stream: u32,
}

#[derive(Debug)]
struct TrackedStream {
    key: StreamKey,
    account: StreamAccount,
    sums: TakenCounts,
}

/// Consecutive events of one stream with one send time.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    mark: Mark,
    count: u64,
}

impl Tracker {
    /// With `ledger`, notes entries to be [taken](Self::take_entries).
    pub(super) fn new(ledger: bool) -> Self {
        Self {
            index: HashMap::default(),
            streams: Vec::new(),
            last: None,
            subscriptions: HashSet::new(),
            delivery_ids: RecentIds::default(),
            sums: ReceiverStats::default(),
            latency: Latencies::new(),
            first_ns: 0,
            last_ns: 0,
            entries: ledger.then(LedgerBuffer::default),
        }
    }

    /// Counts a delivery that was taken, with its marks. Returns true if the
    /// ledger's entries should be written now.
    pub(super) fn take(&mut self, delivery: &ReceivedDelivery<'_>, marks: &[ScannedMark]) -> bool {
        let subscription = fnv1a(delivery.subscription);
        self.subscriptions.insert(subscription);
        let again = delivery.id.is_some_and(|id| !self.delivery_ids.insert(fnv1a(id)));
        self.count_delivery(delivery, marks.len() as u64, again);
        let mut full = false;
        let mut stretch: Option<Stretch> = None;
        for scanned in marks {
            let mark = scanned.found.mark;
            if !scanned.found.intact {
                full |= self.corrupted(subscription, mark);
            } else if !stretch.as_mut().is_some_and(|stretch| stretch.extend(&mark)) {
                let finished = stretch.replace(Stretch { mark, count: 1 });
                full |= finished.is_some_and(|done| self.take_stretch(subscription, &done, delivery, again));
            }
        }
        full | stretch.is_some_and(|last| self.take_stretch(subscription, &last, delivery, again))
    }

    fn count_delivery(&mut self, delivery: &ReceivedDelivery<'_>, marks: u64, again: bool) {
        if self.first_ns == 0 {
            self.first_ns = delivery.received_ns;
        }
        self.last_ns = self.last_ns.max(delivery.received_ns);
        let found = marks + delivery.garbled;
        let sums = &mut self.sums;
        sums.deliveries += 1;
        sums.deliveries_again += u64::from(again);
        sums.body_bytes += delivery.body_bytes;
        sums.corrupted += delivery.garbled;
        sums.unmarked += delivery.event_count.unwrap_or(found).saturating_sub(found);
        sums.largest_delivery = sums.largest_delivery.max(delivery.event_count.unwrap_or(found));
    }

    fn take_stretch(
        &mut self,
        subscription: u64,
        stretch: &Stretch,
        delivery: &ReceivedDelivery<'_>,
        again: bool,
    ) -> bool {
        let Mark { run, stream, sequence, sent_ns } = stretch.mark;
        let Some(at) = self.find(StreamKey { subscription, run, stream }) else {
            self.sums.untracked += stretch.count;
            return false;
        };
        let Ok(taken) = self.streams[at].account.take(sequence, stretch.count) else {
            self.sums.untracked += stretch.count;
            return false;
        };
        self.streams[at].sums.add(&taken);
        self.sums.events += taken.new;
        self.sums.out_of_order += taken.out_of_order;
        if again {
            self.sums.duplicates_same_delivery += taken.duplicates;
        } else {
            self.sums.duplicates_other_delivery += taken.duplicates;
        }
        if taken.new > 0 {
            self.latency.record_n(delivery.received_ns.saturating_sub(sent_ns) / 1000, taken.new);
        }
        let code = if again { Code::TakenAgain } else { Code::Taken };
        self.note(at, subscription, stretch.mark, stretch.count, code)
    }

    fn corrupted(&mut self, subscription: u64, mark: Mark) -> bool {
        self.sums.corrupted += 1;
        // The stream in the mark may be wrong, so a slot of no stream is used.
        self.note(self.streams.len(), subscription, mark, 1, Code::Corrupted)
    }

    fn note(&mut self, slot: usize, group: u64, mark: Mark, count: u64, code: Code) -> bool {
        let Some(entries) = &mut self.entries else { return false };
        let Mark { run, stream, sequence, .. } = mark;
        entries.note(slot, LedgerEntry { run, group, stream, first: sequence, count: count as u32, code })
    }

    fn find(&mut self, key: StreamKey) -> Option<usize> {
        if let Some((last, position)) = self.last
            && last == key
        {
            return Some(position);
        }
        let position = match self.index.get(&key) {
            Some(&position) => position,
            None if self.streams.len() < STREAMS_MAX => {
                self.streams.push(TrackedStream {
                    key,
                    account: StreamAccount::default(),
                    sums: TakenCounts::default(),
                });
                self.index.insert(key, self.streams.len() - 1);
                self.streams.len() - 1
            }
            None => return None,
        };
        self.last = Some((key, position));
        Some(position)
    }

    /// Counts a delivery that was read and not taken.
    pub(super) fn refuse(&mut self, events: u64) {
        self.sums.deliveries_refused += 1;
        self.sums.events_refused += events;
    }

    /// Counts events that a 2xx answer said failed.
    pub(super) fn refuse_events(&mut self, events: u64) {
        self.sums.events_refused += events;
    }

    pub(super) fn refuse_signature(&mut self) {
        self.sums.signature_failures += 1;
    }

    pub(super) fn refuse_request(&mut self) {
        self.sums.malformed_requests += 1;
    }

    /// Ledger entries since the last time.
    pub(super) fn take_entries(&mut self) -> Vec<LedgerEntry> {
        self.entries.as_mut().map(LedgerBuffer::take).unwrap_or_default()
    }

    pub(super) fn stats(&self) -> ReceiverStats {
        let active_s = self.last_ns.saturating_sub(self.first_ns) as f64 / 1e9;
        let mut runs: HashMap<u64, RunStats> = HashMap::new();
        for stream in &self.streams {
            let run = runs.entry(stream.key.run).or_insert_with(|| RunStats::new(stream.key.run));
            run.add(&stream.sums, stream.account.missing());
        }
        let mut runs: Vec<_> = runs.into_values().collect();
        runs.sort_by(|a, b| a.run.cmp(&b.run));
        ReceiverStats {
            streams: self.streams.len() as u64,
            subscriptions: self.subscriptions.len() as u64,
            missing: runs.iter().map(|run| run.missing).sum(),
            active_s,
            events_per_s: if active_s > 0.0 { self.sums.events as f64 / active_s } else { 0.0 },
            latency_us: self.latency.summary(),
            runs,
            ..self.sums.clone()
        }
    }
}

impl Stretch {
    /// Adds `mark` if it is the next of the stream and has the same send time.
    fn extend(&mut self, mark: &Mark) -> bool {
        let next = Mark { sequence: self.mark.sequence + self.count, ..self.mark };
        let continues = next == *mark;
        self.count += u64::from(continues);
        continues
    }
}

/// The hashes last seen, up to a limit.
#[derive(Debug, Default)]
struct RecentIds {
    known: HashSet<u64, foldhash::fast::RandomState>,
    order: VecDeque<u64>,
}

impl RecentIds {
    /// Remembers `id`; returns true if it is new.
    fn insert(&mut self, id: u64) -> bool {
        let new = self.known.insert(id);
        if new {
            self.order.push_back(id);
            if self.order.len() > DELIVERY_IDS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
        new
    }
}

/// FNV-1a, 64 bits: short names, and the same in every ledger.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
