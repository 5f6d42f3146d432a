//! Figures of a run while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::Serialize;

use super::totals::Totals;
use crate::summary::{Latencies, LatencySummary};

/// The figures of a run for an observer; updated ten times a second.
#[derive(Debug, Default)]
pub struct LiveRun {
    workers: Mutex<Vec<Arc<LiveWorker>>>,
    measuring: Arc<AtomicBool>,
}

/// Counts since the run started, warm-up included.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct LiveCounters {
    /// Requests with an outcome.
    pub requests: u64,
    /// Events that answers said were taken.
    pub events_accepted: u64,
    /// Events refused, by themselves or with their whole request.
    pub events_rejected: u64,
    /// Events of requests without a definite answer.
    pub events_unknown: u64,
    /// Connections that could not be made.
    pub connect_failures: u64,
}

/// The figures of the measured window so far.
#[derive(Clone, Debug)]
pub struct LiveMeasurement {
    /// Counts of the measured window.
    pub totals: Totals,
    /// From due to the answer's end, µs.
    pub latency: LatencySummary,
    /// From being written to the answer's end, µs.
    pub service_time: LatencySummary,
}

/// One worker's part of the figures.
#[derive(Debug)]
pub struct LiveWorker {
    requests: AtomicU64,
    accepted: AtomicU64,
    rejected: AtomicU64,
    unknown: AtomicU64,
    connect_failures: AtomicU64,
    recent: Mutex<Latencies>,
    measuring: Arc<AtomicBool>,
    measured: Mutex<Option<(Totals, Latencies, Latencies)>>,
}

impl LiveRun {
    /// The counts so far.
    pub fn counters(&self) -> LiveCounters {
        let workers = self.workers.lock();
        let sum = |counter: fn(&LiveWorker) -> &AtomicU64| {
            workers.iter().map(|worker| counter(worker).load(Ordering::Relaxed)).sum()
        };
        LiveCounters {
            requests: sum(|worker| &worker.requests),
            events_accepted: sum(|worker| &worker.accepted),
            events_rejected: sum(|worker| &worker.rejected),
            events_unknown: sum(|worker| &worker.unknown),
            connect_failures: sum(|worker| &worker.connect_failures),
        }
    }

    /// Latencies (µs, from when requests were due) since this was last asked.
    pub fn take_recent_latency(&self) -> LatencySummary {
        let mut all = Latencies::new();
        for worker in self.workers.lock().iter() {
            let mut recent = worker.recent.lock();
            all.add(&recent);
            recent.clear();
        }
        all.summary()
    }

    /// Asks for [`measurement`](Self::measurement), which costs a copy of the
    /// histograms ten times a second.
    pub fn measure(&self) {
        self.measuring.store(true, Ordering::Relaxed);
    }

    /// The figures of the measured window so far; `None` before the first.
    pub fn measurement(&self) -> Option<LiveMeasurement> {
        let (mut totals, mut latency, mut service_time) =
            (Totals::default(), Latencies::new(), Latencies::new());
        let workers = self.workers.lock();
        for worker in workers.iter() {
            let measured = worker.measured.lock();
            let (counted, waited, served) = measured.as_ref()?;
            totals.add(counted);
            latency.add(waited);
            service_time.add(served);
        }
        let (latency, service_time) = (latency.summary(), service_time.summary());
        (!workers.is_empty()).then_some(LiveMeasurement { totals, latency, service_time })
    }

    /// Adds a worker whose figures count.
    pub fn add_worker(&self) -> Arc<LiveWorker> {
        let worker = Arc::new(LiveWorker {
            requests: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            connect_failures: AtomicU64::new(0),
            recent: Mutex::new(Latencies::new()),
            measuring: Arc::clone(&self.measuring),
            measured: Mutex::new(None),
        });
        self.workers.lock().push(Arc::clone(&worker));
        worker
    }
}

impl LiveWorker {
    /// Shows the worker's totals and the latencies since the last time.
    pub(super) fn publish(&self, totals: &Totals, recent: &Latencies) {
        let batches = [
            (&self.requests, totals.requests),
            (&self.accepted, totals.events_accepted),
            (&self.rejected, totals.events_rejected),
            (&self.unknown, totals.events_unknown),
            (&self.connect_failures, totals.connect_failures),
        ];
        for (counter, total) in batches {
            counter.store(total, Ordering::Relaxed);
        }
        self.recent.lock().add(recent);
    }

    /// Shows the figures of the measured window, if somebody asks for them.
    pub(super) fn publish_measured(&self, totals: &Totals, latency: &Latencies, service_time: &Latencies) {
        if self.measuring.load(Ordering::Relaxed) {
            self.measured.lock().replace((*totals, latency.clone(), service_time.clone()));
        }
    }
}
