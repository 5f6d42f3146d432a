//! The clients of the SDKs: credentials and region from AWS's usual chain, our own
//! timeouts, and the SDK's retries for calls that may be repeated.

use super::config::AwsConfig;
use super::health::{Dependency, DependencyHealth};
use super::metrics::HealthMetrics;
use super::watch::CallWatch;
use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_kinesis::config::SharedInterceptor;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often a dependency that does not answer is called to see whether it is back.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// The most attempts that the SDK makes of a call that may be repeated.
const ATTEMPTS_MAX: u32 = 3;

/// One client for each service.
#[derive(Debug, Clone)]
pub struct Clients {
    pub(super) kinesis: aws_sdk_kinesis::Client,
    pub(super) dynamodb: aws_sdk_dynamodb::Client,
    pub(super) sqs: aws_sdk_sqs::Client,
    health: Arc<DependencyHealth>,
}

impl Clients {
    /// The configured clients. Only credentials are asked of AWS, and only when a call needs them.
    pub async fn new(config: &AwsConfig) -> Self {
        let attempt = Duration::from_millis(config.attempt_timeout_ms);
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(attempt.min(Duration::from_secs(3)))
            .operation_attempt_timeout(attempt)
            .operation_timeout(attempt * ATTEMPTS_MAX)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if !config.region.is_empty() {
            loader = loader.region(aws_config::Region::new(config.region.clone()));
        }
        let shared = loader.load().await;
        // Our own rules send records again, since they know which were stored.
        let mut kinesis =
            aws_sdk_kinesis::config::Builder::from(&shared).retry_config(RetryConfig::disabled());
        let mut dynamodb = aws_sdk_dynamodb::config::Builder::from(&shared);
        let mut sqs = aws_sdk_sqs::config::Builder::from(&shared);
        let health = Arc::new(DependencyHealth::default());
        let watch =
            |dependency| SharedInterceptor::new(CallWatch { dependency, health: Arc::clone(&health) });
        kinesis.push_interceptor(watch(Dependency::Kinesis));
        dynamodb.push_interceptor(watch(Dependency::DynamoDb));
        sqs.push_interceptor(watch(Dependency::Sqs));
        if !config.kinesis_endpoint.is_empty() {
            kinesis = kinesis.endpoint_url(&config.kinesis_endpoint);
        }
        if !config.dynamodb_endpoint.is_empty() {
            dynamodb = dynamodb.endpoint_url(&config.dynamodb_endpoint);
        }
        if !config.sqs_endpoint.is_empty() {
            sqs = sqs.endpoint_url(&config.sqs_endpoint);
        }
        Self {
            kinesis: aws_sdk_kinesis::Client::from_conf(kinesis.build()),
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb.build()),
            sqs: aws_sdk_sqs::Client::from_conf(sqs.build()),
            health,
        }
    }

    /// The health of the services, according to these clients' calls.
    #[must_use]
    pub const fn health(&self) -> &Arc<DependencyHealth> {
        &self.health
    }

    /// Reports which services are lost, and calls those whose calls failed, so that their
    /// return is noticed even if nobody else calls them. Runs until told to stop.
    pub async fn watch(&self, config: &AwsConfig, stop: CancellationToken) {
        let metrics = HealthMetrics::default();
        let mut ticks = tokio::time::interval(ASK_AGAIN);
        // Cancel safe: a wait. The interceptors report the outcome of each call to the health.
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.health.report(&metrics);
            if self.health.is_troubled(Dependency::Kinesis) {
                self.kinesis.list_shards().stream_name(&config.stream).max_results(1).send().await.ok();
            }
            if self.health.is_troubled(Dependency::DynamoDb) {
                self.dynamodb.describe_table().table_name(&config.events_table).send().await.ok();
            }
            if self.health.is_troubled(Dependency::Sqs) {
                self.sqs.get_queue_url().queue_name(&config.queue).send().await.ok();
            }
        }
    }
}
