//! The lane buffers: where events wait for the log, and the tasks that append them.
//!
//! A request puts its events into the open batches of its lanes and waits for
//! those batches. Each append unit of the log has one task with one record in
//! flight; what comes meanwhile is the next record. So records grow with load
//! by themselves, and a request alone waits for nothing but the disk.
//!
//! Ids are given when a record is cut, so the ids of a lane ascend in the log.

mod batch_builder;
mod cutter;
mod placement;
mod unit_buffer;

pub(crate) use batch_builder::Chunk;
pub(crate) use placement::{Outcome, Placed};

use self::cutter::Cutter;
use self::placement::Placement;
use self::unit_buffer::UnitBuffer;
use crate::metrics::AppendMetrics;
use parking_lot::Mutex;
use sluice_model::clock;
use sluice_model::ids::random_u128;
use sluice_model::{Claim, CustomerId, Lane};
use sluice_ports::Log;
use sluice_ports::log::RecordDraft;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::{Notify, mpsc};

/// How much the lane buffers hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaneLimits {
    /// Bytes of all events that wait or are being appended.
    pub bytes_max: usize,
    /// Of these, bytes of one customer that wait in one append unit.
    pub customer_bytes_max: usize,
    /// Raw bytes after which a record is cut.
    pub record_bytes_max: usize,
}

/// There is no room: nothing of the request was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// The buffers as a whole are full.
    Edge,
    /// The customer's share of them is.
    Customer,
}

/// Records on their way to those who wait for them, a unit.
const ANSWERS_MAX: usize = 16;

#[derive(Default)]
struct Unit {
    buffer: Mutex<UnitBuffer>,
    filled: Notify,
}

/// What became of a record, for those who wait for its batches.
pub(crate) struct Answer {
    placements: Vec<Arc<Placement>>,
    outcome: Outcome,
}

/// A way for one unit's answers.
pub(crate) fn answers() -> (mpsc::Sender<Answer>, mpsc::Receiver<Answer>) {
    mpsc::channel(ANSWERS_MAX)
}

/// Tells those who wait, until the unit ends. A task of its own: it wakes them
/// from a thread of the runtime, which is far cheaper than from another one.
pub(crate) async fn tell(mut answers: mpsc::Receiver<Answer>) {
    while let Some(Answer { placements, outcome }) = answers.recv().await {
        for placement in placements {
            placement.finish(outcome.clone());
        }
    }
}

/// The lane buffers of an edge.
pub(crate) struct Lanes {
    log: Arc<dyn Log>,
    units: Vec<Unit>,
    limits: LaneLimits,
    /// Bytes that wait or are being appended.
    bytes: AtomicUsize,
    producer: u64,
    metrics: AppendMetrics,
}

impl Lanes {
    pub(crate) fn new(log: Arc<dyn Log>, limits: LaneLimits) -> Self {
        let units = (0..log.append_units()).map(|_| Unit::default()).collect();
        let (bytes, producer) = (AtomicUsize::new(0), random_u128() as u64);
        Self { log, units, limits, bytes, producer, metrics: AppendMetrics::new() }
    }

    /// Puts a request's chunks into their lanes: all or none of them.
    ///
    /// `claim` marks the events as those of a request with an idempotency key;
    /// its counts are set here.
    pub(crate) fn push(
        &self,
        customer: CustomerId,
        chunks: Vec<(Lane, Chunk<'_>)>,
        claim: Option<Claim>,
    ) -> Result<Vec<Placed>, Full> {
        let bytes: usize = chunks.iter().map(|(_, chunk)| chunk.bytes()).sum();
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > self.limits.bytes_max {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(Full::Edge);
        }
        // Every buffer that is needed, in one order, so that two requests never wait for each other.
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
        let mut placed = Vec::new();
        for (lane, chunk) in chunks {
            let unit = self.log.append_unit(lane);
            let buffer = buffers.iter_mut().find(|(at, _)| *at == unit);
            buffer.expect("its buffer is locked").1.push(customer, lane, chunk, &mut placed);
        }
        if let Some(claim) = claim {
            let parts = placed.len() as u16;
            for (part, run) in placed.iter().enumerate() {
                run.claim(Claim { part: part as u16, parts, ..claim });
            }
        }
        drop(buffers);
        needed.iter().for_each(|unit| self.units[*unit].filled.notify_one());
        Ok(placed)
    }

    /// Whether each unit wants a thread of its own.
    pub(crate) fn append_blocks(&self) -> bool {
        self.log.append_blocks()
    }

    /// Appends one unit's records, for ever. What became of them goes to `answers`.
    pub(crate) async fn run_unit(&self, unit: usize, answers: mpsc::Sender<Answer>) {
        let Unit { buffer, filled } = &self.units[unit];
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
            let record =
                RecordDraft { lane: cut.lane, producer: self.producer, sequence, batches: cut.batches };
            let bytes = cut.bytes;
            let began = Instant::now();
            let appended = self.log.append(unit, record).await;
            self.metrics.appended(cut.placements.len(), began.elapsed());
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            let answer = Answer { placements: cut.placements, outcome: Outcome::of(appended) };
            if answers.send(answer).await.is_err() {
                return;
            }
        }
    }

    /// How many append units there are.
    pub(crate) fn units(&self) -> usize {
        self.units.len()
    }

    /// Bytes that wait or are being appended.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
