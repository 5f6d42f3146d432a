//! What every role of the distributed engine has: clients, the catalogue's
//! directory, the tasks that serve them, and which dependencies are lost.

use crate::config::Config;
use crate::server::stop_signal;
use anyhow::Context;
use sluice_aws::Clients;
use sluice_aws::catalogue::PostgresCatalogue;
use sluice_aws::events::DynamoEvents;
use sluice_aws::log::KinesisLog;
use sluice_aws::provision;
use sluice_aws::queue::{DeadLetterCarrier, SqsQueue};
use sluice_catalogue::directory::{Directory, DirectorySettings};
use sluice_catalogue::sealing::{OpenError, SealedCatalogue, Sealer};
use sluice_ports::PortError;
use sluice_ports::catalogue::CatalogueError;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often something that is not there yet is asked for again at the start.
const START_AGAIN: Duration = Duration::from_secs(1);
/// Past this age of its directory the catalogue counts as lost.
const DIRECTORY_AGE_MAX: Duration = Duration::from_secs(5);

/// Names the dependencies that are lost now.
pub(crate) type Lost = Box<dyn Fn() -> Vec<&'static str> + Send + Sync>;
/// Writes the metrics of the process.
pub(crate) type Render = Box<dyn Fn() -> String + Send + Sync>;

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

/// What all roles have.
pub(super) struct Common {
    pub(super) clients: Clients,
    catalogue: Arc<PostgresCatalogue>,
    /// The same, as everybody else uses it.
    pub(super) sealed: Arc<SealedCatalogue>,
    pub(super) directory: Arc<Directory>,
    /// Cancelled when the process is told to stop.
    pub(super) stop: CancellationToken,
    /// Ends what serves the roles.
    pub(super) background_stop: CancellationToken,
    background: Vec<JoinHandle<()>>,
    metrics: sluice_telemetry::PrometheusHandle,
}

impl Common {
    pub(super) async fn open(config: &Config) -> anyhow::Result<Self> {
        let stop = stop_signal()?;
        let metrics = sluice_telemetry::start_metrics()?;
        let clients = Clients::new(&config.aws).await;
        let catalogue = Arc::new(PostgresCatalogue::new(&config.aws)?);
        let settings = DirectorySettings {
            request_events_max: config.edge.limits.request_events_max,
            ..DirectorySettings::default()
        };
        let sealed = open_sealed(&stop, config, &catalogue).await?;
        let (directory, refresher) = patiently(&stop, || Directory::load(sealed.clone(), settings)).await?;
        let background_stop = CancellationToken::new();
        let background = Vec::new();
        let mut common =
            Self { clients, catalogue, sealed, directory, stop, background_stop, background, metrics };
        common.serve(refresher.run(common.background_stop.clone()));
        common.serve(sluice_telemetry::keep_up(common.metrics.clone(), common.background_stop.clone()));
        let (clients, aws, stop) =
            (common.clients.clone(), config.aws.clone(), common.background_stop.clone());
        common.serve(async move { clients.watch(&aws, stop).await });
        // Clients of its own: settings that it may not read make nobody unready.
        let (aws, stop) = (config.aws.clone(), common.background_stop.clone());
        common.serve(async move { provision::watch_settings(&Clients::new(&aws).await, &aws, stop).await });
        Ok(common)
    }

    /// Runs a task that ends with `background_stop`.
    pub(super) fn serve(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.background.push(tokio::spawn(task));
    }

    pub(super) async fn log(&self, config: &Config) -> anyhow::Result<Arc<KinesisLog>> {
        Ok(Arc::new(patiently(&self.stop, || KinesisLog::open(&self.clients, &config.aws)).await?))
    }

    pub(super) async fn stores(&self, config: &Config) -> anyhow::Result<(Arc<DynamoEvents>, Arc<SqsQueue>)> {
        let carrier = patiently(&self.stop, || DeadLetterCarrier::open(&self.clients, &config.aws)).await?;
        let events = DynamoEvents::new(&self.clients, &config.aws, Some(carrier));
        let events = Arc::new(events);
        let queue =
            patiently(&self.stop, || SqsQueue::open(&self.clients, &config.aws, events.clone())).await?;
        Ok((events, Arc::new(queue)))
    }

    pub(super) fn render(&self) -> Render {
        let metrics = self.metrics.clone();
        Box::new(move || metrics.render())
    }

    pub(super) fn lost(&self) -> Lost {
        let (health, directory) = (Arc::clone(self.clients.health()), Arc::clone(&self.directory));
        Box::new(move || {
            let mut lost = health.lost();
            if directory.age() > DIRECTORY_AGE_MAX {
                lost.push("postgres");
            }
            lost
        })
    }

    /// Ends what served the roles.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        self.background_stop.cancel();
        for task in self.background {
            task.await.context("a background task")?;
        }
        self.catalogue.close().await;
        Ok(())
    }
}
