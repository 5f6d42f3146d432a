//! The lane buffers: where events wait for the log, and the tasks that append them.
//!
//! A request puts its events into the open batches of its lanes and waits for
//! those batches. Each append unit of the log has one task with one record in
//! flight; events that arrive meanwhile form the next record. So records grow
//! with load by themselves, and a request on an idle log waits only for the disk.
//!
//! Events get their ids when a record is cut, so the ids of a lane ascend in the log.

mod batch_builder;
mod claimed;
mod cutter;
mod metrics;
mod placement;
mod unit_buffer;

pub(crate) use batch_builder::EventChunk;
pub(crate) use claimed::{ClaimedEvents, PlacedEvents};
pub(crate) use placement::{AppendOutcome, PlacedRun};

use self::cutter::Cutter;
use self::metrics::AppendMetrics;
use self::placement::Placement;
use self::unit_buffer::UnitBuffer;
use parking_lot::Mutex;
use sluice_model::clock;
use sluice_model::ids::random_u128;
use sluice_model::{CustomerId, Lane};
use sluice_ports::Log;
use sluice_ports::log::RecordDraft;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};

/// Limits of the lane buffers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaneLimits {
    /// Bytes of all events that wait or are being appended.
    pub bytes_max: usize,
    /// Of these, bytes of one customer that wait in the append units of one request.
    pub customer_bytes_max: usize,
    /// Raw bytes after which a record is cut.
    pub record_bytes_max: usize,
}

/// Why the buffers have no room. Nothing of the request was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// The events of all customers fill the buffers.
    Process,
    /// The customer's events fill its share.
    Customer,
}

/// How often waiting requests check whether their time is over. They set no timers
/// of their own: on the hot path a timer would cost more for each request than its
/// rate limit and its place in a lane together.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Outcomes of one unit that may wait until the requests are woken.
const OUTCOMES_MAX: usize = 16;

#[derive(Default)]
struct AppendUnit {
    buffer: Mutex<UnitBuffer>,
    /// The batches of the record that is being appended.
    in_flight: Mutex<Vec<Arc<Placement>>>,
    filled: Notify,
}

/// The outcome of a record, and the batches that requests wait for.
pub(crate) struct RecordOutcome {
    placements: Vec<Arc<Placement>>,
    outcome: AppendOutcome,
}

/// A channel for one unit's outcomes.
pub(crate) fn outcomes() -> (mpsc::Sender<RecordOutcome>, mpsc::Receiver<RecordOutcome>) {
    mpsc::channel(OUTCOMES_MAX)
}

/// Tells the waiting requests the outcome of their batches, until the unit ends.
/// This is a task of its own, so that the next record is handed to the log before
/// hundreds of requests are woken.
pub(crate) async fn tell(mut outcomes: mpsc::Receiver<RecordOutcome>) {
    while let Some(RecordOutcome { placements, outcome }) = outcomes.recv().await {
        for placement in placements {
            placement.finish(outcome.clone());
        }
    }
}

/// The lane buffers of an ingest process.
pub(crate) struct LaneBuffers {
    log: Arc<dyn Log>,
    units: Vec<AppendUnit>,
    limits: LaneLimits,
    /// Bytes of the events that wait or are being appended.
    bytes: AtomicUsize,
    producer: u64,
    metrics: AppendMetrics,
}

impl LaneBuffers {
    pub(crate) fn new(log: Arc<dyn Log>, limits: LaneLimits) -> Self {
        let units = (0..log.append_units()).map(|_| AppendUnit::default()).collect();
        let (bytes, producer) = (AtomicUsize::new(0), random_u128() as u64);
        Self { log, units, limits, bytes, producer, metrics: AppendMetrics::new() }
    }

    /// Puts all of a request's chunks into their lanes, or none. Events of
    /// idempotency keys are marked in their batches as those of their keys.
    pub(crate) fn push(
        &self,
        customer: CustomerId,
        chunks: Vec<(Lane, EventChunk<'_>)>,
        keys: &[ClaimedEvents],
    ) -> Result<PlacedEvents, Full> {
        let bytes: usize = chunks.iter().map(|(_, chunk)| chunk.bytes()).sum();
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > self.limits.bytes_max {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(Full::Process);
        }
        // All requests lock buffers in the same order, so two never wait for each other.
        let mut needed: Vec<usize> = chunks.iter().map(|(lane, _)| self.log.append_unit(*lane)).collect();
        needed.sort_unstable();
        needed.dedup();
        let mut buffers: Vec<_> =
            needed.iter().map(|unit| (*unit, self.units[*unit].buffer.lock())).collect();
        let waiting: usize = buffers.iter().map(|(_, buffer)| buffer.customer_bytes(customer)).sum();
        if waiting + bytes > self.limits.customer_bytes_max {
            drop(buffers);
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(Full::Customer);
        }
        let mut placed = PlacedEvents::default();
        for (lane, chunk) in chunks {
            let unit = self.log.append_unit(lane);
            let buffer = buffers.iter_mut().find(|(at, _)| *at == unit);
            placed.begin_chunk();
            buffer.expect("its buffer is locked").1.push(customer, lane, chunk, &mut placed.runs);
        }
        // Before the batches can be cut.
        placed.claim(keys);
        drop(buffers);
        needed.iter().for_each(|unit| self.units[*unit].filled.notify_one());
        Ok(placed)
    }

    /// Puts one of Sluice's own events into its lane, even if the buffers are full: there
    /// is at most one for each commit, subscription and reason, and its caller waits for it.
    pub(crate) fn push_own(&self, customer: CustomerId, lane: Lane, chunk: EventChunk<'_>) -> Vec<PlacedRun> {
        self.bytes.fetch_add(chunk.bytes(), Ordering::Relaxed);
        let (unit, mut placed) = (self.log.append_unit(lane), Vec::new());
        self.units[unit].buffer.lock().push(customer, lane, chunk, &mut placed);
        self.units[unit].filled.notify_one();
        placed
    }

    /// Appends one unit's records for ever, and sends the outcome of each to `outcomes`.
    pub(crate) async fn run_unit(&self, unit: usize, outcomes: mpsc::Sender<RecordOutcome>) {
        let AppendUnit { buffer, in_flight, filled } = &self.units[unit];
        let mut cutter = Cutter::new(self.log.recovered_ms());
        for sequence in 0.. {
            let taken = loop {
                let taken = buffer.lock().take(self.limits.record_bytes_max);
                if !taken.is_empty() {
                    break taken;
                }
                filled.notified().await;
            };
            let cut = cutter.cut(taken, clock::now_ms());
            let record = RecordDraft {
                lane: cut.lane,
                producer: self.producer,
                sequence,
                batches: cut.batches,
                parts: cut.parts,
            };
            let bytes = cut.bytes;
            *in_flight.lock() = cut.placements;
            let began = Instant::now();
            let appended = self.log.append(unit, record).await;
            let placements = std::mem::take(&mut *in_flight.lock());
            self.metrics.appended(placements.len(), began.elapsed());
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            let outcome = RecordOutcome { placements, outcome: appended.into() };
            if outcomes.send(outcome).await.is_err() {
                return;
            }
        }
    }

    /// Wakes the requests that wait, so that each checks whether its time is over.
    pub(crate) fn wake_waiting(&self) {
        for AppendUnit { buffer, in_flight, .. } in &self.units {
            buffer.lock().placements().for_each(Placement::wake);
            in_flight.lock().iter().for_each(|placement| placement.wake());
        }
    }

    /// The runtime on which the log wants a unit's appender to run, if it wants one.
    pub(crate) fn append_runtime(&self, unit: usize) -> Option<Handle> {
        self.log.append_runtime(unit)
    }

    /// How many append units the log has.
    pub(crate) fn units(&self) -> usize {
        self.units.len()
    }

    /// Bytes of the events that wait or are being appended.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
