//! Opens the services of the distributed engine. A service that does not answer yet
//! must not end the process, so each is asked again until it answers. Meanwhile the
//! waiting room says which service is missing, and why.

use crate::admin_token::AdminTokenSource;
use crate::config::Config;
use crate::queue_depths::{self, KnowsAge, QueueSample, QueueSamples};
use crate::roles::{Foundation, IngestPorts, Lost, Stores};
use crate::waiting_room::WaitingRoom;
use anyhow::Context;
use sluice_aws::catalogue::PostgresCatalogue;
use sluice_aws::events::DynamoEvents;
use sluice_aws::idempotency::RedisIdempotency;
use sluice_aws::leases::{Keeper, LaneHorizons, LeaseCheckpoints, LeaseTable, ShardLeases};
use sluice_aws::log::{Deduplicated, KinesisLog, RECORD_RAW_BYTES};
use sluice_aws::provision;
use sluice_aws::queue::{DeadLetterCarrier, QueueDepths, SqsQueue};
use sluice_aws::rates::RedisRates;
use sluice_aws::redis::Redis;
use sluice_aws::rows::DynamoRows;
use sluice_aws::{AwsConfig, Clients};
use sluice_catalogue::directory::{DIRECTORY_AGE_MAX, Directory, DirectorySettings};
use sluice_catalogue::sealing::{OpenError, SealedCatalogue, Sealer};
use sluice_model::ids::random_u128;
use sluice_ports::catalogue::CatalogueError;
use sluice_ports::{Checkpoints, Log, LostDependency, PortError};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

/// The pause before a service that did not answer at the start is asked again.
const START_AGAIN: Duration = Duration::from_secs(1);

/// The leases of a process that works shards.
pub(super) struct Leased {
    pub(super) keeper: Keeper,
    pub(super) leases: ShardLeases,
}

/// The services, and what every process has.
pub(super) struct Engine {
    clients: Clients,
    catalogue: Arc<PostgresCatalogue>,
    pub(super) foundation: Foundation,
}

impl Engine {
    /// Connects, and loads the catalogue.
    pub(super) async fn open(
        config: &Config,
        stop: &CancellationToken,
        waiting: &WaitingRoom,
    ) -> anyhow::Result<Self> {
        let metrics = sluice_telemetry::start_metrics()?;
        let clients = Clients::new(&config.aws).await;
        let catalogue = Arc::new(PostgresCatalogue::new(&config.aws)?);
        let sealed = open_sealed(config, &catalogue, stop, waiting).await?;
        let settings = DirectorySettings::default();
        let loaded = patiently(stop, waiting, || Directory::load(sealed.clone(), settings)).await?;
        let mut foundation = Foundation::new(metrics, sealed, loaded);
        let (watched, aws) = (clients.clone(), config.aws.clone());
        foundation.background.spawn(|stop| async move { watched.watch(&aws, stop).await });
        let aws = config.aws.clone();
        // With clients of their own, so that settings that the role may not read do not
        // make the process unready.
        foundation.background.spawn(|stop| async move {
            provision::watch_settings(&Clients::new(&aws).await, &aws, stop).await;
        });
        Ok(Self { clients, catalogue, foundation })
    }

    /// Measures the queues in the background, for a process that works them.
    pub(super) fn measure_queues(&mut self, config: &Config) {
        let every = Duration::from_secs(config.telemetry.queue_sample_s);
        let aws = config.aws.clone();
        self.foundation.background.spawn(move |stop| async move {
            // With clients of their own, so that a queue that does not tell its depth does not
            // make the process unready.
            let clients = Clients::new(&aws).await;
            let queues = OnceCell::new();
            let sample = || queue_samples(&queues, &clients, &aws);
            queue_depths::measure(every, KnowsAge::No, sample, stop).await;
        });
    }

    /// The stores of a process that works no shards.
    pub(super) async fn stores(
        &self,
        config: &Config,
        stop: &CancellationToken,
        waiting: &WaitingRoom,
    ) -> anyhow::Result<Stores> {
        let log = self.log(config, stop, waiting).await?;
        let checkpoints = LeaseCheckpoints::unfenced(LeaseTable::new(&self.clients, &config.aws));
        self.stores_over(config, log, Arc::new(checkpoints), stop, waiting).await
    }

    /// The stores of a process that works shards, and its leases.
    pub(super) async fn leased_stores(
        &self,
        config: &Config,
        stop: &CancellationToken,
        waiting: &WaitingRoom,
    ) -> anyhow::Result<(Stores, Leased)> {
        let log = self.log(config, stop, waiting).await?;
        let (keeper, leases, checkpoints) = Keeper::new(&self.clients, &config.aws, log.clone());
        let log = Deduplicated::new(log, Duration::from_millis(config.aws.resend_window_ms));
        let stores = self.stores_over(config, Arc::new(log), Arc::new(checkpoints), stop, waiting).await?;
        Ok((stores, Leased { keeper, leases }))
    }

    async fn log(
        &self,
        config: &Config,
        stop: &CancellationToken,
        waiting: &WaitingRoom,
    ) -> anyhow::Result<Arc<KinesisLog>> {
        Ok(Arc::new(patiently(stop, waiting, || KinesisLog::open(&self.clients, &config.aws)).await?))
    }

    async fn stores_over(
        &self,
        config: &Config,
        log: Arc<dyn Log>,
        checkpoints: Arc<dyn Checkpoints>,
        stop: &CancellationToken,
        waiting: &WaitingRoom,
    ) -> anyhow::Result<Stores> {
        let (clients, aws) = (&self.clients, &config.aws);
        let carrier = patiently(stop, waiting, || DeadLetterCarrier::open(clients, aws)).await?;
        let horizons = LaneHorizons::new(Arc::new(LeaseTable::new(clients, aws)), aws);
        let events = Arc::new(DynamoEvents::new(clients, aws, Some(carrier)).with_horizons(horizons));
        let queue = patiently(stop, waiting, || SqsQueue::open(clients, aws, events.clone())).await?;
        Ok(Stores {
            log,
            events,
            queue: Arc::new(queue),
            rows: Arc::new(DynamoRows::new(clients, aws)),
            checkpoints,
            lanes: aws.lanes,
            record_bytes_max: RECORD_RAW_BYTES,
            // The rows of a process in the attempt history are its own; they expire.
            instance: random_u128() as u64,
        })
    }

    /// The ports that only the ingest role needs; they are in Redis.
    pub(super) async fn ingest_ports(
        &mut self,
        config: &Config,
        tokens: AdminTokenSource,
    ) -> anyhow::Result<(IngestPorts, Redis)> {
        let redis = Redis::new(&config.aws, Arc::clone(self.clients.health()))?;
        redis.connected().await;
        let rates = Arc::new(RedisRates::new(redis.clone()));
        let beating = Arc::clone(&rates);
        self.foundation.background.spawn(|stop| async move { beating.run(stop).await });
        let idempotency = Arc::new(RedisIdempotency::new(redis.clone(), &config.aws));
        let admin_tokens = tokens.tokens();
        self.foundation.background.spawn(|stop| tokens.watch(stop));
        Ok((IngestPorts { idempotency, rates, lost: self.lost(), admin_tokens }, redis))
    }

    /// A function that lists the lost dependencies, each with its reason. Postgres is
    /// lost when the directory is too old to match with.
    pub(super) fn lost(&self) -> Lost {
        let (health, directory) = (Arc::clone(self.clients.health()), Arc::clone(&self.foundation.directory));
        Arc::new(move || {
            let mut lost = health.lost();
            let age = directory.age();
            if age > DIRECTORY_AGE_MAX && !lost.iter().any(|lost| lost.name == "postgres") {
                let reason = format!("the catalogue was last read {} s ago", age.as_secs());
                lost.push(LostDependency { name: "postgres", reason });
            }
            lost
        })
    }

    /// Ends the background tasks, and the connections.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        self.foundation.background.end().await?;
        self.catalogue.close().await;
        Ok(())
    }
}

/// The depths of the queues, as SQS reports them.
async fn queue_samples(
    queues: &OnceCell<QueueDepths>,
    clients: &Clients,
    aws: &AwsConfig,
) -> Result<QueueSamples, PortError> {
    let queues = queues.get_or_try_init(|| QueueDepths::open(clients, aws)).await?;
    let sample = |depth| QueueSample { depth, oldest_ms: None };
    Ok(QueueSamples {
        deliveries: sample(queues.deliveries().await?),
        dead_letters: sample(queues.dead_letters().await?),
    })
}

/// Asks until the service answers or the process is told to stop.
async fn patiently<T, F: Future<Output = Result<T, PortError>>>(
    stop: &CancellationToken,
    waiting: &WaitingRoom,
    ask: impl Fn() -> F,
) -> anyhow::Result<T> {
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => pause(stop, waiting, &error).await?,
        }
    }
}

/// Reports the service that the start waits for, and waits before the next try.
async fn pause(stop: &CancellationToken, waiting: &WaitingRoom, error: &PortError) -> anyhow::Result<()> {
    tracing::warn!(%error, "not ready to start; trying again");
    waiting.waits_for(error.to_string());
    let waited = stop.run_until_cancelled(tokio::time::sleep(START_AGAIN)).await;
    waited.context("told to stop before every service answered")
}

/// How an attempt to open the sealed catalogue ended.
enum CatalogueOpening {
    Opened(SealedCatalogue),
    /// The store does not answer: it may later.
    NotNow(PortError),
    /// A key is missing or wrong: waiting does not help.
    Impossible(anyhow::Error),
}

async fn open_once(config: &Config, catalogue: &Arc<PostgresCatalogue>) -> CatalogueOpening {
    let sealer = match Sealer::load(&config.secrets) {
        Ok(sealer) => sealer,
        Err(error) => return CatalogueOpening::Impossible(error.into()),
    };
    match SealedCatalogue::open(catalogue.clone(), sealer).await {
        Ok(sealed) => CatalogueOpening::Opened(sealed),
        Err(OpenError::Catalogue(CatalogueError::Port(error))) => CatalogueOpening::NotNow(error),
        Err(error) => CatalogueOpening::Impossible(error.into()),
    }
}

/// Opens the catalogue with its secrets: waits for the store, but fails if a key is missing.
async fn open_sealed(
    config: &Config,
    catalogue: &Arc<PostgresCatalogue>,
    stop: &CancellationToken,
    waiting: &WaitingRoom,
) -> anyhow::Result<Arc<SealedCatalogue>> {
    loop {
        match open_once(config, catalogue).await {
            CatalogueOpening::Opened(sealed) => return Ok(Arc::new(sealed)),
            CatalogueOpening::Impossible(error) => return Err(error),
            CatalogueOpening::NotNow(error) => pause(stop, waiting, &error).await?,
        }
    }
}
