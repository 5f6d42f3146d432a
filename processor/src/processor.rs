//! The processor: a task for each shard and one for the queue, each restarted if it ends.

use crate::attempt::Courier;
use crate::backoff;
use crate::breaker::BreakerState;
use crate::client::{ClientError, WebhookClient, Wire};
use crate::clock::{self, Clock};
use crate::commit::CommitStores;
use crate::config::ProcessorConfig;
use crate::context::Context;
use crate::endpoint::{EndpointLimits, Endpoints};
use crate::guard::AddressGuard;
use crate::health::{ProcessorStatus, ShardHealth, WorkerHealth};
use crate::history;
use crate::matcher::Matchers;
use crate::metrics::Metrics;
use crate::notices::NoticeDesk;
use crate::probe::Prober;
use crate::replayer::Replayer;
use crate::shaping::ShapingDesk;
use crate::shard::{ShardEnd, ShardTask};
use crate::signing::SigningDesk;
use crate::store_wait::store_wait;
use crate::worker::Worker;
use parking_lot::RwLock;
use sluice_catalogue::directory::Directory;
use sluice_history::attempts::AttemptHistory;
use sluice_history::replay::ReplayStore;
use sluice_model::SubscriptionId;
use sluice_model::config::ConfigError;
use sluice_ports::leases::{Grant, Leases};
use sluice_ports::log::ShardId;
use sluice_ports::{
    Catalogue, Checkpoints, EventStore, Log, PortError, ProductEvents, Rows, WebhookProbe, WorkQueue,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A shard that had events to settle but settled none for this long is stuck.
const STUCK_MS: u64 = 120_000;

/// How often the processes that share the rate limits of subscriptions are counted.
const COUNT_PROCESSES: Duration = Duration::from_secs(1);

/// The longest wait before a task that ended is restarted.
const RESTART_MAX: Duration = Duration::from_secs(30);

/// The ports that the processor uses.
pub struct ProcessorPorts {
    /// The source of events.
    pub log: Arc<dyn Log>,
    /// For facts and dead letters, and for reading batches again.
    pub events: Arc<dyn EventStore>,
    /// For deliveries that wait.
    pub queue: Arc<dyn WorkQueue>,
    /// For disabling subscriptions.
    pub catalogue: Arc<dyn Catalogue>,
    /// The snapshot of the catalogue. Its refresher runs elsewhere.
    pub directory: Arc<Directory>,
    /// For attempts, replays and parked lists.
    pub rows: Arc<dyn Rows>,
    /// For the positions up to which shards are settled.
    pub checkpoints: Arc<dyn Checkpoints>,
    /// The number of lanes of the deployment.
    pub lanes: u16,
    /// The number of this process, the same after a restart, so that its attempt history continues.
    pub instance: u64,
}

/// Why the processor could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum ProcessorError {
    /// A value of the configuration makes no sense.
    #[error("the processor's configuration: {0}")]
    Config(#[from] ConfigError),
    /// The HTTP client could not be set up.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Consumes shards, matches and delivers. Cheap to clone: all clones share one state.
#[derive(Clone)]
pub struct Processor {
    context: Arc<Context>,
    shards: Arc<RwLock<BTreeMap<ShardId, Arc<ShardHealth>>>>,
    worker: Arc<WorkerHealth>,
    history: Arc<AttemptHistory>,
    replays: ReplayStore,
    lanes: u16,
}

impl Processor {
    /// Sets the processor up. Nothing runs yet.
    ///
    /// # Errors
    /// If the configuration makes no sense, or TLS cannot be set up.
    pub fn new(ports: ProcessorPorts, config: ProcessorConfig) -> Result<Self, ProcessorError> {
        config.validate()?;
        let client = WebhookClient::new(config.webhook.clone(), AddressGuard::new(config.guard.clone()))?;
        Self::with_wire(ports, config, Arc::new(client))
    }

    /// [`Self::new`], sending webhooks over the caller's wire.
    ///
    /// # Errors
    /// If the configuration makes no sense.
    pub fn with_wire(
        ports: ProcessorPorts,
        config: ProcessorConfig,
        wire: Arc<dyn Wire>,
    ) -> Result<Self, ProcessorError> {
        config.validate()?;
        let endpoints = Arc::new(Endpoints::new(EndpointLimits {
            breaker: config.breaker,
            concurrency_max: config.webhook.concurrency_max,
        }));
        let metrics = Metrics::new();
        let context = Arc::new(Context {
            log: ports.log,
            stores: CommitStores {
                events: ports.events,
                queue: ports.queue,
                catalogue: ports.catalogue,
                rows: Arc::clone(&ports.rows),
                checkpoints: ports.checkpoints,
                notices: NoticeDesk::default(),
            },
            matchers: Matchers::new(ports.directory, Arc::clone(&endpoints)),
            endpoints,
            courier: Arc::new(Courier {
                wire,
                clock: Clock::start(),
                shaping: shaping_desk(&config, &metrics, Arc::clone(&ports.rows)),
                metrics,
                signing: SigningDesk::default(),
            }),
            queue_wake: Notify::new(),
            detached_bytes: AtomicUsize::new(0),
            matching_turns: Semaphore::new(config.matching.threads),
            lanes: ports.lanes,
            config,
        });
        Ok(Self {
            context,
            shards: Arc::default(),
            worker: Arc::default(),
            history: Arc::new(AttemptHistory::new(Arc::clone(&ports.rows), ports.instance)),
            replays: ReplayStore::new(ports.rows),
            lanes: ports.lanes,
        })
    }

    /// Works all shards and the queue until told to stop; then ends within the configured deadline.
    /// Events that are not settled by then are delivered again after the next start.
    ///
    /// # Errors
    /// If the log is closed before its shards are known.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), PortError> {
        let Some(shards) = self.list_shards(&shutdown).await? else { return Ok(()) };
        let mut tasks = JoinSet::new();
        for id in shards {
            // Nobody takes the shard away, because this is the only process.
            let (grant, _ended) = Grant::new(id);
            self.work_shard(grant, &mut tasks, &shutdown);
        }
        self.work_beside_shards(&mut tasks, &shutdown);
        shutdown.cancelled().await;
        self.end(tasks).await;
        Ok(())
    }

    /// As [`Self::run`], but works only the shards that `leases` grants, as long as they are granted.
    pub async fn run_leased(&self, leases: &dyn Leases, shutdown: CancellationToken) {
        let mut tasks = JoinSet::new();
        self.work_beside_shards(&mut tasks, &shutdown);
        let mut granting = true;
        let mut counting = tokio::time::interval(COUNT_PROCESSES);
        loop {
            // Each branch is cancel safe: no grant and no end of a task is lost.
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = counting.tick() => self.context.endpoints.shared_among(leases.processes()),
                grant = leases.granted(), if granting => match grant {
                    Some(grant) => self.work_shard(grant, &mut tasks, &shutdown),
                    None => granting = false,
                },
                Some(ended) = tasks.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "the task that restarts other tasks died");
                    }
                }
            }
        }
        self.end(tasks).await;
    }

    /// Starts the tasks that belong to no shard: the queue's worker, replays, the history of attempts.
    fn work_beside_shards(&self, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
        let (context, stop) = (|| Arc::clone(&self.context), || shutdown.clone());
        tasks.spawn(keep_worker(context(), Arc::clone(&self.worker), stop()));
        tasks.spawn(keep_replays(context(), self.replays.clone(), self.lanes, stop()));
        tasks.spawn(history::keep(context(), Arc::clone(&self.history), stop()));
    }

    /// Starts the task of a granted shard; it runs until the grant or the shutdown ends it.
    fn work_shard(&self, grant: Grant, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
        let id = grant.shard.clone();
        let health = Arc::new(ShardHealth::granted(self.context.clock().now_ms()));
        self.shards.write().insert(id.clone(), Arc::clone(&health));
        let (context, stop, shards) =
            (Arc::clone(&self.context), shutdown.child_token(), Arc::clone(&self.shards));
        tasks.spawn(async move {
            // Moves the whole grant into the task: a grant of which only parts are moved is
            // dropped here.
            let grant = grant;
            let work = keep_shard(context, id.clone(), Arc::clone(&health), stop.clone());
            let mut work = std::pin::pin!(grant.lost.run_until_cancelled(work));
            // Cancel safe: the work continues where it was.
            tokio::select! {
                _ = &mut work => {}
                () = grant.leave.cancelled() => {
                    stop.cancel();
                    work.await;
                }
            }
            let mut shards = shards.write();
            // The shard may have been granted anew in the meantime.
            if shards.get(&id).is_some_and(|current| Arc::ptr_eq(current, &health)) {
                shards.remove(&id);
            }
        });
    }

    /// Waits for all tasks, up to the configured time.
    async fn end(&self, mut tasks: JoinSet<()>) {
        let deadline = Duration::from_millis(self.context.config.shutdown.deadline_ms);
        let all = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(deadline, all).await.is_err() {
            tracing::warn!(
                "the processor did not end in time; events that it left unsettled are delivered again"
            );
            tasks.shutdown().await;
        }
    }

    /// The breaker of a subscription's endpoint, if this process sent to it recently.
    #[must_use]
    pub fn breaker_of(&self, subscription: SubscriptionId) -> Option<BreakerState> {
        self.context.endpoints.breaker_of(subscription)
    }

    /// The processor's state, for readiness.
    #[must_use]
    pub fn status(&self) -> ProcessorStatus {
        let shards = self.shards.read();
        let shards: Vec<_> = shards.iter().map(|(id, health)| health.status(&id.0)).collect();
        let now_ms = self.context.clock().now_ms();
        let moves = |progress_ms: u64| now_ms.saturating_sub(progress_ms) < STUCK_MS;
        let ready = self.worker.is_running()
            && !shards.is_empty()
            && shards.iter().all(|shard| shard.running && moves(shard.progress_ms));
        ProcessorStatus { shards, worker_running: self.worker.is_running(), ready }
    }

    /// From now on customers are told about their subscriptions by product events, which are
    /// appended to `events`.
    pub fn tell_through(&self, events: Arc<dyn ProductEvents>) {
        let directory = Arc::clone(self.context.matchers.directory());
        self.context.stores.notices.open(directory, events);
    }

    /// Sends single webhooks for their answers; works whether or not the processor runs.
    #[must_use]
    pub fn probe(&self) -> Arc<dyn WebhookProbe> {
        Arc::new(Prober(Arc::clone(&self.context.courier)))
    }

    async fn list_shards(&self, shutdown: &CancellationToken) -> Result<Option<Vec<ShardId>>, PortError> {
        let mut tries = 0;
        loop {
            let error = match self.context.log.shards().await {
                Ok(shards) => return Ok(Some(shards)),
                Err(error @ PortError::Closed { .. }) => return Err(error),
                Err(error) => error,
            };
            self.context.store_failed(&error);
            // Cancel safe: a wait.
            tokio::select! {
                () = shutdown.cancelled() => return Ok(None),
                () = tokio::time::sleep(store_wait(&error, tries)) => tries += 1,
            }
        }
    }
}

fn shaping_desk(config: &ProcessorConfig, metrics: &Metrics, rows: Arc<dyn Rows>) -> ShapingDesk {
    let failures = metrics.store_failures.clone();
    ShapingDesk::new(config.transform, rows, move |error| {
        failures.increment(1);
        tracing::warn!(%error, "the shape of a delivery cannot be read; trying again");
    })
}

async fn keep_shard(
    context: Arc<Context>,
    id: ShardId,
    health: Arc<ShardHealth>,
    shutdown: CancellationToken,
) {
    let name = format!("shard {id}");
    let ended = || {
        health.restarted(context.clock().now_ms());
    };
    let start = || {
        let (context, id, health) = (Arc::clone(&context), id.clone(), Arc::clone(&health));
        let shutdown = shutdown.clone();
        async move {
            // Cancel safe: opening leaves nothing behind.
            let opening = shutdown.run_until_cancelled(ShardTask::open(context, id, health));
            let Some(task) = opening.await else { return Ok(()) };
            match task?.run(shutdown.clone()).await? {
                ShardEnd::Stopped => {}
                // The shard is settled for ever, so the task is not restarted.
                ShardEnd::Settled => shutdown.cancel(),
            }
            Ok(())
        }
    };
    keep(&context, &name, &shutdown, start, ended).await;
}

async fn keep_worker(context: Arc<Context>, health: Arc<WorkerHealth>, shutdown: CancellationToken) {
    let start = || Worker::new(Arc::clone(&context), Arc::clone(&health)).run(shutdown.clone());
    keep(&context, "the queue's worker", &shutdown, start, || health.stopped()).await;
}

async fn keep_replays(context: Arc<Context>, store: ReplayStore, lanes: u16, shutdown: CancellationToken) {
    let start = || Replayer::new(Arc::clone(&context), store.clone(), lanes).run(shutdown.clone());
    keep(&context, "the replays' task", &shutdown, start, || {}).await;
}

/// Runs a task again and again until the shutdown, with a growing wait after an error or a panic. A
/// task that dies loses nothing: the next one reads or takes again everything that was not settled.
async fn keep<F>(
    context: &Context,
    name: &str,
    shutdown: &CancellationToken,
    start: impl Fn() -> F,
    ended: impl Fn(),
) where
    F: Future<Output = Result<(), PortError>> + Send + 'static,
{
    let mut restarts = 0;
    // A set of one task: dropping it when the deadline has passed stops the task.
    let mut task = JoinSet::new();
    loop {
        let began = tokio::time::Instant::now();
        task.spawn(start());
        let outcome = task.join_next().await;
        if shutdown.is_cancelled() {
            if let Some(Ok(Err(error))) = outcome {
                tracing::warn!(task = name, %error, "ended with an error while shutting down");
            }
            return;
        }
        ended();
        context.metrics().task_restarts.increment(1);
        match outcome {
            Some(Ok(Err(error))) => tracing::error!(task = name, %error, "ended; starting it again"),
            Some(Err(error)) => tracing::error!(task = name, %error, "died; starting it again"),
            Some(Ok(Ok(()))) | None => tracing::error!(task = name, "ended by itself; starting it again"),
        }
        restarts = if began.elapsed() > 2 * RESTART_MAX { 0 } else { restarts + 1 };
        let wait = backoff::exponential(Duration::from_millis(100), restarts, RESTART_MAX, clock::random());
        // Cancel safe: a wait.
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}
