//! Compares the ledgers of a sender and a receiver.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use crate::account::StreamAccount;
use crate::ledger::{Code, LedgerEntry, LedgerError, LedgerKind, LedgerReader};
use crate::seq_set::SequenceSet;

/// How many stretches of lost events are listed.
const LOST_LISTED_MAX: usize = 20;

/// The subscriptions at which an acknowledged event must have arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arrival {
    /// At every subscription that received any event of its stream.
    EverySubscription,
    /// At any one subscription: for several subscriptions that share a stream by event type.
    AnySubscription,
}

/// The comparison. Numbers are of events; the field names are stable.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct VerifyReport {
    /// Answered 2xx: had to arrive.
    pub acknowledged: u64,
    /// Answered 4xx: should not have arrived.
    pub refused: u64,
    /// Sent without a definite answer: may have arrived.
    pub unknown: u64,
    /// Distinct events taken, at each subscription.
    pub received: u64,
    /// Acknowledged and not taken, at each subscription.
    pub lost: u64,
    /// Refused and yet taken.
    pub refused_but_received: u64,
    /// Taken, and nowhere in the sender's ledger: sent just before it was killed.
    pub unlisted: u64,
    /// Taken again in a delivery with an id seen before.
    pub duplicates_same_delivery: u64,
    /// Taken again in a delivery with a new id or none.
    pub duplicates_other_delivery: u64,
    /// Taken after a later event of their stream.
    pub out_of_order: u64,
    /// The acknowledged ones among `out_of_order`: each was answered 2xx before
    /// the later event was sent, so their order was promised.
    pub acknowledged_out_of_order: u64,
    /// Taken with a checksum that does not hold.
    pub corrupted: u64,
    /// Entries with numbers that no ledger of this program has.
    pub absurd_entries: u64,
    /// Streams sent.
    pub streams: u64,
    /// Subscriptions that received.
    pub subscriptions: u64,
    /// The first stretches of lost events.
    pub lost_stretches: Vec<LostStretch>,
    /// Whether anything was acknowledged, and nothing is lost or corrupted, nor
    /// out of order where that was asked for.
    pub ok: bool,
}

/// Consecutive lost events of a stream.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct LostStretch {
    /// The sender's run, 16 hex digits.
    pub run: String,
    /// The sender's stream.
    pub stream: u32,
    /// First sequence number.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// The hash of the subscription that lacks it; `None` if no subscription received
    /// any event of the stream, or any one subscription would be enough.
    pub subscription: Option<String>,
}

/// This program writes the ledgers itself, so their keys need no defence against collisions.
type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// A run and a stream of it.
type StreamId = (u64, u32);

/// One stream in a sender's ledger.
#[derive(Debug, Default)]
struct SentStream {
    acknowledged: SequenceSet,
    refused: SequenceSet,
    unknown: SequenceSet,
}

/// Both ledgers, as sets.
#[derive(Debug, Default)]
struct Books {
    sent: Map<StreamId, SentStream>,
    received: Map<StreamId, Map<u64, StreamAccount>>,
    report: VerifyReport,
}

/// The requirement on the order of events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OrderCheck {
    /// Disorder is only counted.
    Counted,
    /// No acknowledged event was first taken after a later one of its stream.
    Required,
}

/// Reads both ledgers, frame by frame, and compares them exactly. Memory does
/// not grow with the events but with the streams (some hundred bytes each) and
/// the holes in them (4 bytes a hole, never more than a bit an event).
pub fn verify(
    sent: &Path,
    received: &Path,
    arrival: Arrival,
    order: OrderCheck,
) -> Result<VerifyReport, LedgerError> {
    let mut books = Books::default();
    read(sent, LedgerKind::Sent, |entry| books.sent(entry))?;
    read(received, LedgerKind::Received, |entry| books.received(entry, arrival))?;
    let mut report = books.compare(arrival);
    let ordered = order == OrderCheck::Counted || report.acknowledged_out_of_order == 0;
    report.ok = ordered
        && report.acknowledged > 0
        && report.lost == 0
        && report.corrupted == 0
        && report.absurd_entries == 0;
    Ok(report)
}

fn read(path: &Path, kind: LedgerKind, mut take: impl FnMut(&LedgerEntry)) -> Result<(), LedgerError> {
    let mut ledger = LedgerReader::open(path, kind)?;
    while let Some(entries) = ledger.next_frame()? {
        entries.iter().for_each(&mut take);
    }
    Ok(())
}

impl Books {
    fn sent(&mut self, entry: &LedgerEntry) {
        let stream = self.sent.entry((entry.run, entry.stream)).or_default();
        let set = match entry.code {
            Code::Acknowledged => &mut stream.acknowledged,
            Code::Refused => &mut stream.refused,
            Code::Unknown => &mut stream.unknown,
            Code::Taken | Code::TakenAgain | Code::Corrupted => {
                self.report.absurd_entries += 1;
                return;
            }
        };
        if set.insert_range(entry.first, u64::from(entry.count)).is_err() {
            self.report.absurd_entries += 1;
        }
    }

    fn received(&mut self, entry: &LedgerEntry, arrival: Arrival) {
        let again = match entry.code {
            Code::Taken => false,
            Code::TakenAgain => true,
            Code::Corrupted => {
                self.report.corrupted += u64::from(entry.count);
                return;
            }
            Code::Acknowledged | Code::Refused | Code::Unknown => {
                self.report.absurd_entries += 1;
                return;
            }
        };
        let subscription = match arrival {
            Arrival::EverySubscription => entry.group,
            Arrival::AnySubscription => 0,
        };
        let stream = self.received.entry((entry.run, entry.stream)).or_default();
        let account = stream.entry(subscription).or_default();
        if let Some(sent) = self.sent.get(&(entry.run, entry.stream)) {
            let late = entry.first..entry.first.saturating_add(u64::from(entry.count)).min(account.end());
            let promised =
                |sequence: &u64| sent.acknowledged.contains(*sequence) && !account.seen().contains(*sequence);
            self.report.acknowledged_out_of_order += late.filter(promised).count() as u64;
        }
        let Ok(taken) = account.take(entry.first, u64::from(entry.count)) else {
            self.report.absurd_entries += 1;
            return;
        };
        self.report.received += taken.new;
        self.report.out_of_order += taken.out_of_order;
        if again {
            self.report.duplicates_same_delivery += taken.duplicates;
        } else {
            self.report.duplicates_other_delivery += taken.duplicates;
        }
    }

    fn compare(mut self, arrival: Arrival) -> VerifyReport {
        let report = &mut self.report;
        let mut ids: Vec<_> = self.sent.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let sent = &self.sent[&id];
            report.streams += 1;
            report.acknowledged += sent.acknowledged.count();
            report.refused += sent.refused.count();
            report.unknown += sent.unknown.count();
            match self.received.get(&id) {
                None => report.lose(id, None, &sent.acknowledged, &SequenceSet::default()),
                Some(subscriptions) => {
                    let mut subscriptions: Vec<_> = subscriptions.iter().collect();
                    subscriptions.sort_unstable_by_key(|(subscription, _)| **subscription);
                    for (&subscription, account) in subscriptions {
                        let named = (arrival == Arrival::EverySubscription).then_some(subscription);
                        report.lose(id, named, &sent.acknowledged, account.seen());
                    }
                }
            }
        }
        for (id, subscriptions) in &self.received {
            let nothing = SentStream::default();
            let sent = self.sent.get(id).unwrap_or(&nothing);
            for account in subscriptions.values() {
                report.surplus(sent, account.seen());
            }
        }
        let named: HashSet<_> = self.received.values().flat_map(|stream| stream.keys()).collect();
        report.subscriptions = named.len() as u64;
        self.report
    }
}

impl VerifyReport {
    fn lose(
        &mut self,
        (run, stream): StreamId,
        subscription: Option<u64>,
        acknowledged: &SequenceSet,
        seen: &SequenceSet,
    ) {
        for (first, count) in acknowledged.missing_from(seen) {
            self.lost += count;
            if self.lost_stretches.len() < LOST_LISTED_MAX {
                let run = format!("{run:016x}");
                let subscription = subscription.map(|hash| format!("{hash:016x}"));
                self.lost_stretches.push(LostStretch { run, stream, first, count, subscription });
            }
        }
    }

    /// Counts events that were taken though nothing acknowledged them.
    fn surplus(&mut self, sent: &SentStream, seen: &SequenceSet) {
        for (first, count) in seen.missing_from(&sent.acknowledged) {
            for sequence in first..first + count {
                if sent.refused.contains(sequence) {
                    self.refused_but_received += 1;
                } else if !sent.unknown.contains(sequence) {
                    self.unlisted += 1;
                }
            }
        }
    }

    /// The result for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.write_text(&mut text).expect("writing to a String does not fail");
        text
    }

    fn write_text(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "sent in {} streams: {} acknowledged, {} refused, {} unknown",
            self.streams, self.acknowledged, self.refused, self.unknown
        )?;
        writeln!(
            text,
            "received by {} subscriptions: {} events, {} duplicates ({} with the same webhook-id), \
             {} out of order ({} of them acknowledged)",
            self.subscriptions,
            self.received,
            self.duplicates_same_delivery + self.duplicates_other_delivery,
            self.duplicates_same_delivery,
            self.out_of_order,
            self.acknowledged_out_of_order
        )?;
        writeln!(
            text,
            "{} lost, {} corrupted, {} refused but received, {} received but not in the sender's ledger, \
             {} absurd entries",
            self.lost, self.corrupted, self.refused_but_received, self.unlisted, self.absurd_entries
        )?;
        for lost in &self.lost_stretches {
            let end = lost.first + lost.count - 1;
            write!(text, "lost: run {} stream {} events {}..={end}", lost.run, lost.stream, lost.first)?;
            match &lost.subscription {
                Some(subscription) => writeln!(text, " at subscription {subscription}")?,
                None => writeln!(text)?,
            }
        }
        if self.acknowledged == 0 {
            writeln!(text, "no event was acknowledged: there is nothing to verify")?;
        }
        writeln!(text, "{}", if self.ok { "ok" } else { "NOT OK" })
    }
}

#[cfg(test)]
mod scale_tests;
#[cfg(test)]
mod tests;
