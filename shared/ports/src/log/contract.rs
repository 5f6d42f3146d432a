//! The contract suite of [`Log`]. Each adapter's tests call [`all`] on a log that nobody else
//! uses; it need not be empty.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed check is a panic")]

use super::{Log, LogItem, LogRecord, Position, RecordDraft, ShardId};
use crate::sample::Batches;
use sluice_model::Lane;
use sluice_model::ids::random_u128;
use std::collections::BTreeMap;
use std::time::Duration;

/// Long enough for a stand-in that is slowed down by other tests.
const WAIT: Duration = Duration::from_secs(120);
const NO_WAIT: Duration = Duration::ZERO;
const PAGE_BYTES: usize = 1 << 20;

/// Runs every check.
pub async fn all(log: &dyn Log) {
    units_hold_every_lane(log).await;
    records_are_read_as_they_were_appended(log).await;
    records_of_a_unit_keep_their_order_among_others(log).await;
    small_pages_have_all_that_a_large_one_has(log).await;
    a_read_waits_for_what_comes(log).await;
    a_read_at_the_end_says_so(log).await;
    appending_twice_stores_twice(log).await;
    a_shard_says_the_lanes_that_it_holds(log).await;
}

/// Each lane is named by one open shard: the worker of a lane's parked list must be alone.
async fn a_shard_says_the_lanes_that_it_holds(log: &dyn Log) {
    let mut of_lane = BTreeMap::new();
    for shard in log.shards().await.unwrap() {
        for lane in log.lanes(&shard).await.unwrap() {
            let other = of_lane.insert(lane, shard.clone());
            assert!(other.is_none(), "lane {} is of two shards", lane.number());
        }
    }
    for lane in [0, 3] {
        let before = ends(log).await;
        let mut appender = Appender::new(log, lane);
        let draft = appender.draft(1, 10);
        appender.append(&draft).await;
        let shard = of_lane.get(&appender.lane).expect("a shard that holds the lane");
        let holds = async {
            loop {
                let page = log.read(shard, before[shard], PAGE_BYTES, WAIT).await.unwrap();
                let records = page.items.iter().filter_map(|item| match item {
                    LogItem::Record(record) => Some(record),
                    LogItem::Damaged { .. } => None,
                });
                if records.flat_map(|record| &record.batches).any(|batch| batch.id == draft.batches[0].id) {
                    return;
                }
            }
        };
        tokio::time::timeout(WAIT, holds).await.expect("its records are in that shard");
    }
}

/// Appends to one lane as one producer.
struct Appender<'a> {
    log: &'a dyn Log,
    batches: Batches,
    lane: Lane,
    producer: u64,
    sequence: u64,
}

impl<'a> Appender<'a> {
    fn new(log: &'a dyn Log, lane: u16) -> Self {
        let lane = Lane::new(lane).unwrap();
        Self { log, batches: Batches::new(lane), lane, producer: random_u128() as u64, sequence: 0 }
    }

    fn draft(&mut self, batches: usize, bytes: usize) -> RecordDraft {
        let batches = (0..batches).map(|_| self.batches.next(3, bytes)).collect();
        self.sequence += 1;
        RecordDraft {
            lane: Some(self.lane),
            producer: self.producer,
            sequence: self.sequence,
            batches,
            parts: Vec::new(),
        }
    }

    async fn append(&self, draft: &RecordDraft) {
        self.log.append(self.log.append_unit(self.lane), draft.clone()).await.unwrap();
    }
}

/// The end of every shard.
async fn ends(log: &dyn Log) -> BTreeMap<ShardId, Position> {
    let mut ends = BTreeMap::new();
    for shard in log.shards().await.unwrap() {
        let mut at = Position::START;
        loop {
            let page = log.read(&shard, at, PAGE_BYTES, NO_WAIT).await.unwrap();
            at = page.items.last().map_or(at, position);
            if page.at_end {
                break;
            }
        }
        ends.insert(shard, at);
    }
    ends
}

fn position(item: &LogItem) -> Position {
    match item {
        LogItem::Record(record) => record.position,
        LogItem::Damaged { detail, .. } => panic!("the log is damaged: {detail}"),
    }
}

/// The records that a producer appended behind `ends`, once there are `count` of them.
async fn read_of(
    log: &dyn Log,
    ends: &BTreeMap<ShardId, Position>,
    producer: u64,
    count: usize,
    page_bytes: usize,
) -> Vec<LogRecord> {
    let read = async {
        let mut found = Vec::new();
        let mut places = ends.clone();
        while found.len() < count {
            for (shard, at) in &mut places {
                let page = log.read(shard, *at, page_bytes, NO_WAIT).await.unwrap();
                for item in page.items {
                    assert!(position(&item) > *at, "positions ascend");
                    *at = position(&item);
                    if let LogItem::Record(record) = item
                        && record.producer == producer
                    {
                        found.push(record);
                    }
                }
            }
            tokio::task::yield_now().await;
        }
        found
    };
    tokio::time::timeout(WAIT, read).await.expect("what was appended can be read")
}

fn assert_same(record: &LogRecord, draft: &RecordDraft) {
    assert_eq!((record.producer, record.sequence), (draft.producer, draft.sequence));
    assert_eq!(record.batches, draft.batches);
}

async fn units_hold_every_lane(log: &dyn Log) {
    assert!(log.append_units() > 0);
    for lane in [0, 1, 2, 77, 4095] {
        assert!(log.append_unit(Lane::new(lane).unwrap()) < log.append_units());
    }
    assert!(!log.shards().await.unwrap().is_empty());
    log.accepting().unwrap();
}

async fn records_are_read_as_they_were_appended(log: &dyn Log) {
    let (ends, mut appender) = (ends(log).await, Appender::new(log, 3));
    let drafts = [appender.draft(1, 10), appender.draft(40, 700), appender.draft(1, 60_000)];
    for draft in &drafts {
        appender.append(draft).await;
    }
    let read = read_of(log, &ends, appender.producer, 3, PAGE_BYTES).await;
    read.iter().zip(&drafts).for_each(|(record, draft)| assert_same(record, draft));
}

async fn records_of_a_unit_keep_their_order_among_others(log: &dyn Log) {
    let ends = ends(log).await;
    let mut appenders: Vec<Appender<'_>> = (0..8).map(|lane| Appender::new(log, lane)).collect();
    let each = appenders.iter_mut().map(|appender| async move {
        for _ in 0..20 {
            let draft = appender.draft(2, 100);
            appender.append(&draft).await;
        }
        appender.producer
    });
    for producer in futures_util::future::join_all(each).await {
        let read = read_of(log, &ends, producer, 20, PAGE_BYTES).await;
        assert!(read.iter().map(|record| record.sequence).eq(1..=20));
    }
}

async fn small_pages_have_all_that_a_large_one_has(log: &dyn Log) {
    let (ends, mut appender) = (ends(log).await, Appender::new(log, 5));
    for _ in 0..10 {
        let draft = appender.draft(2, 500);
        appender.append(&draft).await;
    }
    for page_bytes in [0, 1, 2_000] {
        let read = read_of(log, &ends, appender.producer, 10, page_bytes).await;
        assert!(read.iter().map(|record| record.sequence).eq(1..=10), "pages of {page_bytes} bytes");
    }
}

async fn a_read_waits_for_what_comes(log: &dyn Log) {
    let (ends, mut appender) = (ends(log).await, Appender::new(log, 9));
    let draft = appender.draft(1, 100);
    let reads = futures_util::future::select_all(
        ends.iter().map(|(shard, at)| log.read(shard, *at, PAGE_BYTES, WAIT)),
    );
    let ((page, _, _), ()) = futures_util::future::join(reads, appender.append(&draft)).await;
    let page = page.unwrap();
    let LogItem::Record(record) = &page.items[0] else { panic!("a record was appended") };
    assert_same(record, &draft);
}

async fn a_read_at_the_end_says_so(log: &dyn Log) {
    for (shard, at) in ends(log).await {
        let page = log.read(&shard, at, PAGE_BYTES, NO_WAIT).await.unwrap();
        assert!(page.items.is_empty() && page.at_end);
    }
}

async fn appending_twice_stores_twice(log: &dyn Log) {
    let (ends, mut appender) = (ends(log).await, Appender::new(log, 6));
    let draft = appender.draft(1, 100);
    appender.append(&draft).await;
    appender.append(&draft).await;
    let read = read_of(log, &ends, appender.producer, 2, PAGE_BYTES).await;
    read.iter().for_each(|record| assert_same(record, &draft));
}
