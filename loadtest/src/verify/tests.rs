use super::*;
use crate::ledger::LedgerWriter;

fn entry(code: Code, first: u64, count: u32) -> LedgerEntry {
    LedgerEntry { run: 1, group: 9, stream: 3, first, count, code }
}

fn compare_by(arrival: Arrival, sent: &[LedgerEntry], received: &[LedgerEntry]) -> VerifyReport {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, kind, entries: &[LedgerEntry]| {
        let path = directory.path().join(name);
        LedgerWriter::open(&path, kind).expect("a ledger").append(entries).expect("written");
        path
    };
    let sent = write("sent", LedgerKind::Sent, sent);
    let received = write("received", LedgerKind::Received, received);
    verify(&sent, &received, arrival, OrderCheck::Counted).expect("readable")
}

fn compare(sent: &[LedgerEntry], received: &[LedgerEntry]) -> VerifyReport {
    compare_by(Arrival::EverySubscription, sent, received)
}

#[test]
fn what_was_acknowledged_and_taken_is_well() {
    let report = compare(&[entry(Code::Acknowledged, 0, 100)], &[entry(Code::Taken, 0, 100)]);
    assert!(report.ok);
    assert_eq!((report.acknowledged, report.received, report.streams), (100, 100, 1));
}

#[test]
fn lost_events_are_named() {
    let report = compare(
        &[entry(Code::Acknowledged, 0, 100)],
        &[entry(Code::Taken, 0, 10), entry(Code::Taken, 12, 80)],
    );
    assert!(!report.ok);
    assert_eq!(report.lost, 10);
    let stretches: Vec<_> = report.lost_stretches.iter().map(|lost| (lost.first, lost.count)).collect();
    assert_eq!(stretches, [(10, 2), (92, 8)]);
    assert_eq!(report.lost_stretches[0].subscription.as_deref(), Some("0000000000000009"));
}

#[test]
fn a_stream_that_never_arrived_is_lost() {
    let report = compare(&[entry(Code::Acknowledged, 0, 5)], &[]);
    assert_eq!((report.lost, report.ok), (5, false));
    assert_eq!(report.lost_stretches[0].subscription, None);
}

#[test]
fn unknown_events_may_arrive_and_refused_ones_should_not() {
    let sent = [entry(Code::Acknowledged, 0, 10), entry(Code::Unknown, 10, 10), entry(Code::Refused, 20, 10)];
    let report = compare(&sent, &[entry(Code::Taken, 0, 25), entry(Code::Taken, 30, 2)]);
    assert!(report.ok);
    assert_eq!((report.refused_but_received, report.unlisted), (5, 2));
    assert!(compare(&sent, &[entry(Code::Taken, 0, 10)]).ok);
}

#[test]
fn duplicates_are_told_apart_and_disorder_is_counted() {
    let received = [
        entry(Code::Taken, 0, 10),
        entry(Code::TakenAgain, 0, 10),
        entry(Code::Taken, 5, 2),
        entry(Code::Taken, 20, 5),
        entry(Code::Taken, 10, 10),
    ];
    let sent = [entry(Code::Acknowledged, 0, 15), entry(Code::Unknown, 15, 10)];
    let report = compare(&sent, &received);
    assert!(report.ok);
    assert_eq!((report.duplicates_same_delivery, report.duplicates_other_delivery), (10, 2));
    assert_eq!((report.out_of_order, report.acknowledged_out_of_order), (10, 5));
}

#[test]
fn order_may_be_required() {
    let directory = tempfile::tempdir().expect("a directory");
    let (sent, received) = (directory.path().join("sent"), directory.path().join("received"));
    let write = |path, kind, entries: &[LedgerEntry]| {
        LedgerWriter::open(path, kind).expect("a ledger").append(entries).expect("written");
    };
    write(&sent, LedgerKind::Sent, &[entry(Code::Acknowledged, 0, 10)]);
    write(&received, LedgerKind::Received, &[entry(Code::Taken, 5, 5), entry(Code::Taken, 0, 5)]);
    let ok = |order| verify(&sent, &received, Arrival::EverySubscription, order).expect("readable").ok;
    assert!(ok(OrderCheck::Counted) && !ok(OrderCheck::Required));
}

#[test]
fn corruption_is_not_well() {
    let received = [entry(Code::Taken, 0, 10), entry(Code::Corrupted, 3, 1)];
    let report = compare(&[entry(Code::Acknowledged, 0, 10)], &received);
    assert_eq!((report.corrupted, report.ok), (1, false));
}

#[test]
fn each_subscription_of_a_stream_must_have_all_unless_told_otherwise() {
    let sent = [entry(Code::Acknowledged, 0, 10)];
    let other = LedgerEntry { group: 8, ..entry(Code::Taken, 4, 6) };
    let received = [entry(Code::Taken, 0, 6), other];
    assert_eq!(compare(&sent, &received).lost, 8);
    let shared = compare_by(Arrival::AnySubscription, &sent, &received);
    assert_eq!((shared.lost, shared.subscriptions), (0, 1));
}

#[test]
fn empty_ledgers_prove_nothing() {
    assert!(!compare(&[], &[]).ok);
    assert!(!compare(&[entry(Code::Refused, 0, 5)], &[]).ok);
    assert!(compare(&[], &[]).text().contains("nothing to verify"));
}
