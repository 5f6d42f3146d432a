//! Tests of the adapters on real servers and stand-ins, which `tests/stand-ins` starts
//! and names in the environment. Elsewhere these tests are ignored:
//! `tests/stand-ins cargo test … -- --ignored`.

mod cable;
mod contract;
mod events;
mod fan_out;
mod leases;
mod log;
mod logins;
mod provision;
mod proxy;
mod queue;
mod queue_faults;
mod rates;

use super::provision::{ProvisionOutcome, provision as provision_all};
use super::{AwsConfig, Clients};
use sluice_model::ids::random_u128;

/// The value of a variable that `tests/stand-ins` sets.
fn variable(name: &str) -> String {
    let value = std::env::var_os(format!("SLUICE_AWS__{name}"));
    let value = value.unwrap_or_else(|| panic!("SLUICE_AWS__{name} is not set: run tests/stand-ins"));
    value.into_string().expect("it is UTF-8")
}

/// The stand-ins, with names that no other test uses.
fn config() -> AwsConfig {
    let name = |prefix: &str| format!("{prefix}-{:012x}", random_u128() as u64 >> 16);
    AwsConfig {
        region: "us-east-1".into(),
        kinesis_endpoint: variable("KINESIS_ENDPOINT"),
        dynamodb_endpoint: variable("DYNAMODB_ENDPOINT"),
        sqs_endpoint: variable("SQS_ENDPOINT"),
        postgres_url: variable("POSTGRES_URL").into(),
        redis_url: variable("REDIS_URL").into(),
        stream: name("stream"),
        events_table: name("events"),
        leases_table: name("leases"),
        queue: name("queue"),
        dead_letter_queue: name("dead"),
        // Long enough for a busy machine.
        attempt_timeout_ms: 20_000,
        lanes: 16,
        poll_ms: 20,
        lease_ms: 1500,
        lease_renew_ms: 100,
        shard_sync_ms: 300,
        visibility_s: 30,
        ..AwsConfig::default()
    }
}

async fn provisioned(shards: u32) -> (AwsConfig, Clients) {
    let config = config();
    config.validate().unwrap();
    let clients = Clients::new(&config).await;
    let steps = provision_all(&clients, &config, Some(shards)).await.unwrap();
    assert!(
        steps.iter().all(|step| step.outcome == ProvisionOutcome::Made && step.left.is_empty()),
        "{steps:?}"
    );
    let again = provision_all(&clients, &config, Some(shards)).await.unwrap();
    assert!(again.iter().all(|step| step.outcome == ProvisionOutcome::WasThere), "{again:?}");
    (config, clients)
}
