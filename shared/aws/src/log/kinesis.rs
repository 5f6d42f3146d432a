//! The stream on Kinesis: its requests and their answers.

use super::fan_out::FanOut;
use super::shard_map::ShardInfo;
use super::stream::{
    PutAnswer, PutRecord, ReadFrom, ShardPage, ShardSubscription, StoredRecord, Stream, StreamIdentity,
};
use crate::config::AwsConfig;
use crate::failure;
use async_trait::async_trait;
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry, Record, ShardIteratorType};
use sluice_ports::log::{Position, ShardId};
use sluice_ports::{FailureClass, PortError};
use std::sync::Arc;
use std::time::Duration;

/// A Kinesis stream.
pub(super) struct KinesisStream {
    client: aws_sdk_kinesis::Client,
    name: String,
    /// The consumer that shards push to, if one is configured.
    fan_out: Option<Arc<FanOut>>,
}

impl KinesisStream {
    pub(super) fn new(client: &aws_sdk_kinesis::Client, config: &AwsConfig) -> Self {
        let (client, name) = (client.clone(), config.stream.clone());
        let watchdog = Duration::from_millis(config.fan_out_watchdog_ms);
        let consumer = config.fan_out_consumer.clone();
        let make = || Arc::new(FanOut::new(client.clone(), name.clone(), consumer, watchdog));
        Self { fan_out: (!config.fan_out_consumer.is_empty()).then(make), client, name }
    }
}

#[async_trait]
impl Stream for KinesisStream {
    async fn identity(&self) -> Result<StreamIdentity, PortError> {
        let attempted = || format!("describe stream {}", self.name);
        let asked = self.client.describe_stream_summary().stream_name(&self.name).send().await;
        let summary =
            asked.map_err(|error| failure::port_error(attempted(), &error))?.stream_description_summary;
        let summary = summary.ok_or_else(|| PortError::unavailable(attempted(), "the answer is empty"))?;
        Ok(StreamIdentity {
            created_ms: summary.stream_creation_timestamp.to_millis().unwrap_or(0) as u64,
            retention: Duration::from_secs(summary.retention_period_hours.max(0) as u64 * 3600),
            arn: summary.stream_arn,
        })
    }

    async fn shards(&self) -> Result<Vec<ShardInfo>, PortError> {
        let attempted = || format!("list the shards of stream {}", self.name);
        let (mut shards, mut next) = (Vec::new(), None::<String>);
        loop {
            let request = self.client.list_shards();
            // The API takes the name or a token, not both.
            let request = match next.take() {
                None => request.stream_name(&self.name),
                Some(token) => request.next_token(token),
            };
            let answer = request.send().await.map_err(|error| failure::port_error(attempted(), &error))?;
            shards.extend(answer.shards().iter().map(describe));
            next = answer.next_token;
            if next.is_none() {
                return Ok(shards);
            }
        }
    }

    async fn put(&self, records: Vec<PutRecord>) -> Result<Vec<PutAnswer>, (FailureClass, String)> {
        let records = records.into_iter().map(|record| {
            PutRecordsRequestEntry::builder()
                .partition_key(record.lane.to_string())
                .explicit_hash_key(record.point.to_string())
                .data(Blob::new(record.bytes.to_vec()))
                .build()
                .expect("a record has data and a partition key")
        });
        let request = self.client.put_records().stream_name(&self.name).set_records(Some(records.collect()));
        match request.send().await {
            Ok(answer) => Ok(answer.records.iter().map(answered).collect()),
            Err(error) => Err((failure::class_of(&error), failure::describe(&error))),
        }
    }

    async fn iterator(&self, shard: &ShardId, from: ReadFrom) -> Result<String, PortError> {
        let request = self.client.get_shard_iterator().stream_name(&self.name).shard_id(&*shard.0);
        let request = match from {
            ReadFrom::After(Position::START) => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
            ReadFrom::After(position) => request
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .starting_sequence_number(position.to_decimal()),
            ReadFrom::At(position) => request
                .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
                .starting_sequence_number(position.to_decimal()),
            ReadFrom::Time(ms) => request
                .shard_iterator_type(ShardIteratorType::AtTimestamp)
                .timestamp(DateTime::from_millis(ms as i64)),
        };
        let attempted = || format!("begin to read {shard} at {from:?}");
        let answer = request.send().await.map_err(|error| failure::port_error(attempted(), &error))?;
        answer.shard_iterator.ok_or_else(|| PortError::unavailable(attempted(), "no iterator came"))
    }

    async fn get(&self, shard: &ShardId, iterator: &str, limit: usize) -> Result<ShardPage, PortError> {
        let request = self.client.get_records().shard_iterator(iterator).limit(limit as i32);
        let sent = request.send().await;
        sent.map(page).map_err(|error| failure::port_error(format!("read {shard}"), &error))
    }

    fn subscribe(&self, shard: &ShardId, after: Position) -> Option<ShardSubscription> {
        Some(self.fan_out.as_ref()?.subscribe(shard.clone(), after))
    }
}

fn describe(shard: &aws_sdk_kinesis::types::Shard) -> ShardInfo {
    let parents = shard.parent_shard_id().into_iter().chain(shard.adjacent_parent_shard_id());
    let points = shard.hash_key_range();
    let point =
        |text: Option<&str>, default: u128| text.and_then(|text| text.parse().ok()).unwrap_or(default);
    let end = shard.sequence_number_range().and_then(|range| range.ending_sequence_number());
    ShardInfo {
        id: ShardId(shard.shard_id().into()),
        parents: parents.map(|id| ShardId(id.into())).collect(),
        first: point(points.map(|points| points.starting_hash_key()), 0),
        last: point(points.map(|points| points.ending_hash_key()), u128::MAX),
        closed: end.is_some(),
    }
}

fn answered(answer: &PutRecordsResultEntry) -> PutAnswer {
    match (answer.sequence_number(), answer.error_code()) {
        (Some(sequence), None) if !sequence.is_empty() => {
            PutAnswer::Stored(answer.shard_id().map(|id| ShardId(id.into())))
        }
        (_, Some("ProvisionedThroughputExceededException" | "KMSThrottlingException")) => {
            PutAnswer::Throttled
        }
        _ => PutAnswer::Unclear,
    }
}

fn page(answer: GetRecordsOutput) -> ShardPage {
    ShardPage {
        behind_ms: answer.millis_behind_latest.unwrap_or(0) as u64,
        records: answer.records.into_iter().map(stored).collect(),
        closed: answer.next_shard_iterator.is_none(),
        next: answer.next_shard_iterator,
    }
}

pub(super) fn stored(record: Record) -> StoredRecord {
    StoredRecord {
        // A number that is not a position counts as below all positions: the record is read
        // again, never skipped.
        position: Position::from_decimal(&record.sequence_number).unwrap_or(Position::START),
        at_ms: record.approximate_arrival_timestamp.and_then(|at| at.to_millis().ok()).unwrap_or(0) as u64,
        bytes: record.data.into_inner().into(),
    }
}
