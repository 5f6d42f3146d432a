//! Cached handles of the metrics of accepting events, counted once a request.

use crate::type_checks::CheckCounts;
use metrics::{Counter, Histogram, counter, histogram};
use std::time::Duration;

/// The figures of a request with events.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AcceptedRequest {
    pub accepted: usize,
    pub rejected: usize,
    pub replayed: bool,
    pub body_bytes: usize,
    /// From the request's head to its answer.
    pub took: Duration,
}

pub(crate) struct ProduceMetrics {
    accept_seconds: Histogram,
    accepted: Counter,
    rejected: Counter,
    body_bytes: Counter,
    replayed: Counter,
}

impl ProduceMetrics {
    pub(crate) fn new() -> Self {
        Self {
            accept_seconds: histogram!("sluice_ingest_accept_seconds"),
            accepted: counter!("sluice_ingest_accepted_total"),
            rejected: counter!("sluice_ingest_rejected_total"),
            body_bytes: counter!("sluice_ingest_body_bytes_total"),
            replayed: counter!("sluice_ingest_replayed_total"),
        }
    }

    /// Counts a request that was answered 202.
    pub(crate) fn accepted(&self, request: AcceptedRequest) {
        if request.replayed {
            self.replayed.increment(1);
        } else {
            self.accepted.increment(request.accepted as u64);
        }
        if request.rejected > 0 {
            self.rejected.increment(request.rejected as u64);
        }
        self.body_bytes.increment(request.body_bytes as u64);
        self.accept_seconds.record(request.took.as_secs_f64());
    }
}

/// The results of checking events, in the order of [`TypeMetrics`].
pub(crate) const CHECK_RESULTS: [&str; 4] = ["fit", "refused", "unfit", "unchecked"];

/// Counts events of declared types.
pub(super) struct TypeMetrics {
    by_result: [Counter; CHECK_RESULTS.len()],
}

impl TypeMetrics {
    pub(super) fn new() -> Self {
        let by_result =
            CHECK_RESULTS.map(|result| counter!("sluice_ingest_type_checks_total", "result" => result));
        Self { by_result }
    }

    /// Counts the results of a request's checks, if there were any.
    pub(super) fn count(&self, counts: CheckCounts) {
        if counts == CheckCounts::default() {
            return;
        }
        let CheckCounts { fit, refused, unfit, unchecked } = counts;
        for (counter, count) in self.by_result.iter().zip([fit, refused, unfit, unchecked]) {
            counter.increment(count);
        }
    }
}
