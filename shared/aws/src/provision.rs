//! Making what the engine needs in AWS, for development and emulators: the
//! stream, the tables, the queues. Each step changes nothing where the thing
//! is there, and says what it did.

use super::clients::Clients;
use super::config::AwsConfig;
use super::failure;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableStatus,
    TimeToLiveSpecification,
};
use aws_sdk_kinesis::error::ProvideErrorMetadata as _;
use aws_sdk_kinesis::types::StreamStatus;
use aws_sdk_sqs::types::QueueAttributeName;
use sluice_ports::PortError;
use std::collections::HashMap;
use std::time::Duration;

/// How long a step waits until the thing is ready.
const READY_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Fourteen days, the longest that SQS keeps a message.
const QUEUE_KEEP_S: u32 = 1_209_600;

/// What was done about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The thing: `stream sluice-events`.
    pub what: String,
    /// Whether it was made now.
    pub made: bool,
}

/// Makes the stream with `shards` shards, the tables and the queues.
///
/// # Errors
/// The first thing that could not be made.
pub async fn provision(clients: &Clients, config: &AwsConfig, shards: i32) -> Result<Vec<Step>, PortError> {
    Ok(vec![
        stream(clients, &config.stream, shards).await?,
        events_table(clients, &config.events_table).await?,
        table(clients, &config.leases_table, "leaseKey", None).await?,
        queue(clients, &config.dead_letter_queue, None).await?,
        queue(clients, &config.queue, Some((&config.dead_letter_queue, config.receives_max))).await?,
    ])
}

async fn stream(clients: &Clients, name: &str, shards: i32) -> Result<Step, PortError> {
    let what = format!("stream {name}");
    let made = match clients.kinesis.create_stream().stream_name(name).shard_count(shards).send().await {
        Ok(_) => true,
        Err(error) if error.code() == Some("ResourceInUseException") => false,
        Err(error) => return Err(failure::unavailable(format!("make {what}"), &error)),
    };
    let ready = async {
        loop {
            let asked = clients.kinesis.describe_stream_summary().stream_name(name).send().await;
            let status = asked.ok().and_then(|answer| Some(answer.stream_description_summary?.stream_status));
            if status == Some(StreamStatus::Active) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    within(&what, ready).await?;
    Ok(Step { what, made })
}

async fn within(what: &str, ready: impl Future<Output = ()>) -> Result<(), PortError> {
    let waited = tokio::time::timeout(READY_WITHIN, ready).await;
    waited.map_err(|_elapsed| PortError::unavailable(format!("make {what}"), "it does not become active"))
}

async fn events_table(clients: &Clients, name: &str) -> Result<Step, PortError> {
    let step = table(clients, name, "pk", Some("sk")).await?;
    if step.made {
        let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name("ttl").build();
        let ttl = ttl.map_err(|error| PortError::unavailable("describe the time to live", error))?;
        let sent =
            clients.dynamodb.update_time_to_live().table_name(name).time_to_live_specification(ttl).send();
        sent.await
            .map_err(|error| failure::unavailable(format!("let items of {} expire", step.what), &error))?;
    }
    Ok(step)
}

async fn table(clients: &Clients, name: &str, hash: &str, range: Option<&str>) -> Result<Step, PortError> {
    let what = format!("table {name}");
    let mut request =
        clients.dynamodb.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    for (attribute, kind) in [(Some(hash), KeyType::Hash), (range, KeyType::Range)] {
        let Some(attribute) = attribute else { continue };
        let key = KeySchemaElement::builder().attribute_name(attribute).key_type(kind).build();
        let definition = AttributeDefinition::builder().attribute_name(attribute);
        let definition = definition.attribute_type(ScalarAttributeType::S).build();
        let describe = |error| PortError::unavailable("describe a table's keys", error);
        request =
            request.key_schema(key.map_err(describe)?).attribute_definitions(definition.map_err(describe)?);
    }
    let made = match request.send().await {
        Ok(_) => true,
        Err(error) if error.code() == Some("ResourceInUseException") => false,
        Err(error) => return Err(failure::unavailable(format!("make {what}"), &error)),
    };
    let ready = async {
        loop {
            let asked = clients.dynamodb.describe_table().table_name(name).send().await;
            let status = asked.ok().and_then(|answer| answer.table?.table_status);
            if status == Some(TableStatus::Active) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    within(&what, ready).await?;
    Ok(Step { what, made })
}

async fn queue(clients: &Clients, name: &str, dead_letters: Option<(&str, u32)>) -> Result<Step, PortError> {
    let what = format!("queue {name}");
    if clients.sqs.get_queue_url().queue_name(name).send().await.is_ok() {
        return Ok(Step { what, made: false });
    }
    let mut attributes =
        HashMap::from([(QueueAttributeName::MessageRetentionPeriod, QUEUE_KEEP_S.to_string())]);
    if let Some((target, receives_max)) = dead_letters {
        let arn = queue_arn(clients, target).await?;
        let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"{receives_max}"}}"#);
        attributes.insert(QueueAttributeName::RedrivePolicy, policy);
    }
    let sent = clients.sqs.create_queue().queue_name(name).set_attributes(Some(attributes)).send().await;
    sent.map_err(|error| failure::unavailable(format!("make {what}"), &error))?;
    Ok(Step { what, made: true })
}

async fn queue_arn(clients: &Clients, name: &str) -> Result<String, PortError> {
    let what = || format!("describe queue {name}");
    let url = clients.sqs.get_queue_url().queue_name(name).send().await;
    let url = url.map_err(|error| failure::unavailable(what(), &error))?.queue_url.unwrap_or_default();
    let request = clients.sqs.get_queue_attributes().queue_url(url);
    let sent = request.attribute_names(QueueAttributeName::QueueArn).send().await;
    let attributes = sent.map_err(|error| failure::unavailable(what(), &error))?.attributes;
    let arn = attributes.and_then(|mut all| all.remove(&QueueAttributeName::QueueArn));
    arn.ok_or_else(|| PortError::unavailable(what(), "it has no ARN"))
}
