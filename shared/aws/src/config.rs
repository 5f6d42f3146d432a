//! The configuration of the distributed engine.

use serde::{Deserialize, Serialize};
use sluice_model::config::{ConfigError, SecretValue, within};
use sluice_model::ids::LANES_MAX;
use std::path::PathBuf;

/// What to do with a shard of which a part is lost, because its stream was made anew or
/// its records grew older than the stream keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnGap {
    /// Deliver from the oldest record of the stream.
    TrimHorizon,
    /// Do not work the shard, and do not be ready, until an operator decides.
    Refuse,
}

/// The distributed engine's configuration. Sizes are bytes, times milliseconds
/// unless the name says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AwsConfig {
    /// The region; empty: the region of the environment or the instance.
    pub region: String,
    /// Another endpoint than AWS's own for Kinesis (an emulator); empty: AWS's own.
    pub kinesis_endpoint: String,
    /// The same for DynamoDB.
    pub dynamodb_endpoint: String,
    /// The same for SQS.
    pub sqs_endpoint: String,
    /// The Kinesis stream.
    pub stream: String,
    /// How many hours the stream must keep records at least: longer than the longest outage of the
    /// processors.
    pub stream_retention_hours: u32,
    /// The DynamoDB table of events, facts and dead letters.
    pub events_table: String,
    /// The DynamoDB table of leases and checkpoints.
    pub leases_table: String,
    /// The SQS queue of deliveries that wait.
    pub queue: String,
    /// The SQS queue of dead letters.
    pub dead_letter_queue: String,
    /// The database of the catalogue: `postgres://user:password@host/database`, with
    /// `?sslmode=verify-full&sslrootcert=FILE` over TLS.
    pub postgres_url: SecretValue,
    /// A file with that URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres_url_file: Option<PathBuf>,
    /// The password at Postgres, instead of the URL's.
    pub postgres_password: SecretValue,
    /// A file with the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres_password_file: Option<PathBuf>,
    /// The most connections to Postgres.
    pub postgres_connections_max: u32,
    /// The Redis of idempotency keys and rates: `redis://user:password@host:port`, `rediss://` over
    /// TLS.
    pub redis_url: SecretValue,
    /// A file with that URL. When it changes, only the new login is used; another host needs a
    /// restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis_url_file: Option<PathBuf>,
    /// The password at Redis, instead of the URL's.
    pub redis_password: SecretValue,
    /// A file with the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis_password_file: Option<PathBuf>,
    /// The authorities (PEM) that Redis' certificate is checked with; without a file, the machine's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis_ca_file: Option<PathBuf>,
    /// How often the files of logins are read again. They are also read when a login is refused.
    pub secrets_poll_ms: u64,
    /// The number of lanes of the deployment, 1 to 4096. Never change it.
    pub lanes: u16,
    /// The zstd level of records, -50 to 19.
    pub zstd_level: i32,
    /// How long an attempt at any request may take.
    pub attempt_timeout_ms: u64,
    /// A connection that was idle for this long is not used again.
    pub pool_idle_ms: u64,
    /// How long a record may take to be stored. Then it is given up: the outcome of its events is
    /// unknown, or none of them was taken.
    pub append_deadline_ms: u64,
    /// The most PutRecords requests in flight.
    pub put_requests_max: usize,
    /// The shortest time between two PutRecords requests. Records that come meanwhile share the next
    /// request, since a request costs as much as dozens of its records. After a pause a record is sent
    /// at once.
    pub put_gap_ms: u64,
    /// The most records of one PutRecords request, at most 500.
    pub put_records_max: usize,
    /// The most bytes of one PutRecords request, at most 10 MiB.
    pub put_bytes_max: usize,
    /// The shortest time between two reads of a shard: Kinesis allows five a second.
    pub poll_ms: u64,
    /// The most records of one read, at most 10,000.
    pub read_records_max: i32,
    /// About how many bytes one read of a shard fetches.
    pub read_bytes_max: usize,
    /// The bytes a second that a shard gives to all its readers (2 MiB for Kinesis). After an answer
    /// of B bytes the next read waits for B divided by this.
    pub shard_bytes_per_s: u64,
    /// How long a new owner of a shard may look for repeated records before it delivers. Repeats of
    /// records that it has not seen by then may be delivered.
    pub learn_ms_max: u64,
    /// What happens if a part of the log can no longer be read.
    pub on_gap: OnGap,
    /// The consumer (enhanced fan-out) to which shards push, instead of being polled: lower latency
    /// for an additional price. Empty: polling.
    pub fan_out_consumer: String,
    /// A subscription that is silent for this long is replaced by a new one.
    pub fan_out_watchdog_ms: u64,
    /// How far before a checkpoint a new owner looks for repeated records; longer than the append's
    /// deadline.
    pub resend_window_ms: u64,
    /// How often the shards of the stream are listed.
    pub shard_sync_ms: u64,
    /// A lease that was not renewed for this long may be taken by another process.
    pub lease_ms: u64,
    /// How often leases are renewed and the table is read.
    pub lease_renew_ms: u64,
    /// By how much a batch may arrive in the stream before or after its id's time for readers of the
    /// inbox to find it at its id's place. Other batches get a place behind what readers may have
    /// read, so nothing appears behind a reader. Every event becomes readable later by this time.
    /// Clocks that are off by more, and records that the stream took late, cost a small item each.
    pub inbox_late_ms: u64,
    /// How often, at most, an ingest process reads from the table of leases how far the inbox can be
    /// read, while somebody reads the inbox or a stream.
    pub inbox_look_ms: u64,
    /// How long events are kept, in days.
    pub retention_days: u32,
    /// How many hours an idempotency key is kept.
    pub idempotency_hours: u32,
    /// How long a key stays claimed by a request that never ends.
    pub idempotency_lease_ms: u64,
    /// The most keys that requests of one ingest process may have claimed at the same time.
    pub idempotency_in_flight_max: usize,
    /// The longest delay of a message of the queue, at most SQS's own limit of 900; a longer wait is
    /// several messages.
    pub delay_s_max: u32,
    /// The longest time that a due delivery stays invisible while its subscription is blocked or has
    /// used its share. It is three seconds unless very many deliveries wait.
    pub postpone_s_max: u32,
    /// How often a message is received before the queue's own policy moves it to the dead-letter
    /// queue. A delivery that was neither put again nor ended becomes a dead letter one receive
    /// earlier.
    pub receives_max: u32,
    /// How long after it was taken a delivery comes back to the queue, if its process dies.
    pub visibility_s: i32,
    /// The most store requests that one call makes at the same time.
    pub store_requests_max: usize,
}

impl Default for AwsConfig {
    fn default() -> Self {
        let name = |suffix: &str| format!("sluice-{suffix}");
        Self {
            region: String::new(),
            kinesis_endpoint: String::new(),
            dynamodb_endpoint: String::new(),
            sqs_endpoint: String::new(),
            stream: name("events"),
            stream_retention_hours: 72,
            events_table: name("events"),
            leases_table: name("leases"),
            queue: name("deliveries"),
            dead_letter_queue: name("dead-letters"),
            postgres_url: "postgres://sluice@127.0.0.1/sluice".into(),
            postgres_connections_max: 4,
            postgres_url_file: None,
            postgres_password: SecretValue::default(),
            postgres_password_file: None,
            redis_url: "redis://127.0.0.1:6379".into(),
            redis_url_file: None,
            redis_password: SecretValue::default(),
            redis_password_file: None,
            redis_ca_file: None,
            secrets_poll_ms: 5000,
            lanes: 128,
            zstd_level: 1,
            attempt_timeout_ms: 5000,
            pool_idle_ms: 20_000,
            append_deadline_ms: 20_000,
            put_requests_max: 8,
            put_gap_ms: 10,
            put_records_max: 500,
            put_bytes_max: 5 << 20,
            poll_ms: 220,
            read_records_max: 10_000,
            read_bytes_max: 1 << 20,
            shard_bytes_per_s: 2 << 20,
            learn_ms_max: 1000,
            on_gap: OnGap::TrimHorizon,
            fan_out_consumer: String::new(),
            fan_out_watchdog_ms: 35_000,
            resend_window_ms: 60_000,
            shard_sync_ms: 30_000,
            lease_ms: 10_000,
            lease_renew_ms: 1000,
            inbox_late_ms: 1000,
            inbox_look_ms: 500,
            retention_days: 90,
            idempotency_hours: 24,
            idempotency_lease_ms: 60_000,
            idempotency_in_flight_max: 100_000,
            delay_s_max: 900,
            postpone_s_max: 300,
            receives_max: 100,
            visibility_s: 120,
            store_requests_max: 32,
        }
    }
}

impl AwsConfig {
    /// Checks the values.
    ///
    /// # Errors
    /// The first value that makes no sense.
    pub fn validate(&self) -> Result<(), ConfigError> {
        const MIB: i128 = 1 << 20;
        within([
            ("lanes", self.lanes.into(), 1, LANES_MAX.into()),
            ("zstd_level", self.zstd_level.into(), -50, 19),
            ("postgres_connections_max", self.postgres_connections_max.into(), 1, 1000),
            ("attempt_timeout_ms", self.attempt_timeout_ms.into(), 100, 60_000),
            ("pool_idle_ms", self.pool_idle_ms.into(), 100, 600_000),
            ("append_deadline_ms", self.append_deadline_ms.into(), 1000, 300_000),
            ("stream_retention_hours", self.stream_retention_hours.into(), 24, 8760),
            ("put_requests_max", self.put_requests_max as i128, 1, 256),
            ("put_gap_ms", self.put_gap_ms.into(), 0, 1000),
            ("put_records_max", self.put_records_max as i128, 1, 500),
            ("put_bytes_max", self.put_bytes_max as i128, MIB, 10 * MIB),
            ("poll_ms", self.poll_ms.into(), 5, 60_000),
            ("read_records_max", self.read_records_max.into(), 1, 10_000),
            ("read_bytes_max", self.read_bytes_max as i128, 1 << 10, 10 * MIB),
            ("shard_bytes_per_s", self.shard_bytes_per_s.into(), 1 << 10, 1 << 30),
            ("learn_ms_max", self.learn_ms_max.into(), 0, 600_000),
            ("fan_out_watchdog_ms", self.fan_out_watchdog_ms.into(), 1000, 600_000),
            ("resend_window_ms", self.resend_window_ms.into(), self.append_deadline_ms.into(), 3_600_000),
            ("shard_sync_ms", self.shard_sync_ms.into(), 100, 3_600_000),
            ("lease_ms", self.lease_ms.into(), (self.lease_renew_ms * 3).into(), 600_000),
            ("lease_renew_ms", self.lease_renew_ms.into(), 50, 60_000),
            ("inbox_late_ms", self.inbox_late_ms.into(), 0, 600_000),
            ("inbox_look_ms", self.inbox_look_ms.into(), 10, 60_000),
            ("retention_days", self.retention_days.into(), 1, 3650),
            ("idempotency_hours", self.idempotency_hours.into(), 1, 24 * 30),
            (
                "idempotency_lease_ms",
                self.idempotency_lease_ms.into(),
                self.append_deadline_ms.into(),
                3_600_000,
            ),
            ("idempotency_in_flight_max", self.idempotency_in_flight_max as i128, 1, 100_000_000),
            ("delay_s_max", self.delay_s_max.into(), 1, 900),
            ("postpone_s_max", self.postpone_s_max.into(), 3, 43_200),
            ("receives_max", self.receives_max.into(), 4, 1000),
            ("visibility_s", self.visibility_s.into(), 10, 43_200),
            ("store_requests_max", self.store_requests_max as i128, 1, 1000),
            ("secrets_poll_ms", self.secrets_poll_ms.into(), 100, 3_600_000),
        ])?;
        self.check_passwords()
    }

    /// Checks that each password is given directly or in a file, but not both.
    fn check_passwords(&self) -> Result<(), ConfigError> {
        let passwords = [
            ("postgres_password_file", &self.postgres_password, &self.postgres_password_file),
            ("redis_password_file", &self.redis_password, &self.redis_password_file),
        ];
        for (field, given, file) in passwords {
            if file.is_some() && !given.is_empty() {
                let problem = "there is a password beside it: give one of them".to_owned();
                return Err(ConfigError { field, problem });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_times_must_fit_each_other() {
        AwsConfig::default().validate().unwrap();
        let absurd = AwsConfig { lease_renew_ms: 5000, ..AwsConfig::default() };
        assert_eq!(absurd.validate().unwrap_err().field, "lease_ms");
    }

    #[test]
    fn no_secret_is_shown_with_the_configuration() {
        let config = AwsConfig {
            postgres_url: "postgres://user:secret-1@host/database".into(),
            postgres_password: "secret-2".into(),
            redis_url: "rediss://user:secret-3@host:6379".into(),
            redis_password: "secret-4".into(),
            ..AwsConfig::default()
        };
        let shown = format!("{config:?}");
        assert!(shown.contains("postgres_url: ********") && !shown.contains("secret-"), "{shown}");
    }
}
