//! `provision` after a run that ended half-way, and the roles' warnings of wrong
//! settings.

use crate::catalogue::PostgresCatalogue;
use crate::provision::{ProvisionOutcome, provision, wrong_settings};
use crate::{AwsConfig, Clients};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TimeToLiveStatus,
};
use aws_sdk_sqs::types::QueueAttributeName;
use sluice_model::ids::random_u128;
use sluice_ports::catalogue::contract::CatalogueSample;
use sluice_ports::catalogue::{Catalogue, Revision};
use sluice_ports::{FailureClass, PortError};

async fn make_table(clients: &Clients, name: &str, keys: &[(&str, KeyType)]) {
    let mut request =
        clients.dynamodb.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    for (key, kind) in keys {
        let element = KeySchemaElement::builder().attribute_name(*key).key_type(kind.clone()).build();
        let definition = AttributeDefinition::builder().attribute_name(*key);
        let definition = definition.attribute_type(ScalarAttributeType::S).build();
        request = request.key_schema(element.unwrap()).attribute_definitions(definition.unwrap());
    }
    request.send().await.unwrap();
}

/// The leftovers of an old deployment, or of a run that was killed.
async fn half_made(clients: &Clients, config: &AwsConfig) {
    clients.kinesis.create_stream().stream_name(&config.stream).shard_count(2).send().await.unwrap();
    make_table(clients, &config.events_table, &[("pk", KeyType::Hash), ("sk", KeyType::Range)]).await;
    make_table(clients, &config.leases_table, &[("shardId", KeyType::Hash)]).await;
    let make = |name: &str| clients.sqs.create_queue().queue_name(name);
    make(&config.dead_letter_queue).send().await.unwrap();
    let small = make(&config.queue).attributes(QueueAttributeName::MaximumMessageSize, "8192");
    small.attributes(QueueAttributeName::MessageRetentionPeriod, "3600").send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn provision_mends_what_a_run_before_left_and_names_what_it_may_not_change() {
    let config = super::config();
    let clients = Clients::new(&config).await;
    half_made(&clients, &config).await;
    let wrong = wrong_settings(&clients, &config).await.join("\n");
    for part in [
        "items expire",
        "MaximumMessageSize is 8192",
        "RedrivePolicy is none",
        "the retention in hours is 24",
        "shardId (S)",
    ] {
        assert!(wrong.contains(part), "{part} in:\n{wrong}");
    }

    let steps = provision(&clients, &config, Some(3)).await.unwrap();
    let [stream, events, leases, dead, queue] = &steps[..] else { panic!("five steps: {steps:?}") };
    assert!(
        [stream, events, dead, queue].iter().all(|step| step.outcome == ProvisionOutcome::Mended),
        "{steps:#?}"
    );
    assert_eq!(
        (leases.outcome, leases.left.len()),
        (ProvisionOutcome::WasThere, 1),
        "a table's key is for ever"
    );
    let ttl = clients.dynamodb.describe_time_to_live().table_name(&config.events_table).send().await.unwrap();
    let status = ttl.time_to_live_description.and_then(|found| found.time_to_live_status);
    assert!(matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)), "{status:?}");
    let summary = clients.kinesis.describe_stream_summary().stream_name(&config.stream).send().await.unwrap();
    let summary = summary.stream_description_summary.unwrap();
    assert_eq!((summary.open_shard_count, summary.retention_period_hours), (3, 72));

    // In a second run only the settings that may not be changed are left.
    let again = provision(&clients, &config, None).await.unwrap();
    assert!(again.iter().all(|step| step.outcome == ProvisionOutcome::WasThere), "{again:#?}");
    let wrong = wrong_settings(&clients, &config).await;
    assert_eq!(wrong.len(), 1, "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn what_does_not_exist_is_named_with_the_command_that_makes_it() {
    let config = super::config();
    let clients = Clients::new(&config).await;
    let wrong = wrong_settings(&clients, &config).await;
    assert_eq!(wrong.len(), 5, "{wrong:?}");
    let is_missing = |line: &String| line.contains("does not exist; run `sluice provision`");
    assert!(wrong.iter().all(is_missing), "{wrong:?}");

    let schema = format!("none_{:016x}", random_u128() as u64);
    let url = format!("{}&options[search_path]={schema}", &*config.postgres_url);
    let catalogue = PostgresCatalogue::new(&AwsConfig { postgres_url: url.into(), ..config }).unwrap();
    let error: PortError = catalogue.changes(Revision::default()).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Denied);
    assert!(error.to_string().contains("run `sluice provision`"), "{error}");
    assert_eq!(error.to_string().lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn a_role_names_a_schema_that_is_older_and_goes_on_once_it_is_brought_up_to_date() {
    let config = super::config();
    let schema = format!("old_{:016x}", random_u128() as u64);
    let url = format!("{}&options[search_path]={schema}", &*config.postgres_url);
    let catalogue = PostgresCatalogue::new(&AwsConfig { postgres_url: url.into(), ..config }).unwrap();
    catalogue.make_old(&schema, 2).await;
    let error: PortError = catalogue.changes(Revision::default()).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Denied);
    assert!(error.to_string().contains("older than this program: run `sluice provision`"), "{error}");
    assert!(catalogue.migrate().await.unwrap());
    catalogue.changes(Revision::default()).await.unwrap();
    catalogue.put_customer(&CatalogueSample::new(1).customer).await.unwrap();
}
