//! The settings of the stream: its shards and how long it keeps records.

use super::difference::{Difference, Thing, wait_until_ready};
use crate::clients::Clients;
use crate::config::AwsConfig;
use crate::failure;
use async_trait::async_trait;
use aws_sdk_kinesis::types::{ScalingType, StreamDescriptionSummary, StreamMode, StreamStatus};
use sluice_ports::{FailureClass, PortError};

const SHARDS: &str = "the number of open shards";
const RETENTION: &str = "the retention in hours";

pub(super) struct StreamThing<'a> {
    pub(super) clients: &'a Clients,
    pub(super) config: &'a AwsConfig,
    /// The wanted number of shards, if the caller wants one.
    pub(super) shards: Option<u32>,
}

impl StreamThing<'_> {
    async fn describe(&self) -> Result<Option<StreamDescriptionSummary>, PortError> {
        let asked =
            self.clients.kinesis.describe_stream_summary().stream_name(&self.config.stream).send().await;
        match asked {
            Ok(answer) => Ok(answer.stream_description_summary),
            Err(error)
                if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) =>
            {
                Ok(None)
            }
            Err(error) => Err(failure::port_error(format!("describe {}", self.name()), &error)),
        }
    }

    /// Changes the number of shards, at most doubling or halving it in each step as Kinesis requires.
    async fn reshard(&self, wanted: u32) -> Result<(), PortError> {
        loop {
            let found = self.describe().await?.map_or(0, |stream| stream.open_shard_count.unsigned_abs());
            if found == wanted {
                return Ok(());
            }
            let next = next_shard_count(found, wanted);
            let request = self.clients.kinesis.update_shard_count().stream_name(&self.config.stream);
            let request = request.target_shard_count(next as i32).scaling_type(ScalingType::UniformScaling);
            let attempted = || format!("give {} {next} shards", self.name());
            request.send().await.map_err(|error| failure::port_error(attempted(), &error))?;
            wait_until_ready(self).await?;
        }
    }
}

/// The next number of shards on the way from `found` to `wanted`.
fn next_shard_count(found: u32, wanted: u32) -> u32 {
    wanted.clamp(found.div_ceil(2), (found * 2).max(1))
}

/// The settings of a stream that are not as wanted.
fn compare(stream: &StreamDescriptionSummary, config: &AwsConfig, shards: Option<u32>) -> Vec<Difference> {
    let mut differences = Vec::new();
    let found = stream.open_shard_count.unsigned_abs();
    if let Some(wanted) = shards.filter(|wanted| *wanted != found) {
        let mode = stream.stream_mode_details.as_ref().map(|details| &details.stream_mode);
        differences.push(if mode == Some(&StreamMode::OnDemand) {
            let why = "the stream is on demand, so AWS chooses its shards";
            Difference::forbidden(SHARDS, found, wanted, why)
        } else {
            Difference::mendable(SHARDS, found, wanted)
        });
    }
    // A longer retention is a choice of the operator.
    let (found, wanted) = (stream.retention_period_hours.unsigned_abs(), config.stream_retention_hours);
    if found < wanted {
        differences.push(Difference::mendable(RETENTION, found, wanted));
    }
    differences
}

#[async_trait]
impl Thing for StreamThing<'_> {
    fn name(&self) -> String {
        format!("stream {}", self.config.stream)
    }

    async fn make(&self) -> Result<bool, PortError> {
        if self.describe().await?.is_some() {
            return Ok(false);
        }
        let request = self.clients.kinesis.create_stream().stream_name(&self.config.stream);
        match request.shard_count(self.shards.unwrap_or(1) as i32).send().await {
            Ok(_) => Ok(true),
            // Another process made it in the meantime.
            Err(error)
                if error.as_service_error().is_some_and(|error| error.is_resource_in_use_exception()) =>
            {
                Ok(false)
            }
            Err(error) => Err(failure::port_error(format!("make {}", self.name()), &error)),
        }
    }

    async fn differences(&self) -> Result<Option<Vec<Difference>>, PortError> {
        Ok(self.describe().await?.map(|stream| compare(&stream, self.config, self.shards)))
    }

    async fn mend(&self, difference: &Difference) -> Result<(), PortError> {
        if difference.setting == SHARDS {
            return self.reshard(self.shards.unwrap_or(1)).await;
        }
        let hours = self.config.stream_retention_hours as i32;
        let request = self.clients.kinesis.increase_stream_retention_period();
        let sent = request.stream_name(&self.config.stream).retention_period_hours(hours).send().await;
        let attempted = || format!("let {} keep records for {hours} hours", self.name());
        sent.map(drop).map_err(|error| failure::port_error(attempted(), &error))
    }

    async fn is_ready(&self) -> Result<bool, PortError> {
        match self.describe().await {
            Ok(stream) => Ok(stream.is_some_and(|stream| stream.stream_status == StreamStatus::Active)),
            // The whole account may describe streams ten times a second.
            Err(error) if error.class() == FailureClass::Busy => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_kinesis::primitives::DateTime;
    use aws_sdk_kinesis::types::{EnhancedMetrics, StreamModeDetails};

    fn stream(shards: i32, hours: i32, mode: StreamMode) -> StreamDescriptionSummary {
        StreamDescriptionSummary::builder()
            .stream_name("s")
            .stream_arn("arn")
            .stream_status(StreamStatus::Active)
            .stream_creation_timestamp(DateTime::from_secs(1))
            .enhanced_monitoring(EnhancedMetrics::builder().build())
            .stream_mode_details(StreamModeDetails::builder().stream_mode(mode).build().unwrap())
            .open_shard_count(shards)
            .retention_period_hours(hours)
            .build()
            .unwrap()
    }

    #[test]
    fn shards_and_a_short_retention_differ_and_a_longer_one_does_not() {
        let config = AwsConfig { stream_retention_hours: 72, ..AwsConfig::default() };
        let compare = |shards, hours, mode, wanted| compare(&stream(shards, hours, mode), &config, wanted);
        assert_eq!(compare(4, 72, StreamMode::Provisioned, Some(4)), []);
        assert_eq!(compare(4, 168, StreamMode::Provisioned, None), []);
        assert_eq!(
            compare(4, 24, StreamMode::Provisioned, Some(8)),
            [Difference::mendable(SHARDS, 4, 8), Difference::mendable(RETENTION, 24, 72)]
        );
        let on_demand = compare(4, 72, StreamMode::OnDemand, Some(8));
        assert!(on_demand[0].to_string().contains("AWS chooses"), "{on_demand:?}");
    }

    #[test]
    fn kinesis_goes_to_twice_or_half_as_many_shards_at_a_time() {
        let path = |found: u32, wanted: u32| {
            let next = |found: &u32| (*found != wanted).then(|| next_shard_count(*found, wanted));
            std::iter::successors(Some(found), next).collect::<Vec<_>>()
        };
        assert_eq!(path(1, 10), [1, 2, 4, 8, 10]);
        assert_eq!(path(9, 2), [9, 5, 3, 2]);
    }
}
