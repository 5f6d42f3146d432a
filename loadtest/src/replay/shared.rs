//! The state that the players of a replay share, on their thread.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::config::ReplayConfig;
use super::error::ReplayError;
use super::waiting::{WaitingLimits, WaitingRequests};
use crate::ledger::{LedgerBuffer, LedgerEntry, LedgerError, LedgerWriter};
use crate::sender::{LiveWorker, RequestOutcome, Tally};
use crate::target::SendTarget;

/// The state that the players of a replay share.
pub(super) struct ReplayShared {
    pub(super) config: ReplayConfig,
    pub(super) stop: CancellationToken,
    pub(super) started: Instant,
    pub(super) run: u64,
    pub(super) target: Arc<SendTarget>,
    pub(super) waiting: WaitingRequests,
    pub(super) tally: RefCell<Tally>,
    /// The next sequence number of each customer.
    sequences: RefCell<HashMap<u32, u64>>,
    ledger: Option<RefCell<LedgerWriter>>,
    ledger_failure: RefCell<Option<LedgerError>>,
    entries: RefCell<LedgerBuffer>,
    pub(super) played: Cell<u64>,
    pub(super) unmarked: Cell<u64>,
}

/// Counts that the tally does not have.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplayCounts {
    pub(super) played: u64,
    pub(super) customers: u64,
    pub(super) unmarked_events: u64,
}

impl ReplayShared {
    pub(super) fn new(
        config: ReplayConfig,
        target: SendTarget,
        ledger: Option<LedgerWriter>,
        stop: CancellationToken,
    ) -> Self {
        let started = Instant::now();
        let limits = WaitingLimits { requests: config.waiting_max, bytes: config.waiting_bytes_max };
        let tally = Tally::new(started, None, config.timeout);
        Self {
            config,
            stop,
            started,
            run: crate::fresh_id(),
            target: Arc::new(target),
            waiting: WaitingRequests::new(limits),
            tally: RefCell::new(tally),
            sequences: RefCell::default(),
            ledger: ledger.map(RefCell::new),
            ledger_failure: RefCell::new(None),
            entries: RefCell::default(),
            played: Cell::new(0),
            unmarked: Cell::new(0),
        }
    }

    /// The next sequence number of a customer's events.
    pub(super) fn next_sequence(&self, customer: u32) -> u64 {
        *self.sequences.borrow_mut().entry(customer).or_insert(0)
    }

    /// Notes the outcome of a customer's `marked` events from `first` on.
    pub(super) fn note(&self, customer: u32, first: u64, marked: u64, outcome: RequestOutcome) {
        self.sequences.borrow_mut().insert(customer, first + marked);
        if marked == 0 || self.ledger.is_none() {
            return;
        }
        let entry = LedgerEntry {
            run: self.run,
            group: 0,
            stream: customer,
            first,
            count: marked as u32,
            code: outcome.code(),
        };
        // Each customer has a slot of its own, so that its entries stay in order.
        if self.entries.borrow_mut().note(customer as usize, entry) {
            self.write_entries();
        }
    }

    pub(super) fn keep_up(&self, live: &LiveWorker) {
        self.tally.borrow_mut().publish(live);
        self.write_entries();
    }

    fn write_entries(&self) {
        let Some(ledger) = &self.ledger else { return };
        let entries = self.entries.borrow_mut().take();
        if let Err(error) = ledger.borrow_mut().append(&entries) {
            // A replay whose ledger has holes proves nothing, so it ends.
            self.ledger_failure.borrow_mut().get_or_insert(error);
            self.stop.cancel();
        }
    }

    /// Counts the requests that were due and are not sent any more.
    pub(super) fn count_unsent(&self) -> u64 {
        let now = Instant::now();
        let unsent = self.waiting.drain();
        let mut tally = self.tally.borrow_mut();
        unsent.iter().for_each(|request| tally.unsent(request.due.unwrap_or(now), now));
        unsent.len() as u64
    }

    /// The counts, once no player is left.
    pub(super) fn finish(self) -> Result<(Tally, ReplayCounts), ReplayError> {
        self.write_entries();
        if let Some(failure) = self.ledger_failure.take() {
            return Err(failure.into());
        }
        let counts = ReplayCounts {
            played: self.played.get(),
            customers: self.sequences.borrow().len() as u64,
            unmarked_events: self.unmarked.get(),
        };
        let mut tally = self.tally.into_inner();
        tally.settle_statuses();
        Ok((tally, counts))
    }

    /// Waits a moment; returns true if the replay is stopping.
    pub(super) async fn pause(&self, pause: Duration) -> bool {
        // Cancelling either wait loses nothing.
        tokio::select! {
            () = tokio::time::sleep(pause) => false,
            () = self.stop.cancelled() => true,
        }
    }
}
