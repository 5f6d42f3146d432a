//! The roles on the distributed engine: open, bind, run, drain.

use crate::cli::Provision;
use crate::config::Config;
use crate::health;
use crate::server::{run_edge, stop_signal};
use anyhow::Context;
use sluice_ingest::{BoundEdge, EdgeParts};
use sluice_processor::{Processor, ProcessorPorts};
use sluice_shared::aws::catalogue::PostgresCatalogue;
use sluice_shared::aws::events::DynamoEvents;
use sluice_shared::aws::idempotency::RedisIdempotency;
use sluice_shared::aws::leases::{Checkpoints, Keeper, LeaseTable};
use sluice_shared::aws::log::{Deduplicated, KinesisLog, RECORD_RAW_BYTES};
use sluice_shared::aws::queue::{DeadLetterCarrier, SqsQueue};
use sluice_shared::aws::rows::DynamoRows;
use sluice_shared::aws::{Clients, provision as aws_provision};
use sluice_shared::directory::{Directory, DirectorySettings};
use sluice_shared::model::ids::random_u128;
use sluice_shared::ports::catalogue::CatalogueError;
use sluice_shared::ports::{Log, PortError};
use sluice_shared::sealing::{OpenError, SealedCatalogue, Sealer};
use sluice_shared::telemetry;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often something that is not there yet is asked for again at the start.
const START_AGAIN: Duration = Duration::from_secs(1);

/// Asks again until it answers or the process is told to stop: a dependency
/// that is late must not end a process that the others will need.
async fn patiently<T, F: Future<Output = Result<T, PortError>>>(
    stop: &CancellationToken,
    ask: impl Fn() -> F,
) -> anyhow::Result<T> {
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => tracing::warn!(%error, "not ready to start; trying again"),
        }
        if stop.run_until_cancelled(tokio::time::sleep(START_AGAIN)).await.is_none() {
            anyhow::bail!("told to stop before everything was there");
        }
    }
}

/// The catalogue with its secrets: waits for the store, not for a key that is missing.
async fn open_sealed(
    stop: &CancellationToken,
    config: &Config,
    catalogue: &Arc<PostgresCatalogue>,
) -> anyhow::Result<Arc<SealedCatalogue>> {
    let open = || async {
        let sealer = Sealer::load(&config.secrets)?;
        match SealedCatalogue::open(catalogue.clone(), sealer).await {
            Err(OpenError::Catalogue(CatalogueError::Port(error))) => Ok(Err(error)),
            opened => anyhow::Ok(Ok(opened?)),
        }
    };
    let opened = patiently(stop, || async {
        match open().await {
            Ok(Err(error)) => Err(error),
            Ok(Ok(opened)) => Ok(Ok(opened)),
            Err(error) => Ok(Err(error)),
        }
    });
    Ok(Arc::new(opened.await??))
}

/// A process's own rows of the attempt history; they expire with it.
fn instance() -> u64 {
    random_u128() as u64
}

/// What both roles have: the catalogue's directory and the tasks that serve it.
struct Common {
    clients: Clients,
    catalogue: Arc<PostgresCatalogue>,
    /// The same, as everybody else uses it.
    sealed: Arc<SealedCatalogue>,
    directory: Arc<Directory>,
    stop: CancellationToken,
    background_stop: CancellationToken,
    background: Vec<JoinHandle<()>>,
    render: Box<dyn Fn() -> String + Send + Sync>,
}

impl Common {
    async fn open(config: &Config) -> anyhow::Result<Self> {
        let stop = stop_signal()?;
        let metrics = telemetry::start_metrics()?;
        let clients = Clients::new(&config.aws).await;
        let catalogue = Arc::new(PostgresCatalogue::new(&config.aws)?);
        let settings = DirectorySettings {
            request_events_max: config.edge.limits.request_events_max,
            ..DirectorySettings::default()
        };
        let sealed = open_sealed(&stop, config, &catalogue).await?;
        let (directory, refresher) = patiently(&stop, || Directory::load(sealed.clone(), settings)).await?;
        let background_stop = CancellationToken::new();
        let background = vec![
            tokio::spawn(refresher.run(background_stop.clone())),
            tokio::spawn(telemetry::keep_up(metrics.clone(), background_stop.clone())),
        ];
        let render = Box::new(move || metrics.render());
        Ok(Self { clients, catalogue, sealed, directory, stop, background_stop, background, render })
    }

    async fn log(&self, config: &Config) -> anyhow::Result<Arc<KinesisLog>> {
        Ok(Arc::new(patiently(&self.stop, || KinesisLog::open(&self.clients, &config.aws)).await?))
    }

    async fn stores(
        &self,
        config: &Config,
        checkpoints: Checkpoints,
    ) -> anyhow::Result<(Arc<DynamoEvents>, Arc<SqsQueue>)> {
        let carrier = patiently(&self.stop, || DeadLetterCarrier::open(&self.clients, &config.aws)).await?;
        let events = DynamoEvents::new(&self.clients, &config.aws, Arc::new(checkpoints), Some(carrier));
        let events = Arc::new(events);
        let queue =
            patiently(&self.stop, || SqsQueue::open(&self.clients, &config.aws, events.clone())).await?;
        Ok((events, Arc::new(queue)))
    }
}

async fn end_background(
    stop: &CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    catalogue: &PostgresCatalogue,
) -> anyhow::Result<()> {
    stop.cancel();
    for task in tasks {
        task.await.context("a background task")?;
    }
    catalogue.close().await;
    Ok(())
}

/// `sluice ingest`.
#[expect(clippy::print_stdout, reason = "the one line that scripts wait for")]
pub(crate) async fn ingest(config: &Config) -> anyhow::Result<()> {
    let admin_token = config.admin_token.clone();
    let admin_token =
        admin_token.context("an edge needs --admin-token or SLUICE_ADMIN_TOKEN: the same on all")?;
    let common = Common::open(config).await?;
    let log = common.log(config).await?;
    let checkpoints = Checkpoints::unfenced(LeaseTable::new(&common.clients, &config.aws));
    let (events, queue) = common.stores(config, checkpoints).await?;
    let idempotency = Arc::new(RedisIdempotency::new(&config.aws)?);
    idempotency.connected().await;
    let mut edge = config.edge.clone();
    edge.lanes.record_bytes_max = edge.lanes.record_bytes_max.min(RECORD_RAW_BYTES);
    let rows = Arc::new(DynamoRows::new(&common.clients, &config.aws));
    // It works nothing: it sends the test events that customers ask for.
    let ports = ProcessorPorts {
        log: log.clone(),
        events: events.clone(),
        queue: queue.clone(),
        catalogue: common.sealed.clone(),
        directory: common.directory.clone(),
        rows: rows.clone(),
        lanes: config.aws.lanes,
        instance: instance(),
    };
    let prober = Processor::new(ports, config.processor.clone()).context("start sending test events")?;
    let bound = BoundEdge::bind(EdgeParts {
        rows,
        probe: prober.probe(),
        directory: common.directory.clone(),
        log,
        events,
        queue,
        idempotency: idempotency.clone(),
        lanes: config.aws.lanes,
        admin_token,
        config: edge,
        render_metrics: common.render,
    })
    .context("listen")?;
    println!("ready {}", bound.public_url());
    let failed = CancellationToken::new();
    let edge = tokio::spawn(run_edge(bound, common.stop.clone(), failed.clone()));
    edge.await.context("the edge's task")?;
    idempotency.close().await;
    end_background(&common.background_stop, common.background, &common.catalogue).await?;
    anyhow::ensure!(!failed.is_cancelled(), "the edge ended by itself; see the log");
    Ok(())
}

/// `sluice processor`.
#[expect(clippy::print_stdout, reason = "the one line that scripts wait for")]
pub(crate) async fn processor(config: &Config) -> anyhow::Result<()> {
    let common = Common::open(config).await?;
    let log = common.log(config).await?;
    let (keeper, leases, checkpoints) = Keeper::new(&common.clients, &config.aws, log.clone());
    let (events, queue) = common.stores(config, checkpoints).await?;
    let window = Duration::from_millis(config.aws.resend_window_ms);
    let log: Arc<dyn Log> = Arc::new(Deduplicated::new(log, window));
    let ports = ProcessorPorts {
        log,
        events,
        queue,
        catalogue: common.sealed.clone(),
        directory: common.directory.clone(),
        rows: Arc::new(DynamoRows::new(&common.clients, &config.aws)),
        lanes: config.aws.lanes,
        instance: instance(),
    };
    let processor = Processor::new(ports, config.processor.clone()).context("start the processor")?;
    let health =
        health::bind(config.processor_listen, processor.clone(), common.directory.clone(), common.render);
    let health = health.await?;
    println!("ready http://{}", health.address());

    let keeper_stop = CancellationToken::new();
    let keeper = tokio::spawn(keeper.run(keeper_stop.clone()));
    let health_stop = common.background_stop.clone();
    let serving = tokio::spawn(async move { health.run(health_stop).await });
    processor.run_leased(&leases, common.stop.clone()).await;
    // Nothing is worked any more: all leases can go to others at once.
    keeper_stop.cancel();
    keeper.await.context("the leases' keeper")?;
    common.background_stop.cancel();
    serving.await.context("the health listener's task")?;
    end_background(&common.background_stop, common.background, &common.catalogue).await
}

/// `sluice provision`.
#[expect(clippy::print_stdout, reason = "saying what was done is the command's work")]
pub(crate) async fn provision(config: &Config, options: &Provision) -> anyhow::Result<()> {
    let clients = Clients::new(&config.aws).await;
    let mut steps = aws_provision::provision(&clients, &config.aws, options.shards).await?;
    let catalogue = PostgresCatalogue::new(&config.aws)?;
    let made = catalogue.migrate().await?;
    catalogue.close().await;
    steps.push(aws_provision::Step { what: "catalogue schema".into(), made });
    if options.json {
        let steps: Vec<_> =
            steps.iter().map(|step| serde_json::json!({ "what": step.what, "made": step.made })).collect();
        println!("{}", serde_json::to_string_pretty(&steps)?);
        return Ok(());
    }
    for step in steps {
        println!("{:<9} {}", if step.made { "made" } else { "was there" }, step.what);
    }
    Ok(())
}
