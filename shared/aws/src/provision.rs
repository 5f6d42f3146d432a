//! Making the engine's resources in AWS (stream, tables, queues) and keeping their
//! settings right.
//!
//! Each run of `provision` compares every resource with its wanted settings: it makes
//! missing ones, mends wrong settings, and names those that it may not change. So the
//! next run finishes one that was killed or denied half-way. The roles make the same
//! comparison at their start and every hour; they change nothing and only warn.

mod difference;
mod queues;
mod stream;
mod tables;

pub use difference::{Difference, ProvisionOutcome, ProvisionStep, Remedy};

use super::clients::Clients;
use super::config::AwsConfig;
use difference::Thing;
use futures_util::future::join5;
use metrics::gauge;
use queues::QueueThing;
use sluice_ports::PortError;
use std::time::Duration;
use stream::StreamThing;
use tables::TableThing;
use tokio_util::sync::CancellationToken;

/// How often the roles compare the settings.
const COMPARE_EVERY: Duration = Duration::from_secs(3600);

/// Makes and mends the stream, the tables and the queues. `shards` is the wanted number of
/// the stream's shards; if it is `None`, a new stream has one shard and an existing one
/// keeps its number.
///
/// # Errors
/// The first resource that could not be made or mended; earlier changes stay.
pub async fn provision(
    clients: &Clients,
    config: &AwsConfig,
    shards: Option<u32>,
) -> Result<Vec<ProvisionStep>, PortError> {
    Ok(vec![
        difference::make_or_mend(&StreamThing { clients, config, shards }).await?,
        difference::make_or_mend(&TableThing::events(clients, config)).await?,
        difference::make_or_mend(&TableThing::leases(clients, config)).await?,
        difference::make_or_mend(&QueueThing::dead_letters(clients, config)).await?,
        difference::make_or_mend(&QueueThing::deliveries(clients, config)).await?,
    ])
}

/// Compares the stream, the tables and the queues with their wanted settings. Returns a
/// line for each setting that is wrong or cannot be read.
pub async fn wrong_settings(clients: &Clients, config: &AwsConfig) -> Vec<String> {
    let stream = StreamThing { clients, config, shards: None };
    let (events, leases) = (TableThing::events(clients, config), TableThing::leases(clients, config));
    let (dead, queue) = (QueueThing::dead_letters(clients, config), QueueThing::deliveries(clients, config));
    let all = join5(lines(&stream), lines(&events), lines(&leases), lines(&dead), lines(&queue));
    let (stream, events, leases, dead, queue) = all.await;
    [stream, events, leases, dead, queue].concat()
}

async fn lines(thing: &impl Thing) -> Vec<String> {
    match thing.differences().await {
        Ok(Some(differences)) => {
            differences.iter().map(|difference| format!("{}: {difference}", thing.name())).collect()
        }
        Ok(None) => vec![format!("{}: it does not exist; run `sluice provision`", thing.name())],
        Err(error) => vec![error.to_string()],
    }
}

/// Warns of wrong settings, at once and every hour, until told to stop.
pub async fn watch_settings(clients: &Clients, config: &AwsConfig, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(COMPARE_EVERY);
    // Cancel safe: a wait, and requests that change nothing.
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let Some(wrong) = stop.run_until_cancelled(wrong_settings(clients, config)).await else { return };
        for line in &wrong {
            tracing::warn!("a setting is not as Sluice needs it: {line}");
        }
        gauge!("sluice_settings_wrong").set(wrong.len() as f64);
    }
}
