//! Compares the answers that a sender got with the events that a receiver took.

use super::wait::try_for;
use sluice_loadtest::verify::{Arrival, OrderCheck, VerifyReport, verify};
use std::path::Path;
use std::time::Duration;

/// How long events in flight may take to arrive, with retries, breakers and a busy
/// machine. Only lost events take longer.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(60);

/// Compares the ledgers as they are now.
pub(crate) fn compare(sent: &Path, received: &Path) -> VerifyReport {
    verify(sent, received, Arrival::EverySubscription, OrderCheck::Counted).expect("readable ledgers")
}

/// Waits until no acknowledged event is missing, for at most `limit`.
pub(crate) fn settle(sent: &Path, received: &Path, limit: Duration) -> VerifyReport {
    let complete = try_for(limit, || Some(compare(sent, received)).filter(|report| report.lost == 0));
    complete.unwrap_or_else(|| compare(sent, received))
}

/// Checks that every acknowledged event arrives, and none arrives damaged.
#[track_caller]
pub(crate) fn settle_all(sent: &Path, received: &Path) -> VerifyReport {
    let report = settle(sent, received, ARRIVAL_LIMIT);
    assert!(report.ok, "{}", report.text());
    assert!(report.acknowledged > 0, "nothing was acknowledged: {}", report.text());
    report
}

/// Checks that every acknowledged event arrives, and no other.
#[track_caller]
pub(crate) fn nothing_lost(sent: &Path, received: &Path) -> VerifyReport {
    let report = settle_all(sent, received);
    assert_eq!(report.unlisted, 0, "{}", report.text());
    report
}
