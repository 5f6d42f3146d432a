//! Enhanced fan-out: Kinesis pushes the shards' records to a consumer of this
//! deployment, which else would share five reads a second and shard with all readers.
//!
//! A subscription ends after five minutes, and may fall silent earlier. Kinesis sends
//! an event, perhaps empty, at least every few seconds, so a subscription that is
//! silent for the watchdog's time is given up. In both cases the next subscription
//! begins behind the last event, at least a second after the previous one. A consumer
//! that was deregistered is registered again.

use super::kinesis::stored;
use super::stream::{ShardPage, ShardSubscription};
use crate::failure;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::ProvideErrorMetadata as _;
use aws_sdk_kinesis::types::{
    ConsumerStatus, ShardIteratorType, StartingPosition, SubscribeToShardEvent, SubscribeToShardEventStream,
};
use sluice_ports::log::{Position, ShardId};
use sluice_ports::{FailureClass, PortError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// The least time between two subscriptions: Kinesis takes one a second of each consumer and shard.
const SUBSCRIBE_GAP: Duration = Duration::from_secs(1);
/// The most pushed events that wait to be read. When they are full, the connection waits.
const EVENTS_MAX: usize = 4;
/// How often a new consumer's state is asked for, and how long it may take to become active.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const ACTIVE_WITHIN: Duration = Duration::from_secs(60);

/// The deployment's consumer.
pub(super) struct FanOut {
    client: Client,
    stream: String,
    consumer: String,
    watchdog: Duration,
    /// The consumer's ARN, once it is registered.
    arn: Mutex<Option<String>>,
}

/// Why a subscription ended.
enum Ended {
    /// Another subscription follows.
    Again,
    /// It brought no event. The consumer is looked up before the next subscription.
    Empty,
    /// The shard is closed and wholly read, or nobody reads it any more.
    ForEver,
}

impl FanOut {
    pub(super) fn new(client: Client, stream: String, consumer: String, watchdog: Duration) -> Self {
        Self { client, stream, consumer, watchdog, arn: Mutex::default() }
    }

    /// Keeps subscribing to a shard until the returned value is dropped.
    pub(super) fn subscribe(self: &Arc<Self>, shard: ShardId, after: Position) -> ShardSubscription {
        let (sender, pushed) = mpsc::channel(EVENTS_MAX);
        let fan_out = Arc::clone(self);
        let pump = tokio::spawn(async move { fan_out.pump(shard, after, sender).await });
        ShardSubscription { pushed, _pump: AbortOnDropHandle::new(pump) }
    }

    async fn pump(
        &self,
        shard: ShardId,
        mut after: Position,
        sender: mpsc::Sender<Result<ShardPage, PortError>>,
    ) {
        loop {
            let again_at = Instant::now() + SUBSCRIBE_GAP;
            match self.follow(&shard, &mut after, &sender).await {
                Ok(Ended::Again) => {}
                // The consumer may have been deregistered: the next try registers it.
                Ok(Ended::Empty) => *self.arn.lock().await = None,
                Ok(Ended::ForEver) => return,
                Err(error) => {
                    if sender.send(Err(error)).await.is_err() {
                        return;
                    }
                }
            }
            tokio::time::sleep_until(again_at).await;
        }
    }

    /// Runs one subscription to its end.
    async fn follow(
        &self,
        shard: &ShardId,
        after: &mut Position,
        sender: &mpsc::Sender<Result<ShardPage, PortError>>,
    ) -> Result<Ended, PortError> {
        let arn = self.consumer_arn().await?;
        let request = self.client.subscribe_to_shard().consumer_arn(arn).shard_id(&*shard.0);
        let mut events = match request.starting_position(starting(*after)).send().await {
            Ok(answer) => answer.event_stream,
            // Kinesis still counts an earlier subscription.
            Err(error) if error.code() == Some("ResourceInUseException") => return Ok(Ended::Again),
            Err(error) => {
                let error = failure::port_error(format!("subscribe to {shard}"), &error);
                if error.class() == FailureClass::Denied {
                    // The consumer may have been deregistered: the next try looks for it.
                    *self.arn.lock().await = None;
                }
                return Err(error);
            }
        };
        let mut ended = Ended::Empty;
        loop {
            let event = match tokio::time::timeout(self.watchdog, events.recv()).await {
                Err(_silent) => {
                    tracing::warn!(%shard, "the subscription went silent; beginning another");
                    return Ok(ended);
                }
                Ok(Ok(None)) => return Ok(ended),
                Ok(Ok(Some(SubscribeToShardEventStream::SubscribeToShardEvent(event)))) => event,
                Ok(Ok(Some(_other))) => continue,
                Ok(Err(error)) => {
                    // Most subscriptions end with a broken connection.
                    tracing::debug!(%shard, %error, "the subscription broke off; beginning another");
                    return Ok(ended);
                }
            };
            ended = Ended::Again;
            let continuation = Position::from_decimal(event.continuation_sequence_number());
            let page = page(event);
            let last = page.records.last().map(|record| record.position);
            *after = continuation.into_iter().chain(last).max().unwrap_or(*after);
            let closed = page.closed;
            if sender.send(Ok(page)).await.is_err() || closed {
                return Ok(Ended::ForEver);
            }
        }
    }

    /// The consumer's ARN, which is looked up or registered the first time.
    async fn consumer_arn(&self) -> Result<String, PortError> {
        let mut known = self.arn.lock().await;
        if let Some(arn) = &*known {
            return Ok(arn.clone());
        }
        let arn = self.register().await?;
        *known = Some(arn.clone());
        Ok(arn)
    }

    /// Finds or registers the consumer, and waits until it can be used.
    async fn register(&self) -> Result<String, PortError> {
        let attempted = || format!("register the consumer {}", self.consumer);
        let described = self.client.describe_stream_summary().stream_name(&self.stream).send().await;
        let described = described.map_err(|error| failure::port_error(attempted(), &error))?;
        let stream =
            described.stream_description_summary.map(|summary| summary.stream_arn).unwrap_or_default();
        let register = self.client.register_stream_consumer().stream_arn(&stream);
        match register.consumer_name(&self.consumer).send().await {
            Ok(_) => {}
            Err(error) if error.code() == Some("ResourceInUseException") => {}
            Err(error) => return Err(failure::port_error(attempted(), &error)),
        }
        let until = Instant::now() + ACTIVE_WITHIN;
        loop {
            let request = self.client.describe_stream_consumer().stream_arn(&stream);
            let sent = request.consumer_name(&self.consumer).send().await;
            let answer = sent.map_err(|error| failure::port_error(attempted(), &error))?;
            match answer.consumer_description {
                Some(consumer) if consumer.consumer_status == ConsumerStatus::Active => {
                    return Ok(consumer.consumer_arn);
                }
                _ if Instant::now() >= until => {
                    return Err(PortError::unavailable(attempted(), "it does not become active"));
                }
                _ => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }
}

fn starting(after: Position) -> StartingPosition {
    let position = StartingPosition::builder();
    let position = match after {
        Position::START => position.r#type(ShardIteratorType::TrimHorizon),
        after => position.r#type(ShardIteratorType::AfterSequenceNumber).sequence_number(after.to_decimal()),
    };
    position.build().expect("it has a type")
}

fn page(event: SubscribeToShardEvent) -> ShardPage {
    ShardPage {
        behind_ms: event.millis_behind_latest as u64,
        closed: event.child_shards.as_ref().is_some_and(|children| !children.is_empty()),
        records: event.records.into_iter().map(stored).collect(),
        next: None,
    }
}
