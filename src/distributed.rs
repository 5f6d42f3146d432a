//! The roles on the distributed engine: open, bind, run, drain.

mod engine;
mod leases;
mod processor_probes;
mod provision;

pub(crate) use leases::leases;
pub(crate) use provision::provision;

use crate::admin_token::AdminTokenSource;
use crate::config::Config;
use crate::output::say;
use crate::probe_listener::ProbeListener;
use crate::process::stop_signal;
use crate::roles::{self, BothRoles, RunningRole};
use crate::waiting_room::WaitingRoom;
use anyhow::Context;
use engine::{Engine, Leased};
use futures_util::future::BoxFuture;
use sluice_ingest::ProductAppender;
use sluice_processor::Processor;
use sluice_telemetry::emf::EmfRole;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// `sluice ingest`.
pub(crate) async fn ingest(config: &Config) -> anyhow::Result<()> {
    let stop = stop_signal(config)?;
    let tokens = AdminTokenSource::load(config, None)?;
    let waiting = WaitingRoom::open(&config.ingest_addresses()).await?;
    let mut engine = Engine::open(config, &stop, &waiting).await?;
    let stores = engine.stores(config, &stop, &waiting).await?;
    let (ports, redis) = engine.ingest_ports(config, tokens).await?;
    // This processor works no shard: it sends the test events that customers ask for.
    let prober = roles::processor(config, &engine.foundation, &stores)?;
    waiting.close().await;
    let bound = roles::bind_ingest(config, &engine.foundation, &stores, ports, &prober)?;
    engine.foundation.write_ingest_emf(&config.telemetry, &bound);
    say!("ready {}", bound.public_url())?;
    let failed = CancellationToken::new();
    let role = roles::run_ingest(bound, failed.clone());
    wait_for_end(&stop, &failed).await;
    let drained = role.stop().await;
    redis.close().await;
    engine.end().await?;
    drained
}

/// `sluice processor`.
pub(crate) async fn processor(config: &Config) -> anyhow::Result<()> {
    let stop = stop_signal(config)?;
    let address = ("processor_listen", config.processor_listen);
    let waiting = WaitingRoom::open(&[address]).await?;
    let mut engine = Engine::open(config, &stop, &waiting).await?;
    let (stores, leased) = engine.leased_stores(config, &stop, &waiting).await?;
    let processor = roles::processor(config, &engine.foundation, &stores)?;
    let appender = ProductAppender::start(stores.log.clone(), stores.lanes, &config.ingest);
    processor.tell_through(appender.events());
    waiting.close().await;
    let listener = ProbeListener::bind(address.0, address.1).await?;
    say!("ready http://{}", listener.address()?)?;
    let answers =
        processor_probes::answers(processor.clone(), engine.lost(), engine.foundation.metrics.clone());
    engine.foundation.background.spawn(|stop| listener.run(answers, stop));
    write_processor_emf(config, &mut engine, &processor);
    engine.measure_queues(config);
    let failed = CancellationToken::new();
    let role = RunningRole::start("processor", &Handle::current(), failed.clone(), |stop| {
        work(processor, leased, stop)
    });
    wait_for_end(&stop, &failed).await;
    let drained = role.stop().await;
    appender.stop().await;
    engine.end().await?;
    drained
}

/// `sluice up --distributed`: both roles in one process.
pub(crate) async fn up(config: &Config) -> anyhow::Result<()> {
    let stop = stop_signal(config)?;
    let tokens = AdminTokenSource::load(config, None)?;
    let waiting = WaitingRoom::open(&config.ingest_addresses()).await?;
    let mut engine = Engine::open(config, &stop, &waiting).await?;
    let (stores, leased) = engine.leased_stores(config, &stop, &waiting).await?;
    let (ports, redis) = engine.ingest_ports(config, tokens).await?;
    let processor = roles::processor(config, &engine.foundation, &stores)?;
    waiting.close().await;
    let bound = roles::bind_ingest(config, &engine.foundation, &stores, ports, &processor)?;
    engine.foundation.write_ingest_emf(&config.telemetry, &bound);
    write_processor_emf(config, &mut engine, &processor);
    engine.measure_queues(config);
    say!("ready {}", bound.public_url())?;
    let both = BothRoles::start(config, bound, processor, |processor, stop| work(processor, leased, stop))?;
    // Cancel safe: both are waits.
    tokio::select! {
        () = stop.cancelled() => tracing::info!("draining"),
        () = both.failed() => {}
    }
    let drained = both.stop().await;
    redis.close().await;
    engine.end().await?;
    drained
}

/// Writes the processor's metrics for CloudWatch, if the configuration asks for them.
fn write_processor_emf(config: &Config, engine: &mut Engine, processor: &Processor) {
    let (processor, lost) = (processor.clone(), engine.lost());
    let facts = move || processor_probes::facts(&processor, &lost());
    engine.foundation.write_emf(&config.telemetry, EmfRole::Processor, facts);
}

/// Returns when the process is told to stop, or a role ended by itself.
async fn wait_for_end(stop: &CancellationToken, failed: &CancellationToken) {
    // Cancel safe: both are waits.
    tokio::select! {
        () = stop.cancelled() => tracing::info!("draining"),
        () = failed.cancelled() => {}
    }
}

/// Works shards until told to stop; then hands all of them over.
fn work(
    processor: Processor,
    leased: Leased,
    stop: CancellationToken,
) -> BoxFuture<'static, anyhow::Result<()>> {
    Box::pin(async move {
        let Leased { keeper, leases } = leased;
        let keeper_stop = CancellationToken::new();
        let keeping = tokio::spawn(keeper.run(keeper_stop.clone(), stop.clone()));
        processor.run_leased(&leases, stop).await;
        // No shard is worked any more, so the remaining leases, and shards that were
        // granted last, can go to other processes.
        drop(leases);
        keeper_stop.cancel();
        keeping.await.context("the keeper of the leases")
    })
}
