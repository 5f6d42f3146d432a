//! Exactness at scale: ledgers with every kind of fault, counted as they are made.

use super::*;
use crate::ledger::LedgerWriter;
use crate::random::SeededRandom;

const RUN: u64 = 5;
const SUBSCRIPTION: u64 = 9;
const STREAMS: u32 = 1000;

/// The counts of the events that were put into the ledgers.
#[derive(Debug, Default, PartialEq)]
struct PlantedFaults {
    acknowledged: u64,
    lost: u64,
    duplicates_same_delivery: u64,
    duplicates_other_delivery: u64,
    out_of_order: u64,
    corrupted: u64,
}

struct Ledgers {
    sent: LedgerWriter,
    received: LedgerWriter,
    sent_entries: Vec<LedgerEntry>,
    received_entries: Vec<LedgerEntry>,
    random: SeededRandom,
    planted: PlantedFaults,
}

impl Ledgers {
    fn open(directory: &Path) -> Self {
        let open = |name: &str, kind| LedgerWriter::open(&directory.join(name), kind).expect("a ledger");
        Self {
            sent: open("sent", LedgerKind::Sent),
            received: open("received", LedgerKind::Received),
            sent_entries: Vec::new(),
            received_entries: Vec::new(),
            random: SeededRandom::new(1),
            planted: PlantedFaults::default(),
        }
    }

    fn take(&mut self, stream: u32, first: u64, count: u64, code: Code) {
        let entry = LedgerEntry { run: RUN, group: SUBSCRIPTION, stream, first, count: count as u32, code };
        if count > 0 {
            self.received_entries.push(entry);
        }
    }

    /// Acknowledges `count` events from `first`; their fate is drawn at random.
    fn batch(&mut self, stream: u32, first: u64, count: u64) {
        let code = Code::Acknowledged;
        self.sent_entries.push(LedgerEntry { run: RUN, group: 0, stream, first, count: count as u32, code });
        self.planted.acknowledged += count;
        let at = self.random.below(count);
        match self.random.below(100) {
            kind @ (0 | 1) => {
                self.take(stream, first, at, Code::Taken);
                if kind == 1 {
                    self.take(stream, first + at, 1, Code::Corrupted);
                    self.planted.corrupted += 1;
                }
                self.take(stream, first + at + 1, count - at - 1, Code::Taken);
                self.planted.lost += 1;
            }
            kind @ (2 | 3) => {
                let code = if kind == 2 { Code::TakenAgain } else { Code::Taken };
                self.take(stream, first, count, Code::Taken);
                self.take(stream, first + at, count - at, code);
                let planted = &mut self.planted;
                let of_kind = if kind == 2 {
                    &mut planted.duplicates_same_delivery
                } else {
                    &mut planted.duplicates_other_delivery
                };
                *of_kind += count - at;
            }
            4 => {
                self.take(stream, first + at, count - at, Code::Taken);
                self.take(stream, first, at, Code::Taken);
                self.planted.out_of_order += at;
            }
            _ => self.take(stream, first, count, Code::Taken),
        }
    }

    fn write(&mut self) {
        self.sent.append(&self.sent_entries).expect("written");
        self.received.append(&self.received_entries).expect("written");
        self.sent_entries.clear();
        self.received_entries.clear();
    }
}

fn plant(directory: &Path, events: u64) -> PlantedFaults {
    let mut ledgers = Ledgers::open(directory);
    let mut next = vec![0; STREAMS as usize];
    while ledgers.planted.acknowledged < events {
        for (stream, first) in next.iter_mut().enumerate() {
            let count = 1 + ledgers.random.below(20);
            ledgers.batch(stream as u32, *first, count);
            *first += count;
        }
        ledgers.write();
    }
    ledgers.planted
}

fn every_fault_is_counted_exactly(events: u64) {
    let directory = tempfile::tempdir().expect("a directory");
    let planted = plant(directory.path(), events);
    let (sent, received) = (directory.path().join("sent"), directory.path().join("received"));
    let report = verify(&sent, &received, Arrival::EverySubscription, OrderCheck::Counted).expect("readable");
    let found = PlantedFaults {
        acknowledged: report.acknowledged,
        lost: report.lost,
        duplicates_same_delivery: report.duplicates_same_delivery,
        duplicates_other_delivery: report.duplicates_other_delivery,
        out_of_order: report.acknowledged_out_of_order,
        corrupted: report.corrupted,
    };
    assert_eq!(found, planted);
    assert!(found.lost > 0 && found.out_of_order > 0 && found.corrupted > 0 && !report.ok);
    assert_eq!(report.received, planted.acknowledged - planted.lost);
}

#[test]
fn a_million_events_with_faults_are_compared_exactly() {
    every_fault_is_counted_exactly(1_000_000);
}

/// Run this test alone, so that the measured memory is its own:
/// `cargo test --release -p sluice-loadtest --lib -- --ignored --nocapture a_hundred_million`.
#[test]
#[ignore = "writes a gigabyte and takes half a minute"]
fn a_hundred_million_events_with_faults_are_compared_exactly_in_bounded_memory() {
    let started = std::time::Instant::now();
    every_fault_is_counted_exactly(100_000_000);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim();
    println!("made and compared in {:?}, peak memory {peak}", started.elapsed());
    let kib: u64 = peak.trim_end_matches("kB").trim().parse().expect("Linux");
    assert!(kib < 200 * 1024, "{kib} KiB");
}
