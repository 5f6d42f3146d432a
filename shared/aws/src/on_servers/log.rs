//! The log beyond its contract: splits and merges, repeated records, a lost stream.

use super::provisioned;
use crate::AwsConfig;
use crate::Clients;
use crate::log::{Deduplicated, KinesisLog};
use sluice_model::Lane;
use sluice_ports::Log;
use sluice_ports::log::{AppendError, LogItem, LogRecord, Position, RecordDraft, ShardId};
use sluice_ports::sample::Batches;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const PAGE: usize = 1 << 20;

pub(super) struct LaneWriter {
    lane: Lane,
    batches: Batches,
    sequence: u64,
}

impl LaneWriter {
    pub(super) fn all(lanes: u16) -> Vec<Self> {
        let writer = |lane| Self { lane, batches: Batches::new(lane), sequence: 0 };
        (0..lanes).map(|n| writer(Lane::new(n).unwrap())).collect()
    }

    fn draft(&mut self) -> RecordDraft {
        self.sequence += 1;
        let batches = vec![self.batches.next(2, 50)];
        RecordDraft {
            lane: Some(self.lane),
            producer: 7,
            sequence: self.sequence,
            batches,
            parts: Vec::new(),
        }
    }
}

pub(super) async fn append_round(log: &KinesisLog, writers: &mut [LaneWriter]) {
    let appends = writers.iter_mut().map(|writer| {
        let (unit, draft) = (log.append_unit(writer.lane), writer.draft());
        async move { log.append(unit, draft).await.unwrap() }
    });
    futures_util::future::join_all(appends).await;
}

/// Reads all shards to their ends, parents before children.
pub(super) async fn read_all(log: &dyn Log, described: &KinesisLog) -> Vec<LogRecord> {
    let (mut records, mut done) = (Vec::new(), BTreeSet::<ShardId>::new());
    let shards = described.describe().await.unwrap();
    while done.len() < shards.len() {
        for shard in &shards {
            if done.contains(&shard.id) || !shard.parents.iter().all(|parent| done.contains(parent)) {
                continue;
            }
            let mut position = Position::START;
            loop {
                let page = log.read(&shard.id, position, PAGE, Duration::from_millis(100)).await.unwrap();
                for item in page.items {
                    let LogItem::Record(record) = item else { panic!("damage: {item:?}") };
                    position = record.position;
                    records.push(record);
                }
                assert_eq!(page.closed && page.at_end, page.closed, "what is closed is at its end");
                if page.closed || (page.at_end && !shard.closed) {
                    assert_eq!(page.closed, shard.closed);
                    break;
                }
            }
            done.insert(shard.id.clone());
        }
    }
    records
}

pub(super) fn assert_in_order(records: &[LogRecord], writers: &[LaneWriter]) {
    let mut by_lane: BTreeMap<Lane, Vec<u64>> = BTreeMap::new();
    for record in records.iter().filter(|record| !record.batches.is_empty()) {
        by_lane.entry(record.batches[0].lane()).or_default().push(record.sequence);
    }
    for writer in writers {
        let wanted: Vec<u64> = (1..=writer.sequence).collect();
        assert_eq!(by_lane[&writer.lane], wanted, "lane {:?}", writer.lane);
    }
}

pub(super) async fn split_and_merge(
    clients: &Clients,
    config: &AwsConfig,
    log: &KinesisLog,
    writers: &mut [LaneWriter],
) {
    let open = async || -> Vec<_> {
        let mut open: Vec<_> =
            log.describe().await.unwrap().into_iter().filter(|shard| !shard.closed).collect();
        open.sort_by_key(|shard| shard.first);
        open
    };
    let active = async || {
        loop {
            let answer =
                clients.kinesis.describe_stream_summary().stream_name(&config.stream).send().await.unwrap();
            if answer.stream_description_summary.unwrap().stream_status.as_str() == "ACTIVE" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let shards = open().await;
    let middle = shards[0].first + (shards[0].last - shards[0].first) / 2;
    let split = clients.kinesis.split_shard().stream_name(&config.stream).shard_to_split(&*shards[0].id.0);
    split.new_starting_hash_key(middle.to_string()).send().await.unwrap();
    append_round(log, writers).await;
    active().await;
    append_round(log, writers).await;
    let shards = open().await;
    let merge = clients.kinesis.merge_shards().stream_name(&config.stream).shard_to_merge(&*shards[1].id.0);
    merge.adjacent_shard_to_merge(&*shards[2].id.0).send().await.unwrap();
    append_round(log, writers).await;
    active().await;
    append_round(log, writers).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn lanes_keep_their_order_through_a_split_and_a_merge() {
    let (config, clients) = provisioned(2).await;
    let log = KinesisLog::open(&clients, &config).await.unwrap();
    let mut writers = LaneWriter::all(config.lanes);
    append_round(&log, &mut writers).await;
    split_and_merge(&clients, &config, &log, &mut writers).await;
    let records = read_all(&log, &log).await;
    assert_in_order(&records, &writers);
    assert_eq!(log.describe().await.unwrap().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn a_record_that_is_sent_twice_is_read_once_by_the_next_owner() {
    let (config, clients) = provisioned(1).await;
    let log = Arc::new(KinesisLog::open(&clients, &config).await.unwrap());
    let mut writers = LaneWriter::all(2);
    let mut drafts = Vec::new();
    for _ in 0..5 {
        for writer in &mut writers {
            drafts.push(writer.draft());
        }
    }
    for draft in &drafts {
        let unit = log.append_unit(draft.lane.unwrap());
        log.append(unit, draft.clone()).await.unwrap();
    }
    // The last ones again, as a retry after a lost answer leaves them.
    for draft in &drafts[6..] {
        log.append(log.append_unit(draft.lane.unwrap()), draft.clone()).await.unwrap();
    }
    let window = Duration::from_millis(config.resend_window_ms);
    let deduplicated = Deduplicated::new(log.clone(), window);
    let records = read_all(&deduplicated, &log).await;
    assert_eq!(records.len(), 14, "each leaves its place");
    assert_in_order(&records, &writers);

    // A new owner begins behind the first copies and learns them.
    let shard = log.shards().await.unwrap().remove(0);
    let taken_over = Deduplicated::new(log.clone(), window);
    let page = taken_over.read(&shard, records[9].position, PAGE, Duration::from_secs(2)).await.unwrap();
    let left: usize = page
        .items
        .iter()
        .map(|item| match item {
            LogItem::Record(record) => record.batches.len(),
            LogItem::Damaged { .. } => 1,
        })
        .sum();
    assert_eq!((page.items.len(), left), (4, 0));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn a_stream_that_is_away_takes_nothing_and_says_so() {
    let (config, clients) = provisioned(1).await;
    let log = KinesisLog::open(&clients, &config).await.unwrap();
    let mut writers = LaneWriter::all(1);
    append_round(&log, &mut writers).await;
    let nowhere =
        AwsConfig { kinesis_endpoint: "http://127.0.0.1:1".into(), append_deadline_ms: 1000, ..config };
    let away = KinesisLog::open(&Clients::new(&nowhere).await, &nowhere).await;
    assert!(away.is_err(), "it cannot be described");

    clients.kinesis.delete_stream().stream_name(&nowhere.stream).send().await.unwrap();
    let refused = loop {
        let draft = writers[0].draft();
        match log.append(0, draft).await {
            Ok(()) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AppendError::NotTaken { .. }), "{refused:?}");
    assert!(log.accepting().is_err(), "the door is shut for a moment");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn a_record_that_cannot_be_read_is_set_aside_as_it_came_and_passed() {
    let (config, clients) = provisioned(1).await;
    let log = KinesisLog::open(&clients, &config).await.unwrap();
    let mut writers = LaneWriter::all(1);
    append_round(&log, &mut writers).await;
    let poison: Vec<u8> = (0..700_000u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
    let put = clients.kinesis.put_record().stream_name(&config.stream).partition_key("0");
    let put = put.data(aws_sdk_kinesis::primitives::Blob::new(poison.clone())).send().await.unwrap();
    append_round(&log, &mut writers).await;

    let shard = log.shards().await.unwrap().remove(0);
    let (mut after, mut records, mut damage) = (Position::START, 0, Vec::new());
    while records < 2 || damage.is_empty() {
        for item in log.read(&shard, after, PAGE, Duration::from_millis(100)).await.unwrap().items {
            match item {
                LogItem::Record(record) => (after, records) = (record.position, records + 1),
                LogItem::Damaged { position, detail } => {
                    after = position;
                    damage.push(detail);
                }
            }
        }
    }
    assert_eq!(damage.len(), 1);
    assert!(damage[0].contains(put.sequence_number()), "{damage:?}");
    let query = clients.dynamodb.query().table_name(&config.events_table).key_condition_expression("pk = :p");
    let partition = aws_sdk_dynamodb::types::AttributeValue::S(format!("x#{shard}"));
    let parts = query.expression_attribute_values(":p", partition).send().await.unwrap().items.unwrap();
    let bytes: Vec<u8> = parts.iter().flat_map(|part| part["v"].as_b().unwrap().as_ref().to_vec()).collect();
    assert!(parts.len() == 3 && bytes == poison, "{} parts, {} bytes", parts.len(), bytes.len());
}
