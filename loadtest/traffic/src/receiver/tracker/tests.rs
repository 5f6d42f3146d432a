use super::*;
use crate::mark::FoundMark;

fn mark(stream: u32, sequence: u64) -> ScannedMark {
    let mark = Mark { run: 7, stream, sequence, sent_ns: 1_000_000 };
    ScannedMark { found: FoundMark { mark, intact: true }, at: 0 }
}

fn marks(stream: u32, sequences: impl IntoIterator<Item = u64>) -> Vec<ScannedMark> {
    sequences.into_iter().map(|sequence| mark(stream, sequence)).collect()
}

fn delivery(id: &str) -> ReceivedDelivery<'_> {
    ReceivedDelivery {
        subscription: b"sub",
        id: Some(id.as_bytes()),
        event_count: None,
        body_bytes: 10,
        received_ns: 6_000_000,
        garbled: 0,
    }
}

#[test]
fn loss_repetition_and_disorder_are_counted() {
    let mut tracker = Tracker::new(false);
    tracker.take(&delivery("a"), &marks(0, 0..5));
    tracker.take(&delivery("b"), &marks(0, [5, 6, 9, 8]));
    tracker.take(&delivery("a"), &marks(0, 0..5));
    tracker.take(&delivery("c"), &marks(0, [6]));
    let stats = tracker.stats();
    assert_eq!((stats.deliveries, stats.deliveries_again), (4, 1));
    assert_eq!((stats.events, stats.missing, stats.out_of_order), (9, 1, 1));
    assert_eq!((stats.duplicates_same_delivery, stats.duplicates_other_delivery), (5, 1));
    assert_eq!(stats.latency_us.count, 9);
    assert!((4995..=5005).contains(&stats.latency_us.p50), "{:?}", stats.latency_us);
}

#[test]
fn streams_and_subscriptions_are_apart() {
    let mut tracker = Tracker::new(false);
    let interleaved: Vec<_> = (0..10).flat_map(|n| [mark(1, n), mark(2, n)]).collect();
    tracker.take(&delivery("a"), &interleaved);
    let other = ReceivedDelivery { subscription: b"other", ..delivery("b") };
    tracker.take(&other, &interleaved);
    let stats = tracker.stats();
    assert_eq!((stats.streams, stats.subscriptions, stats.events), (4, 2, 40));
    assert_eq!((stats.missing, stats.out_of_order, stats.duplicates_other_delivery), (0, 0, 0));
    assert_eq!(stats.runs.len(), 1);
    assert_eq!(stats.runs[0].run, "0000000000000007");
}

#[test]
fn damage_is_counted_and_not_believed() {
    let mut tracker = Tracker::new(false);
    let mut events = marks(0, 0..3);
    events[1].found.intact = false;
    let announced = ReceivedDelivery { event_count: Some(6), garbled: 1, ..delivery("a") };
    tracker.take(&announced, &events);
    let stats = tracker.stats();
    assert_eq!((stats.events, stats.corrupted, stats.unmarked, stats.missing), (2, 2, 2, 1));
}

#[test]
fn a_wild_sequence_number_is_untracked() {
    let mut tracker = Tracker::new(false);
    tracker.take(&delivery("a"), &marks(0, [1 << 47, 0]));
    let stats = tracker.stats();
    assert_eq!((stats.events, stats.untracked), (1, 1));
}

#[test]
fn the_ledger_has_runs_of_what_was_taken() {
    let mut tracker = Tracker::new(true);
    tracker.take(&delivery("a"), &marks(3, 0..50));
    tracker.take(&delivery("b"), &marks(3, 50..60));
    tracker.take(&delivery("b"), &marks(3, 50..60));
    let entries = tracker.take_entries();
    let seen: Vec<_> = entries.iter().map(|e| (e.run, e.stream, e.first, e.count, e.code)).collect();
    assert_eq!(seen, [(7, 3, 0, 60, Code::Taken), (7, 3, 50, 10, Code::TakenAgain)]);
}

#[test]
fn old_delivery_ids_are_forgotten() {
    let mut ids = RecentIds::default();
    assert!((0..=DELIVERY_IDS_MAX as u64).all(|id| ids.insert(id)));
    assert!(!ids.insert(5));
    assert!(ids.insert(0), "the oldest has made room");
    assert!(ids.order.len() <= DELIVERY_IDS_MAX);
}
