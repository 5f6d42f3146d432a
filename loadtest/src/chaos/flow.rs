//! One flow of a scenario: customers, a sender, a receiver, and the ledgers of both.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::error::ChaosError;
use super::fault::FaultKind;
use super::scenario::{FlowConfig, Scenario};
use super::server::ScenarioServer;
use crate::receiver::{Receiver, ReceiverConfig, ReceiverHandle, ReceiverStats};
use crate::replay::{ReplayConfig, replay};
use crate::sender::{self, KeyChoice, LiveRun, RunConfig, RunEnd, RunReport};
use crate::verify::{Arrival, OrderCheck, VerifyReport, verify};

/// Longer than the server is ever paused, so that requests outlast a pause.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Time between two comparisons of the ledgers.
const SETTLE_PERIOD: Duration = Duration::from_millis(500);

/// The result of a flow. The field names are stable.
#[derive(Clone, Debug, Serialize)]
pub struct FlowReport {
    /// The flow's name.
    pub name: String,
    /// The sender's view.
    pub run: RunReport,
    /// The receiver's view.
    pub receiver: ReceiverStats,
    /// The comparison of both.
    pub verify: VerifyReport,
}

/// A flow whose customers and receiver exist.
pub(super) struct TrafficFlow {
    pub(super) config: FlowConfig,
    pub(super) receiver: ReceiverHandle,
    pub(super) live: Arc<LiveRun>,
    keys: Vec<String>,
    sent: PathBuf,
    received: PathBuf,
}

/// Without its secrets.
impl std::fmt::Debug for TrafficFlow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrafficFlow").field("config", &self.config).finish_non_exhaustive()
    }
}

impl TrafficFlow {
    pub(super) async fn prepare(
        config: FlowConfig,
        server: &ScenarioServer,
        directory: &Path,
    ) -> Result<Self, ChaosError> {
        let file = |side: &str| directory.join(format!("{}.{side}", config.name.replace('/', "_")));
        let (sent, received) = (file("sent"), file("received"));
        let receiver = Receiver::start(ReceiverConfig {
            behaviour: config.receiver,
            ledger: Some(received.clone()),
            ..ReceiverConfig::default()
        })?;
        let mut keys = Vec::new();
        for nth in 0..config.customers {
            let key = server.customer(&format!("{} {nth}", config.name)).await?;
            let url = format!("{}/{nth}", receiver.url());
            server.subscribe(&key, &url, config.ordered, config.webhook_events).await?;
            keys.push(key);
        }
        Ok(Self { config, receiver, live: Arc::default(), keys, sent, received })
    }

    /// Sends until `stop`, or until a recording ends.
    pub(super) fn send(
        &self,
        scenario: &Scenario,
        server: &ScenarioServer,
        seed: u64,
        stop: CancellationToken,
    ) -> impl Future<Output = Result<RunReport, ChaosError>> + 'static {
        let (config, live, url) = (self.config.clone(), Arc::clone(&self.live), server.url());
        let (keys, sent) = (self.keys.clone(), self.sent.clone());
        // A killed server is restarted as another process.
        let one_process = !scenario.faults.kinds.contains(&FaultKind::Kill);
        let watch_pid = one_process.then(|| server.pid());
        let (warmup, duration) = (scenario.warmup, scenario.duration.saturating_sub(scenario.warmup));
        async move {
            let Some(file) = config.replay else {
                let run = RunConfig {
                    keys,
                    key_choice: if config.skew > 0.0 {
                        KeyChoice::Zipf { exponent: config.skew }
                    } else {
                        KeyChoice::Cycle
                    },
                    connections: config.connections,
                    batch: config.batch,
                    profile: config.rate,
                    warmup,
                    duration: Some(duration),
                    timeout: ANSWER_LIMIT,
                    event_bytes: config.event_bytes,
                    ordering_key: config.ordered,
                    prefer_minimal: config.batch > 1,
                    retry_unknown: true,
                    ledger: Some(sent),
                    watch_pid,
                    seed,
                    ..RunConfig::new(url)
                };
                return sender::run(run, live, stop).await.map_err(ChaosError::from);
            };
            let play = ReplayConfig {
                keys,
                speed: config.speed,
                passes: u64::MAX,
                connections: config.connections,
                timeout: ANSWER_LIMIT,
                retry_unknown: true,
                ledger: Some(sent),
                ..ReplayConfig::new(url, vec![file])
            };
            // Played again and again until its planned end, when the traffic's time is over.
            let ends = stop.child_token();
            let timer = async {
                tokio::time::sleep(duration + warmup).await;
                ends.cancel();
            };
            let (report, ()) = tokio::join!(replay(play, live, ends.clone()), timer);
            let report = report?;
            if let Some(error) = report.recording_error {
                return Err(ChaosError::Recording(error));
            }
            Ok(RunReport { ended: RunEnd::Planned, ..report.run })
        }
    }

    fn compare(&self) -> Result<VerifyReport, ChaosError> {
        let order = if self.config.ordered { OrderCheck::Required } else { OrderCheck::Counted };
        Ok(verify(&self.sent, &self.received, Arrival::EverySubscription, order)?)
    }

    /// Waits until every acknowledged event has arrived, or until `limit` is over.
    pub(super) async fn settle(&self, limit: Duration, stop: &CancellationToken) -> Result<(), ChaosError> {
        let started = Instant::now();
        while self.compare()?.lost > 0 && started.elapsed() < limit && !stop.is_cancelled() {
            tokio::time::sleep(SETTLE_PERIOD).await;
        }
        Ok(())
    }

    /// Ends the receiver and compares the ledgers.
    pub(super) fn finish(self, run: RunReport) -> Result<FlowReport, ChaosError> {
        let Self { config, receiver, sent, received, .. } = self;
        let receiver = receiver.stop()?;
        let order = if config.ordered { OrderCheck::Required } else { OrderCheck::Counted };
        let verify = verify(&sent, &received, Arrival::EverySubscription, order)?;
        Ok(FlowReport { name: config.name, run, receiver, verify })
    }
}
