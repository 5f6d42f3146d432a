//! The stream: shards that are split and merged, records that are throttled,
//! stored without an answer, or stored late.

use crate::plan::{START_MS, Service};
use crate::planted::Planted;
use crate::world::{Caller, NoAnswer, World, unavailable};
use async_trait::async_trait;
use sluice_aws::log::{
    Aside, Failure, From, Got, GotRecord, PutAnswer, PutRecord, ShardInfo, Stream, point_of,
};
use sluice_model::wire::record::RecordDirectory;
use sluice_model::{Batch, Lane};
use sluice_ports::PortError;
use sluice_ports::log::{Position, ShardId};
use std::collections::HashMap;
use std::sync::Arc;

/// What the world knows of a stored record.
pub(crate) struct Kept {
    pub(crate) got: GotRecord,
    pub(crate) batches: Vec<Arc<Batch>>,
    /// An earlier count of its producer and lane than one that is stored
    /// already: readers may drop it, and nobody was promised it.
    pub(crate) stale: bool,
}

pub(crate) struct Shard {
    pub(crate) info: ShardInfo,
    pub(crate) records: Vec<Kept>,
}

/// All shards there ever were.
pub(crate) struct Shards {
    pub(crate) all: Vec<Shard>,
    stored: u64,
    /// The largest count stored of each producer and lane.
    counts: HashMap<(u64, u16), u64>,
    /// Each record's bytes, by producer, lane and count.
    bytes: HashMap<(u64, u16, u64), bytes::Bytes>,
}

impl Shards {
    pub(crate) fn new(count: usize) -> Self {
        let mut shards = Self { all: Vec::new(), stored: 0, counts: HashMap::new(), bytes: HashMap::new() };
        let width = u128::MAX / count as u128;
        for n in 0..count as u128 {
            let last = if n + 1 == count as u128 { u128::MAX } else { width * (n + 1) - 1 };
            shards.open(width * n, last, Vec::new());
        }
        shards
    }

    fn open(&mut self, first: u128, last: u128, parents: Vec<ShardId>) {
        let id = ShardId(format!("shardId-{:012}", self.all.len()).into());
        let info = ShardInfo { id, parents, first, last, closed: false };
        self.all.push(Shard { info, records: Vec::new() });
    }

    pub(crate) fn of(&self, id: &ShardId) -> Option<&Shard> {
        self.all.iter().find(|shard| shard.info.id == *id)
    }

    fn open_ones(&self) -> Vec<usize> {
        let mut open: Vec<usize> = (0..self.all.len()).filter(|at| !self.all[*at].info.closed).collect();
        open.sort_by_key(|at| self.all[*at].info.first);
        open
    }

    /// Splits an open shard between two lanes, so that both halves have some.
    pub(crate) fn split(&mut self, which: u64) -> Option<String> {
        let open = self.open_ones();
        let at = open[which as usize % open.len()];
        let ShardInfo { id, first, last, .. } = self.all[at].info.clone();
        if open.len() > 6 || last - first < u128::MAX / 16 {
            return None;
        }
        let middle = first + (last - first) / 2;
        self.all[at].info.closed = true;
        self.open(first, middle, vec![id.clone()]);
        self.open(middle + 1, last, vec![id.clone()]);
        Some(format!("split {id}"))
    }

    /// Merges an open shard with the one behind it.
    pub(crate) fn merge(&mut self, which: u64) -> Option<String> {
        let open = self.open_ones();
        let place = which as usize % open.len();
        let (one, two) = (open[place], *open.get(place + 1)?);
        let parents = [one, two].map(|at| self.all[at].info.id.clone());
        let (first, last) = (self.all[one].info.first, self.all[two].info.last);
        for at in [one, two] {
            self.all[at].info.closed = true;
        }
        let told = format!("merged {} and {}", parents[0], parents[1]);
        self.open(first, last, parents.into());
        Some(told)
    }
}

/// Stores a record and lets the ledger know.
fn store(world: &World, record: &PutRecord) -> ShardId {
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
    let at_ms = world.now_ms();
    shard.records.push(Kept {
        got: GotRecord { position, bytes: record.bytes.clone(), at_ms },
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
    async fn shards(&self) -> Result<Vec<ShardInfo>, PortError> {
        let all = |world: &World| world.shards.lock().all.iter().map(|shard| shard.info.clone()).collect();
        self.world.ask(self.who, Service::Stream, "list shards", all).await
    }

    async fn put(&self, records: Vec<PutRecord>) -> Result<Vec<PutAnswer>, (Failure, String)> {
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
            records.iter().map(|of| Self::put_one(world, of)).collect()
        };
        self.world.call(self.who, Service::Stream, true, effect).await.map_err(|why| {
            let failure = match why {
                NoAnswer::Refused => Failure::Throttled,
                NoAnswer::Unclear => Failure::Ambiguous,
            };
            (failure, "simulated".into())
        })
    }

    async fn iterator(&self, shard: &ShardId, from: From) -> Result<String, PortError> {
        let shard = shard.clone();
        let effect = move |world: &World| {
            let shards = world.shards.lock();
            let records = &shards.of(&shard).map(|shard| &shard.records);
            let first = |is_before: &dyn Fn(&GotRecord) -> bool| {
                records.map_or(0, |records| records.partition_point(|kept| is_before(&kept.got)))
            };
            let at = match from {
                From::After(position) => first(&|got| got.position <= position),
                From::At(position) => first(&|got| got.position < position),
                From::Time(ms) => first(&|got| got.at_ms < ms),
            };
            format!("{at}@{}", world.now_ms())
        };
        self.world.ask(self.who, Service::Stream, "begin to read", effect).await
    }

    async fn get(&self, shard: &ShardId, iterator: String, limit: i32) -> Result<Got, PortError> {
        let shard = shard.clone();
        let effect = move |world: &World| {
            let (at, made) = iterator.split_once('@')?;
            let (at, made) = (at.parse::<usize>().ok()?, made.parse::<u64>().ok()?);
            // Sooner than Kinesis' five minutes, so that it happens.
            if made + 20_000 < world.now_ms() {
                return None;
            }
            let shards = world.shards.lock();
            let of = shards.of(&shard)?;
            // A page may be shorter than what there is.
            let short = 1 + world.roll("page", made % 7) as usize % 40;
            let most = if world.plan.load.is_some() { limit as usize } else { short.min(limit as usize) };
            let until = of.records.len().min(at + most);
            let records = of.records[at..until].iter().map(|kept| kept.got.clone()).collect();
            let at_end = until == of.records.len();
            let closed = of.info.closed && at_end;
            let next = (!closed).then(|| format!("{until}@{}", world.now_ms()));
            let behind_ms = if at_end { 0 } else { 1 + world.now_ms() - START_MS };
            Some(Got { records, behind_ms, closed, next })
        };
        let got = self.world.ask(self.who, Service::Stream, "read", effect).await?;
        got.ok_or_else(|| unavailable("read: the iterator expired", NoAnswer::Refused))
    }
}

#[async_trait]
impl Aside for SimStream {
    /// Nothing here damages a record.
    async fn put(&self, _shard: &ShardId, _record: &GotRecord, detail: &str) -> Result<(), PortError> {
        self.world.broken("what was stored can be read", detail);
        Ok(())
    }
}
