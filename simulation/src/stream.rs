//! The stream: its shards are split and merged; its records are throttled, stored without an
//! answer, or stored late.

use crate::plan::{START_MS, Service};
use crate::planted::Planted;
use crate::table::Table;
use crate::world::{Caller, World};
use async_trait::async_trait;
use sluice_aws::leases::LeaseRow;
use sluice_aws::log::{
    Aside, PutAnswer, PutRecord, ReadFrom, ShardInfo, ShardPage, StoredRecord, Stream, StreamIdentity,
    point_of,
};
use sluice_model::wire::record::RecordDirectory;
use sluice_model::{Batch, Lane};
use sluice_ports::log::{Position, ShardId};
use sluice_ports::{FailureClass, PortError};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// A stored record and its content.
pub(crate) struct Kept {
    pub(crate) record: StoredRecord,
    pub(crate) batches: Vec<Arc<Batch>>,
    /// Whether its producer and lane already stored a later count: readers may drop it, and it was
    /// not promised to anybody.
    pub(crate) stale: bool,
}

pub(crate) struct Shard {
    pub(crate) info: ShardInfo,
    pub(crate) records: Vec<Kept>,
    /// The time before which no read is allowed, because the last answer was large.
    free_at_ms: u64,
    /// When it was recently read.
    reads_ms: VecDeque<u64>,
}

impl Shard {
    /// Whether a read is allowed now, by the two limits of a shard.
    fn admits(&mut self, now_ms: u64) -> bool {
        while self.reads_ms.front().is_some_and(|read_ms| read_ms + 1000 <= now_ms) {
            self.reads_ms.pop_front();
        }
        let admits = now_ms >= self.free_at_ms && self.reads_ms.len() < READS_PER_S;
        if admits {
            self.reads_ms.push_back(now_ms);
        }
        admits
    }

    /// Notes that an answer of `bytes` bytes was given.
    fn gave(&mut self, now_ms: u64, bytes: usize) {
        self.free_at_ms = now_ms + bytes as u64 * 1000 / SHARD_BYTES_PER_S;
    }
}

/// The reads a second and the bytes a second of a shard: Kinesis' limits, scaled to the times and
/// loads of the simulation.
const READS_PER_S: usize = 20;
pub(crate) const SHARD_BYTES_PER_S: u64 = 24 << 10;

/// All shards that ever were.
pub(crate) struct StreamShards {
    pub(crate) all: Vec<Shard>,
    stored: u64,
    /// The largest stored count of each producer and lane.
    counts: HashMap<(u64, u16), u64>,
    /// Each record's bytes, by producer, lane and count.
    bytes: HashMap<(u64, u16, u64), bytes::Bytes>,
    /// When the stream was made, and the last position of the previous stream.
    made_ms: u64,
    former: u64,
}

/// How far the positions of a new stream are above those of the previous one.
const POSITIONS_APART: u64 = 1_000_000;

impl StreamShards {
    pub(crate) fn new(count: usize) -> Self {
        let mut shards = Self {
            all: Vec::new(),
            stored: 0,
            counts: HashMap::new(),
            bytes: HashMap::new(),
            made_ms: START_MS,
            former: 0,
        };
        shards.open_all(count);
        shards
    }

    /// Opens shards that share the ring evenly.
    fn open_all(&mut self, count: usize) {
        let width = u128::MAX / count as u128;
        for n in 0..count as u128 {
            let last = if n + 1 == count as u128 { u128::MAX } else { width * (n + 1) - 1 };
            self.open(width * n, last, Vec::new());
        }
    }

    /// Deletes the stream and makes it again.
    fn replace(&mut self, count: usize, now_ms: u64) {
        self.all.clear();
        self.stored += POSITIONS_APART;
        // Streams that are made within the same second cannot be told apart.
        (self.former, self.made_ms) = (self.stored, now_ms.max(self.made_ms + 1_000));
        self.open_all(count);
    }

    /// The identity of the stream.
    pub(crate) fn identity(&self) -> StreamIdentity {
        let retention = Duration::from_secs(24 * 3600);
        StreamIdentity { arn: "simulated".into(), created_ms: self.made_ms, retention }
    }

    /// Whether a position can be one of this stream.
    fn knows(&self, position: Position) -> bool {
        position == Position::START || position > Position::from_lsn(self.former)
    }

    fn open(&mut self, first: u128, last: u128, parents: Vec<ShardId>) {
        let id = ShardId(format!("shardId-{:012}", self.all.len()).into());
        let info = ShardInfo { id, parents, first, last, closed: false };
        self.all.push(Shard { info, records: Vec::new(), free_at_ms: 0, reads_ms: VecDeque::new() });
    }

    pub(crate) fn shard(&self, id: &ShardId) -> Option<&Shard> {
        self.all.iter().find(|shard| shard.info.id == *id)
    }

    /// The shard of a lease. The lease of a deleted stream is never believed: it is made anew before
    /// its shard is worked.
    pub(crate) fn shard_of(&self, lease: &LeaseRow) -> Option<&Shard> {
        self.shard(&lease.shard).filter(|_| lease.stream_made_s == Some(self.identity().made_s()))
    }

    /// How far a shard of the stream is settled.
    pub(crate) fn settled(&self, table: &Table, shard: &ShardId) -> Position {
        let lease = table.leases.get(shard).filter(|lease| self.shard_of(lease).is_some());
        lease.map_or(Position::START, |lease| lease.checkpoint)
    }

    fn open_ones(&self) -> Vec<usize> {
        let mut open: Vec<usize> =
            (0..self.all.len()).filter(|index| !self.all[*index].info.closed).collect();
        open.sort_by_key(|index| self.all[*index].info.first);
        open
    }

    /// Splits an open shard between two of its lanes.
    pub(crate) fn split(&mut self, which: u64) -> Option<String> {
        let open = self.open_ones();
        let index = open[which as usize % open.len()];
        let ShardInfo { id, first, last, .. } = self.all[index].info.clone();
        if open.len() > 6 || last - first < u128::MAX / 16 {
            return None;
        }
        let middle = first + (last - first) / 2;
        self.all[index].info.closed = true;
        self.open(first, middle, vec![id.clone()]);
        self.open(middle + 1, last, vec![id.clone()]);
        Some(format!("split {id}"))
    }

    /// Merges an open shard with the next one.
    pub(crate) fn merge(&mut self, which: u64) -> Option<String> {
        let open = self.open_ones();
        let place = which as usize % open.len();
        let (one, two) = (open[place], *open.get(place + 1)?);
        let parents = [one, two].map(|index| self.all[index].info.id.clone());
        let (first, last) = (self.all[one].info.first, self.all[two].info.last);
        for index in [one, two] {
            self.all[index].info.closed = true;
        }
        let told = format!("merged {} and {}", parents[0], parents[1]);
        self.open(first, last, parents.into());
        Some(told)
    }
}

/// Stores a record and tells the ledger.
pub(crate) fn store(world: &World, record: &PutRecord) -> ShardId {
    let mut shards = world.shards.lock();
    shards.stored += 1;
    let position = Position::from_lsn(shards.stored);
    let (mut batches, mut stale) = (Vec::new(), false);
    match RecordDirectory::parse(&record.bytes) {
        Ok(directory) => {
            let key = (directory.producer, record.lane);
            let known = shards.counts.entry(key).or_insert(directory.sequence);
            stale = directory.sequence < *known;
            *known = directory.sequence.max(*known);
            let all = directory.read_all(&record.bytes);
            batches = all.filter_map(|(_, batch)| batch.ok()).map(Arc::new).collect();
            let key = (directory.producer, record.lane, directory.sequence);
            let before = shards.bytes.entry(key).or_insert_with(|| record.bytes.clone()).clone();
            if before != record.bytes {
                world.broken(
                    "the same bytes are sent again",
                    &format!("lane {} record {}", record.lane, key.2),
                );
            }
            if point_of(Lane::new(record.lane).expect("a lane"), world.plan.lanes()) != record.point {
                world.broken("a lane has one point of the ring", &format!("lane {}", record.lane));
            }
        }
        Err(error) => world.broken("records can be read", &error.to_string()),
    }
    let open = shards
        .all
        .iter_mut()
        .find(|shard| !shard.info.closed && (shard.info.first..=shard.info.last).contains(&record.point));
    let shard = open.expect("every point falls into an open shard");
    let id = shard.info.id.clone();
    world.ledger.lock().stored(world, &batches, stale);
    if let Some(cell) = &world.cell {
        cell.stored(record, &batches);
    }
    let at_ms = world.now_ms();
    shard.records.push(Kept {
        record: StoredRecord { position, bytes: record.bytes.clone(), at_ms },
        batches,
        stale,
    });
    world.tell(|| {
        format!(
            "stored lane {} in {id} at {}{}",
            record.lane,
            position.lsn(),
            if stale { ", stale" } else { "" }
        )
    });
    id
}

/// The stream as one process sees it.
pub(crate) struct SimStream {
    pub(crate) world: Arc<World>,
    pub(crate) who: Caller,
}

impl SimStream {
    fn put_one(world: &World, record: &PutRecord) -> PutAnswer {
        let partial = world.rates(Service::Stream).partial;
        let roll = world.roll("record", u64::from(record.lane));
        if roll % 1000 < partial {
            return PutAnswer::Throttled;
        }
        if roll % 1000 < partial + partial / 3 {
            if roll >> 32 & 1 == 0 {
                store(world, record);
            }
            return PutAnswer::Unclear;
        }
        if world.planted == Some(Planted::ReorderedRetry) && roll >> 40 & 15 == 0 {
            let record = record.clone();
            world.later(300, Box::new(move |world| drop(store(world, &record))));
            return PutAnswer::Stored(None);
        }
        PutAnswer::Stored(Some(store(world, record)))
    }
}

#[async_trait]
impl Stream for SimStream {
    async fn identity(&self) -> Result<StreamIdentity, PortError> {
        let identity = |world: &World| world.shards.lock().identity();
        self.world.ask(self.who, Service::Stream, "describe the stream", identity).await
    }

    async fn shards(&self) -> Result<Vec<ShardInfo>, PortError> {
        let all = |world: &World| world.shards.lock().all.iter().map(|shard| shard.info.clone()).collect();
        self.world.ask(self.who, Service::Stream, "list shards", all).await
    }

    async fn put(&self, records: Vec<PutRecord>) -> Result<Vec<PutAnswer>, (FailureClass, String)> {
        let mut lanes: Vec<u16> = records.iter().map(|record| record.lane).collect();
        lanes.sort_unstable();
        if lanes.windows(2).any(|pair| pair[0] == pair[1]) {
            self.world.broken("a lane has one record on its way", &format!("{lanes:?}"));
        }
        let effect = move |world: &World| {
            world.tally("PutRecords requests", 1);
            world.tally("records", records.len());
            let units = records.iter().map(|record| record.bytes.len().div_ceil(25 * 1024)).sum();
            world.tally("PUT units of 25 KB", units);
            records.iter().map(|record| Self::put_one(world, record)).collect()
        };
        let called = self.world.call(self.who, Service::Stream, true, effect).await;
        called.map_err(|why| (why.class(), "simulated".into()))
    }

    async fn iterator(&self, shard: &ShardId, from: ReadFrom) -> Result<String, PortError> {
        let id = shard.clone();
        let effect = move |world: &World| {
            let shards = world.shards.lock();
            if let ReadFrom::After(position) | ReadFrom::At(position) = from
                && !shards.knows(position)
            {
                return None;
            }
            let records = &shards.shard(&id)?.records;
            let first = |is_before: &dyn Fn(&StoredRecord) -> bool| {
                records.partition_point(|kept| is_before(&kept.record))
            };
            let place = match from {
                ReadFrom::After(position) => first(&|record| record.position <= position),
                ReadFrom::At(position) => first(&|record| record.position < position),
                ReadFrom::Time(ms) => first(&|record| record.at_ms < ms),
            };
            Some(format!("{}:{place}@{}", shards.made_ms, world.now_ms()))
        };
        let begun = self.world.ask(self.who, Service::Stream, "begin to read", effect).await?;
        begun.ok_or_else(|| refused(FailureClass::Refused, shard, "the stream does not know the position"))
    }

    async fn get(&self, shard: &ShardId, iterator: &str, limit: usize) -> Result<ShardPage, PortError> {
        let (id, iterator, who) = (shard.clone(), iterator.to_owned(), self.who);
        let effect = move |world: &World| {
            world.page(&id, &iterator, limit).inspect(|page| {
                let mut watch = world.watch.lock();
                match page.closed {
                    false => watch.read(world, who, id.clone()),
                    // Nothing will follow.
                    true => watch.read_to_its_end(who, &id),
                }
            })
        };
        let page = self.world.ask(self.who, Service::Stream, "read", effect).await?;
        page.map_err(|class| refused(class, shard, "simulated"))
    }
}

/// The error of a call that the stream refuses.
fn refused(class: FailureClass, shard: &ShardId, why: &str) -> PortError {
    PortError::failed(class, format!("read {shard}"), why.to_owned())
}

impl World {
    /// One page of a shard.
    fn page(&self, id: &ShardId, iterator: &str, limit: usize) -> Result<ShardPage, FailureClass> {
        let expired = FailureClass::Refused;
        let mut shards = self.shards.lock();
        let (stream, place) = iterator.split_once(':').ok_or(expired)?;
        let (place, begun) = place.split_once('@').ok_or(expired)?;
        let place = place.parse::<usize>().map_err(|_| expired)?;
        let begun = begun.parse::<u64>().map_err(|_| expired)?;
        let made_ms = shards.made_ms;
        // Sooner than Kinesis' five minutes, so that it happens in a run.
        if stream != made_ms.to_string() || begun + 20_000 < self.now_ms() {
            return Err(expired);
        }
        let shard = shards.all.iter_mut().find(|shard| shard.info.id == *id).ok_or(expired)?;
        let bounded = self.plan.load.is_none();
        if bounded && !shard.admits(self.now_ms()) {
            return Err(FailureClass::Busy);
        }
        // A page may be shorter than possible, and empty without being the end.
        let roll = self.roll("page", begun % 7) as usize;
        let short = if roll.is_multiple_of(8) { 0 } else { 1 + roll % 40 };
        let most = if bounded { short.min(limit) } else { limit };
        let until = shard.records.len().min(place + most);
        let records: Vec<_> = shard.records[place..until].iter().map(|kept| kept.record.clone()).collect();
        shard.gave(self.now_ms(), records.iter().map(|record| record.bytes.len()).sum());
        let left = shard.records.get(until);
        let behind_ms = left.map_or(0, |left| 1 + self.now_ms().saturating_sub(left.record.at_ms));
        let closed = shard.info.closed && left.is_none();
        let next = (!closed).then(|| format!("{made_ms}:{until}@{}", self.now_ms()));
        Ok(ShardPage { records, behind_ms, closed, next })
    }

    /// Deletes the stream and makes it again. Its unsettled records are lost.
    pub(crate) fn replace_stream(&self) {
        let (mut shards, table) = (self.shards.lock(), self.table.lock());
        let mut ledger = self.ledger.lock();
        ledger.count("streams replaced");
        for shard in &shards.all {
            let settled = shards.settled(&table, &shard.info.id);
            let lost = shard.records.iter().filter(|kept| kept.record.position > settled);
            ledger.lost(lost.flat_map(|kept| &kept.batches));
        }
        shards.replace(self.plan.shards, self.now_ms());
    }
}

#[async_trait]
impl Aside for SimStream {
    /// Fails the run, since nothing here damages a record.
    async fn put(&self, _shard: &ShardId, _record: &StoredRecord, detail: &str) -> Result<(), PortError> {
        self.world.broken("what was stored can be read", detail);
        Ok(())
    }
}
