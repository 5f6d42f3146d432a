//! The leases that this process holds, and checkpoints fenced by them.

use super::rows::{Changed, LeaseRow, LeaseRows, Readable, Settled, Written};
use crate::log::{KinesisLog, ShardLoad};
use async_trait::async_trait;
use parking_lot::Mutex;
use sluice_ports::log::{Position, ShardId};
use sluice_ports::{Checkpoints, PortError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A lease of this process.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) shard: ShardId,
    /// The row's count as this process knows it. The lock allows one write of the row at a time.
    counter: tokio::sync::Mutex<u64>,
    state: Mutex<LeaseState>,
    /// Cancelled when another process may own the lease.
    pub(super) lost: CancellationToken,
    /// Cancelled to have the shard handed over gracefully.
    pub(super) leave: CancellationToken,
    /// Cancelled when this process no longer works the shard.
    pub(super) ended: CancellationToken,
}

#[derive(Debug, Clone, Copy)]
struct LeaseState {
    /// When the last successful write began: the lease holds from then on.
    renewed: Instant,
    settled: Settled,
    /// The farthest position that this process tried to write. An earlier write may have
    /// been stored although its answer was lost.
    asked: Position,
    /// How far batches are stored, and the latest time that this process tried to tell.
    readable: Readable,
}

impl LeaseState {
    /// The values to write, such that the row never goes back.
    fn newest(&mut self, settled: Settled) -> Settled {
        self.asked = self.asked.max(settled.position);
        Settled { position: self.asked, ..settled }
    }
}

/// The reading progress of shards, which is stored with each checkpoint.
pub(super) trait ArrivalTimes: Send + Sync {
    /// The latest time (ms since the Unix epoch) such that every record of the shard that
    /// arrived by then is at `position` or before it.
    fn arrived_until_ms(&self, shard: &ShardId, position: Position) -> Option<u64>;

    /// No record of the shard behind `position` gives its batches a place in the inbox
    /// before that time, in milliseconds since the Unix epoch.
    fn readable_ms(&self, shard: &ShardId, position: Position) -> Option<u64>;

    /// The recent load of the shard.
    fn load(&self, shard: &ShardId) -> Option<ShardLoad>;

    /// The farthest position that is settled once `position` is: the end of a skipped range
    /// if `position` is at its beginning, else `position`.
    fn reached(&self, shard: &ShardId, position: Position) -> Position;
}

impl ArrivalTimes for KinesisLog {
    fn arrived_until_ms(&self, shard: &ShardId, position: Position) -> Option<u64> {
        Self::arrived_until_ms(self, shard, position)
    }

    fn readable_ms(&self, shard: &ShardId, position: Position) -> Option<u64> {
        Self::readable_ms(self, shard, position)
    }

    fn load(&self, shard: &ShardId) -> Option<ShardLoad> {
        Self::load(self, shard)
    }

    fn reached(&self, shard: &ShardId, position: Position) -> Position {
        Self::reached(self, shard, position)
    }
}

/// How often, in milliseconds, the row of a quiet shard is told that no record came.
const SETTLED_EVERY_MS: u64 = 60_000;

impl Lease {
    pub(super) fn checkpoint(&self) -> Position {
        self.state.lock().settled.position
    }

    /// Notes how far the shard's batches are stored.
    fn stored(&self, position: Position) {
        let mut state = self.state.lock();
        state.readable.at = state.readable.at.max(position);
    }

    /// How far readers of the inbox may read the shard. Never goes back.
    fn readable(&self, times: &dyn ArrivalTimes) -> Readable {
        let mut state = self.state.lock();
        let known_ms = times.readable_ms(&self.shard, state.readable.at).unwrap_or(0);
        state.readable.ms = state.readable.ms.max(known_ms);
        state.readable
    }

    /// The time since the lease was last surely ours.
    pub(super) fn age(&self) -> Duration {
        self.state.lock().renewed.elapsed()
    }
}

/// All leases of this process.
pub(super) struct Held {
    pub(super) table: Arc<dyn LeaseRows>,
    pub(super) me: String,
    times: Arc<dyn ArrivalTimes>,
    leases: Mutex<BTreeMap<ShardId, Arc<Lease>>>,
}

impl Held {
    pub(super) fn new(table: Arc<dyn LeaseRows>, me: String, times: Arc<dyn ArrivalTimes>) -> Self {
        Self { table, me, times, leases: Mutex::default() }
    }

    pub(super) fn all(&self) -> Vec<Arc<Lease>> {
        self.leases.lock().values().cloned().collect()
    }

    pub(super) fn get(&self, shard: &ShardId) -> Option<Arc<Lease>> {
        self.leases.lock().get(shard).cloned()
    }

    pub(super) fn forget(&self, shard: &ShardId) {
        self.leases.lock().remove(shard);
    }

    /// Adds a lease that was just taken, with the row's count and positions, the time when
    /// the take began, and the tokens of its grant.
    pub(super) fn insert(
        &self,
        shard: ShardId,
        counter: u64,
        (checkpoint, readable): (Position, Readable),
        begun: Instant,
        [lost, leave, ended]: [CancellationToken; 3],
    ) {
        let lease = Lease {
            shard: shard.clone(),
            counter: tokio::sync::Mutex::new(counter),
            state: Mutex::new(LeaseState {
                renewed: begun,
                settled: Settled { position: checkpoint, until_ms: None, load: None },
                asked: checkpoint,
                readable,
            }),
            lost,
            leave,
            ended,
        };
        self.leases.lock().insert(shard, Arc::new(lease));
    }

    /// Renews a lease. At intervals the row of a quiet shard is also told that no record
    /// came.
    pub(super) async fn keep(&self, lease: &Lease) -> Result<(), PortError> {
        let known = lease.state.lock().settled;
        let until_ms = self.times.arrived_until_ms(&lease.shard, known.position);
        let is_news = until_ms > known.until_ms.map(|ms| ms + SETTLED_EVERY_MS);
        let load = self.times.load(&lease.shard);
        self.write(lease, is_news.then_some(Settled { until_ms, load, ..known })).await
    }

    /// Renews a lease and stores its shard's checkpoint.
    pub(super) async fn checkpoint(&self, lease: &Lease, position: Position) -> Result<(), PortError> {
        let position = self.times.reached(&lease.shard, position);
        let until_ms = self.times.arrived_until_ms(&lease.shard, position);
        let load = self.times.load(&lease.shard);
        self.write(lease, Some(Settled { position, until_ms, load })).await
    }

    /// Renews the lease by counting its row up.
    ///
    /// The row may be one write ahead of our count, if the answer to our last write was
    /// lost. Then this write follows that one. Taking the earlier write for this one would
    /// count the lease from now on, while other processes count it from the earlier write.
    async fn write(&self, lease: &Lease, settled: Option<Settled>) -> Result<(), PortError> {
        let attempted = || format!("checkpoint {}", lease.shard);
        let mut counter = lease.counter.lock().await;
        let settled = settled.map(|settled| lease.state.lock().newest(settled));
        for _ in 0..2 {
            if lease.lost.is_cancelled() {
                return Err(PortError::unavailable(attempted(), "the lease is lost"));
            }
            let begun = Instant::now();
            let readable = lease.readable(&*self.times);
            match self.table.renew(&lease.shard, &self.me, *counter, settled, readable).await? {
                Written::Yes => {
                    *counter += 1;
                    let mut state = lease.state.lock();
                    state.renewed = begun;
                    state.settled = settled.unwrap_or(state.settled);
                    return Ok(());
                }
                Written::Refused(Some(now)) if self.is_ours_unanswered(&now, *counter) => {
                    *counter = now.counter;
                }
                Written::Refused(_) => break,
            }
        }
        tracing::warn!(shard = %lease.shard, "another process owns the lease now");
        lease.lost.cancel();
        Err(PortError::unavailable(attempted(), "the lease is another's"))
    }

    /// Gives a lease back, even if the answer to our last write was lost.
    pub(super) async fn release(&self, lease: &Lease) -> Result<Changed, PortError> {
        let mut counter = lease.counter.lock().await;
        loop {
            let written = self.table.release(&lease.shard, &self.me, *counter).await?;
            match written {
                Written::Refused(Some(now)) if self.is_ours_unanswered(&now, *counter) => {
                    *counter = now.counter;
                }
                written => return Ok(Changed::from_write(written, *counter, |now| now.owner.is_none())),
            }
        }
    }

    /// Whether our last write, whose answer was lost, made the row this way.
    fn is_ours_unanswered(&self, now: &LeaseRow, counter: u64) -> bool {
        now.owner.as_deref() == Some(&*self.me) && now.counter == counter + 1
    }
}

/// The store of checkpoints, in the rows of leases that this process holds.
pub struct LeaseCheckpoints {
    table: Arc<dyn LeaseRows>,
    held: Option<Arc<Held>>,
}

impl LeaseCheckpoints {
    /// A store for tools and tests, which work no shards: it stores checkpoints whoever owns the lease.
    #[must_use]
    pub fn unfenced(table: impl LeaseRows) -> Self {
        Self { table: Arc::new(table), held: None }
    }

    pub(super) fn fenced(held: &Arc<Held>) -> Self {
        Self { table: Arc::clone(&held.table), held: Some(Arc::clone(held)) }
    }
}

#[async_trait]
impl Checkpoints for LeaseCheckpoints {
    /// Fails as unavailable if this process does not hold the lease.
    async fn store(&self, shard: &ShardId, position: Position) -> Result<(), PortError> {
        let Some(held) = &self.held else { return self.table.store_checkpoint(shard, position).await };
        match held.get(shard) {
            Some(lease) => held.checkpoint(&lease, position).await,
            None => Err(PortError::unavailable(format!("checkpoint {shard}"), "its lease is not held here")),
        }
    }

    fn readable(&self, shard: &ShardId, position: Position) {
        if let Some(lease) = self.held.as_ref().and_then(|held| held.get(shard)) {
            lease.stored(position);
        }
    }

    async fn load(&self, shard: &ShardId) -> Result<Position, PortError> {
        Ok(self.table.row(shard).await?.map_or(Position::START, |row| row.checkpoint))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{MemoryTable, lease_row};
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// The times of a shard whose end was reached at this time, and which gets no records.
    #[derive(Default)]
    struct Quiet(AtomicU64);

    impl ArrivalTimes for Quiet {
        fn arrived_until_ms(&self, _: &ShardId, _: Position) -> Option<u64> {
            Some(self.0.load(Ordering::SeqCst)).filter(|ms| *ms > 0)
        }

        fn readable_ms(&self, _: &ShardId, position: Position) -> Option<u64> {
            // The record at each position arrived at that time.
            Some(position.lsn())
        }

        fn load(&self, _: &ShardId) -> Option<ShardLoad> {
            None
        }

        fn reached(&self, _: &ShardId, position: Position) -> Position {
            // In every shard, 3 to 5 is skipped.
            if position == Position::from_lsn(3) { Position::from_lsn(5) } else { position }
        }
    }

    fn shard() -> ShardId {
        ShardId("s".into())
    }

    fn held() -> (Arc<MemoryTable>, Held, Arc<Lease>) {
        let table = Arc::new(MemoryTable::with([lease_row("s", Some("me"), Position::START)]));
        let held = Held::new(table.clone(), "me".into(), Arc::new(Quiet::default()));
        let tokens = std::array::from_fn(|_| CancellationToken::new());
        let readable = Readable { at: Position::from_lsn(40), ms: 45 };
        held.insert(shard(), 7, (Position::START, readable), Instant::now(), tokens);
        let lease = held.get(&shard()).unwrap();
        (table, held, lease)
    }

    #[tokio::test]
    async fn a_lost_answer_costs_no_lease_and_the_next_renewal_is_one() {
        let (table, held, lease) = held();
        table.mute.store(true, Ordering::SeqCst);
        assert!(held.keep(&lease).await.is_err());
        assert_eq!(table.lease(&shard()).counter, 8);
        held.keep(&lease).await.unwrap();
        assert_eq!(
            table.lease(&shard()).counter,
            9,
            "others must see a change, or they count from the lost one"
        );
        // So it is if the second write has more to say than the first.
        table.mute.store(true, Ordering::SeqCst);
        assert!(held.keep(&lease).await.is_err());
        held.checkpoint(&lease, Position::from_lsn(5)).await.unwrap();
        assert_eq!(table.lease(&shard()).checkpoint, Position::from_lsn(5));
        assert!(!lease.lost.is_cancelled());
    }

    #[tokio::test]
    async fn the_row_of_a_quiet_shard_says_now_and_then_that_nothing_more_came() {
        let (table, mut held, lease) = held();
        let quiet = Arc::new(Quiet::default());
        held.times = quiet.clone();
        held.keep(&lease).await.unwrap();
        assert_eq!(table.lease(&shard()).settled_ms, None);
        for (now_ms, told) in [(500_000, 500_000), (530_000, 500_000), (561_000, 561_000)] {
            quiet.0.store(now_ms, Ordering::SeqCst);
            held.keep(&lease).await.unwrap();
            assert_eq!(table.lease(&shard()).settled_ms, Some(told));
        }
        assert_eq!(table.lease(&shard()).checkpoint, Position::START);
    }

    #[tokio::test]
    async fn a_range_that_is_passed_over_is_settled_with_what_is_before_it() {
        let (table, held, lease) = held();
        for (settled, stored) in [(2, 2), (3, 5), (5, 5), (6, 6)] {
            held.checkpoint(&lease, Position::from_lsn(settled)).await.unwrap();
            assert_eq!(table.lease(&shard()).checkpoint, Position::from_lsn(stored));
        }
    }

    #[tokio::test]
    async fn each_renewal_tells_how_far_the_inbox_can_be_read_and_none_goes_back() {
        let (table, held, lease) = held();
        let held = Arc::new(held);
        let checkpoints = LeaseCheckpoints::fenced(&held);
        let at = Position::from_lsn;
        // The time that an earlier owner told counts, and so does how far it had stored.
        for (stored, told) in [(30, (40, 45)), (50, (50, 50)), (49, (50, 50)), (60, (60, 60))] {
            checkpoints.readable(&shard(), at(stored));
            held.keep(&lease).await.unwrap();
            assert_eq!(table.lease(&shard()).readable, Some(Readable { at: at(told.0), ms: told.1 }));
        }
        checkpoints.readable(&shard(), at(70));
        held.checkpoint(&lease, at(6)).await.unwrap();
        let row = table.lease(&shard());
        assert_eq!((row.checkpoint, row.readable), (at(6), Some(Readable { at: at(70), ms: 70 })));
    }

    #[tokio::test]
    async fn a_lease_is_given_back_behind_a_lost_answer() {
        let (table, held, lease) = held();
        table.mute.store(true, Ordering::SeqCst);
        assert!(held.keep(&lease).await.is_err());
        assert!(matches!(held.release(&lease).await, Ok(Changed::Yes(_))));
        assert_eq!(table.lease(&shard()).owner, None);
    }

    #[tokio::test]
    async fn a_release_whose_answer_was_lost_is_one() {
        let (table, held, lease) = held();
        table.mute.store(true, Ordering::SeqCst);
        assert!(held.release(&lease).await.is_err());
        assert!(matches!(held.release(&lease).await, Ok(Changed::Yes(8))));
    }

    #[tokio::test]
    async fn a_lease_that_another_took_is_lost() {
        let (table, held, lease) = held();
        let theirs = LeaseRow { counter: 8, ..lease_row("s", Some("other"), Position::START) };
        table.leases.lock().insert(shard(), theirs);
        assert!(held.keep(&lease).await.is_err());
        assert!(lease.lost.is_cancelled());
        assert_eq!(table.lease(&shard()).checkpoint, Position::START);
    }
}
