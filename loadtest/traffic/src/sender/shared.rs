//! The state that the tasks of one worker share, on its thread.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use super::error::RunError;
use super::live::LiveWorker;
use super::pace::SendingPace;
use super::plan::RunPlan;
use super::raw::RawLines;
use super::tally::{RequestDone, Tally};
use crate::ledger::{LedgerBuffer, LedgerEntry};

/// The state that the tasks of one worker share.
#[derive(Debug)]
pub(super) struct WorkerShared {
    pub(super) plan: Arc<RunPlan>,
    pub(super) pace: SendingPace,
    pub(super) tally: RefCell<Tally>,
    entries: RefCell<LedgerBuffer>,
    raw: RefCell<RawLines>,
    failure: RefCell<Option<RunError>>,
}

impl WorkerShared {
    pub(super) fn new(plan: Arc<RunPlan>, pace: SendingPace, tally: Tally) -> Self {
        Self {
            plan,
            pace,
            tally: RefCell::new(tally),
            entries: RefCell::default(),
            raw: RefCell::default(),
            failure: RefCell::new(None),
        }
    }

    /// Counts a request that has its outcome.
    pub(super) fn done(&self, done: &RequestDone, sender: usize, customer: usize) {
        self.tally.borrow_mut().done(done);
        if self.plan.raw.is_some() && self.raw.borrow_mut().done(self.plan.started, done, sender, customer) {
            self.write_raw();
        }
    }

    /// Notes the outcome of a request's events for the ledger.
    pub(super) fn note(&self, slot: usize, entry: LedgerEntry) {
        if self.plan.ledger.is_some() && self.entries.borrow_mut().note(slot, entry) {
            self.write_entries();
        }
    }

    /// Ends the worker's part of the run; returns how many due requests are unsent.
    pub(super) fn stop(&self) -> u64 {
        let now = self.plan.started.elapsed();
        let (mut tally, mut raw) = (self.tally.borrow_mut(), self.raw.borrow_mut());
        self.pace.stop(|due: Duration| {
            tally.unsent(self.plan.started + due, self.plan.started + now);
            if self.plan.raw.is_some() {
                raw.unsent(due, now.saturating_sub(due));
            }
        })
    }

    /// Publishes the figures and writes to the files.
    pub(super) fn keep_up(&self, live: &LiveWorker) {
        self.tally.borrow_mut().publish(live);
        self.write_entries();
        self.write_raw();
    }

    fn write_entries(&self) {
        let Some(ledger) = &self.plan.ledger else { return };
        let entries = self.entries.borrow_mut().take();
        if let Err(error) = ledger.lock().append(&entries) {
            self.fail(error.into());
        }
    }

    fn write_raw(&self) {
        let Some(raw) = &self.plan.raw else { return };
        let lines = self.raw.borrow_mut().take();
        if let Err(error) = raw.lock().append(&lines) {
            self.fail(error.into());
        }
    }

    /// Ends the run after a failed write, since files with holes prove nothing.
    fn fail(&self, error: RunError) {
        self.failure.borrow_mut().get_or_insert(error);
        self.plan.stop.cancel();
    }

    /// The counts, once no other task shares this; an error if a file could not
    /// be written.
    pub(super) fn finish(self) -> Result<Tally, RunError> {
        if let Some(failure) = self.failure.into_inner() {
            return Err(failure);
        }
        let mut tally = self.tally.into_inner();
        tally.settle_statuses();
        Ok(tally)
    }
}
