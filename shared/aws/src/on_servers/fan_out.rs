//! Reading shards by push, through splits and merges, and over connections that break or
//! go silent.

use super::cable::{Cable, Mode};
use super::log::{LaneWriter, append_round, assert_in_order, read_all, split_and_merge};
use super::{provisioned, variable};
use crate::AwsConfig;
use crate::Clients;
use crate::log::KinesisLog;
use sluice_ports::Log;
use sluice_ports::log::{LogItem, Position};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(240);

/// Reads by push. The consumer is named after its stream: kinesis-local removes a consumer
/// from the first stream that has one of that name.
pub(super) fn pushed(config: AwsConfig) -> AwsConfig {
    AwsConfig { fan_out_consumer: format!("pushed-{}", config.stream), fan_out_watchdog_ms: 8000, ..config }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn lanes_that_are_pushed_keep_their_order_through_a_split_and_a_merge() {
    let (config, clients) = provisioned(2).await;
    let config = pushed(config);
    let log = KinesisLog::open(&clients, &config).await.unwrap();
    let mut writers = LaneWriter::all(config.lanes);
    append_round(&log, &mut writers).await;
    split_and_merge(&clients, &config, &log, &mut writers).await;
    let records = tokio::time::timeout(WAIT, read_all(&log, &log)).await.expect("each shard has an end");
    assert_in_order(&records, &writers);
}

/// Reads the only shard from `position` on, until `count` records came.
async fn read(log: &KinesisLog, position: &mut Position, count: usize) -> Vec<sluice_ports::log::LogRecord> {
    let shard = log.shards().await.unwrap().remove(0);
    let mut records = Vec::new();
    let wait = async {
        while records.len() < count {
            let Ok(page) = log.read(&shard, *position, 1 << 20, Duration::from_millis(200)).await else {
                continue;
            };
            for item in page.items {
                let LogItem::Record(record) = item else { panic!("damage: {item:?}") };
                *position = record.position;
                records.push(record);
            }
        }
    };
    tokio::time::timeout(WAIT, wait).await.expect("what was appended is pushed");
    records
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn a_subscription_that_breaks_or_goes_silent_is_begun_anew_where_it_was() {
    let (config, clients) = provisioned(1).await;
    let direct = KinesisLog::open(&clients, &config).await.unwrap();
    let cable = Cable::to(variable("KINESIS_ENDPOINT").trim_start_matches("http://").to_owned()).await;
    let config = AwsConfig {
        kinesis_endpoint: format!("http://{}", cable.address),
        attempt_timeout_ms: 5000,
        ..pushed(config)
    };
    let log = KinesisLog::open(&Clients::new(&config).await, &config).await.unwrap();
    let (mut writers, mut position, mut records) = (LaneWriter::all(4), Position::START, Vec::new());
    append_round(&direct, &mut writers).await;
    records.extend(read(&log, &mut position, 4).await);

    for trouble in [Mode::Cut, Mode::Silent] {
        cable.set(trouble);
        append_round(&direct, &mut writers).await;
        // The watchdog's time passes, with no record or with an error.
        let shard = direct.shards().await.unwrap().remove(0);
        let none = log.read(&shard, position, 1 << 20, Duration::from_secs(2)).await;
        assert!(none.is_err() || none.is_ok_and(|page| page.items.is_empty()), "{trouble:?}");
        cable.set(Mode::Open);
        append_round(&direct, &mut writers).await;
        records.extend(read(&log, &mut position, 8).await);
    }
    assert_in_order(&records, &writers);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn a_consumer_that_was_deregistered_is_registered_again() {
    let (config, clients) = provisioned(1).await;
    let direct = KinesisLog::open(&clients, &config).await.unwrap();
    let cable = Cable::to(variable("KINESIS_ENDPOINT").trim_start_matches("http://").to_owned()).await;
    let config = AwsConfig { kinesis_endpoint: format!("http://{}", cable.address), ..pushed(config) };
    let log = KinesisLog::open(&Clients::new(&config).await, &config).await.unwrap();
    let (mut writers, mut position, mut records) = (LaneWriter::all(4), Position::START, Vec::new());
    append_round(&direct, &mut writers).await;
    records.extend(read(&log, &mut position, 4).await);

    let described = clients.kinesis.describe_stream_summary().stream_name(&config.stream).send().await;
    let arn = described.unwrap().stream_description_summary.unwrap().stream_arn;
    // The subscription ends, and the next one needs the consumer. A consumer
    // that is being deleted may still be subscribed to, so its end is awaited.
    cable.set(Mode::Cut);
    let deregister = clients.kinesis.deregister_stream_consumer().stream_arn(&arn);
    deregister.consumer_name(&config.fan_out_consumer).send().await.unwrap();
    let gone = async {
        let describe = || clients.kinesis.describe_stream_consumer().stream_arn(&arn);
        while describe().consumer_name(&config.fan_out_consumer).send().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(WAIT, gone).await.expect("the consumer is deleted");
    cable.set(Mode::Open);
    append_round(&direct, &mut writers).await;
    records.extend(read(&log, &mut position, 4).await);
    assert_in_order(&records, &writers);
}
