//! Runs a scenario: starts a server, sends traffic, does the scenario's faults at
//! random moments, and verifies at the end that nothing was lost.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::{JoinSet, LocalSet};
use tokio_util::sync::CancellationToken;

use crate::metric::CheckedLimit;
use crate::random::SeededRandom;
use crate::sender::{LiveCounters, RunReport};
use crate::tls::TlsSettings;
use crate::verify::VerifyReport;
use crate::watch::{Timeline, TimelinePoint, WatchConfig, watch};

mod disk;
mod error;
mod fault;
mod flow;
mod scenario;
mod server;
mod victims;

pub use error::ChaosError;
pub use fault::{FaultKind, ScenarioFault};
pub use flow::FlowReport;
pub use scenario::{FaultConfig, FlowConfig, Scenario, ScenarioError};
pub use server::beside_this_program;

use disk::FillableDisk;
use flow::TrafficFlow;
use server::{ScenarioServer, ServerPlan};
use victims::Victims;

/// How long to wait after a subscription was made: it takes effect within a second.
const SUBSCRIBED: Duration = Duration::from_millis(1500);

/// Which server a scenario is run against, and where.
#[derive(Clone, Debug)]
pub struct ChaosConfig {
    /// The server's binary: `BINARY up …` must start it.
    pub server: PathBuf,
    /// Where data, ledgers and the server's log go; must be empty.
    pub directory: PathBuf,
    /// Seed of moments, faults and traffic.
    pub seed: u64,
}

/// The result of a scenario. The field names are stable; those of the first
/// flow's run stand at the top.
#[derive(Clone, Debug, Serialize)]
pub struct ChaosReport {
    /// The scenario's.
    pub title: String,
    /// The same seed repeats the choices.
    pub seed: u64,
    /// The first flow's run.
    #[serde(flatten)]
    pub run: BTreeMap<String, serde_json::Value>,
    /// The first flow over time.
    pub timeline: Timeline,
    /// The first flow's verification.
    pub verify: VerifyReport,
    /// The faults that happened.
    pub faults: Vec<ScenarioFault>,
    /// Faults that could not be done on this machine, in words.
    pub skipped: Vec<String>,
    /// All flows, by name.
    pub flows: BTreeMap<String, FlowReport>,
    /// Whether the server ended by itself, or not well when it was told to.
    pub server_failed: bool,
    /// Why the result proves nothing, whatever else holds: it was interrupted,
    /// or no fault happened.
    pub proves_nothing: Option<String>,
    /// The limits of the scenario.
    pub thresholds: Vec<CheckedLimit>,
    /// Whether everything holds: something was acknowledged in each flow,
    /// nothing lost or corrupted, nothing received that was refused or never
    /// sent, no limit broken, the server well, the faults done.
    pub ok: bool,
}

/// Runs a scenario. Cancelling `stop` ends the traffic early; the events sent
/// until then are verified all the same.
pub async fn chaos(
    scenario: &Scenario,
    config: &ChaosConfig,
    stop: CancellationToken,
    show: impl FnMut(&TimelinePoint, &LiveCounters),
) -> Result<ChaosReport, ChaosError> {
    LocalSet::new().run_until(stage(scenario, config, stop, show)).await
}

async fn stage(
    scenario: &Scenario,
    config: &ChaosConfig,
    stop: CancellationToken,
    show: impl FnMut(&TimelinePoint, &LiveCounters),
) -> Result<ChaosReport, ChaosError> {
    let mut random = SeededRandom::new(config.seed);
    let data = config.directory.join("data");
    let wants_disk = scenario.faults.kinds.contains(&FaultKind::FullDisk);
    let disk = if wants_disk { FillableDisk::mount(&data) } else { None };
    let mut kinds = scenario.faults.kinds.clone();
    let mut skipped = Vec::new();
    if wants_disk && disk.is_none() {
        kinds.retain(|kind| *kind != FaultKind::FullDisk);
        skipped.push("full_disk: this user may not mount a tmpfs".into());
    }
    let mut server = ScenarioServer::start(ServerPlan {
        binary: config.server.clone(),
        data: data.join("sluice"),
        log: config.directory.join("server.log"),
        environment: scenario.environment.clone(),
    })
    .await?;
    let mut flows = Vec::new();
    for flow in &scenario.flows {
        flows.push(TrafficFlow::prepare(flow.clone(), &server, &config.directory).await?);
    }
    tokio::time::sleep(SUBSCRIBED).await;

    let (started, sending_stop) = (Instant::now(), stop.child_token());
    let mut senders = JoinSet::new();
    for (nth, flow) in flows.iter().enumerate() {
        let seed = config.seed.wrapping_add(nth as u64);
        let run = flow.send(scenario, &server, seed, sending_stop.child_token());
        senders.spawn_local(async move { (nth, run.await) });
    }
    let watched = WatchConfig {
        tls: TlsSettings::default(),
        scrape: Some(format!("{}/metrics", server.url())),
        receiver: flows.first().map(|flow| flow.receiver.url()),
        period: Duration::from_secs(1),
    };
    let ended = CancellationToken::new();
    let live = flows.first().map(|flow| flow.live.clone()).unwrap_or_default();
    let sending = async {
        // The watching ends when the sending ends, in whatever way.
        let _ended = ended.clone().drop_guard();
        let mut runs: Vec<Option<RunReport>> = vec![None; flows.len()];
        while let Some(joined) = senders.join_next().await {
            let (nth, run) = joined.map_err(|_panic| ChaosError::Panicked)?;
            runs[nth] = Some(run?);
        }
        Ok::<_, ChaosError>(runs)
    };
    let mut faults = Vec::new();
    let breaking = async {
        let victims = Victims { server: &mut server, disk: disk.as_ref(), flows: &flows };
        let broken =
            torment(victims, scenario, &kinds, &mut random, started, &sending_stop, &mut faults).await;
        if broken.is_err() {
            sending_stop.cancel();
        }
        broken
    };
    let watching = watch(&live, &watched, ended.clone(), show);
    let (runs, broken, timeline) = tokio::join!(sending, breaking, watching);
    broken?;
    let runs = runs?;
    for flow in &flows {
        flow.settle(scenario.settle, &stop).await?;
    }
    let died = server.has_died();
    let server_failed = died || !server.stop().await?;
    let mut reports = BTreeMap::new();
    let mut first = None;
    for (flow, run) in flows.into_iter().zip(runs) {
        let report = flow.finish(run.ok_or(ChaosError::Panicked)?)?;
        first.get_or_insert(report.clone());
        reports.insert(report.name.clone(), report);
    }
    let first = first.ok_or(ChaosError::Panicked)?;
    let proves_nothing = if stop.is_cancelled() {
        Some("it was interrupted".to_owned())
    } else if !kinds.is_empty() && faults.is_empty() {
        Some("no fault happened: its time is too short for one".to_owned())
    } else {
        None
    };
    let happened = Happened { timeline, faults, skipped, server_failed, proves_nothing };
    conclude(scenario, config.seed, first, reports, happened)
}

/// Injects one fault after another until the traffic's time is over.
async fn torment(
    mut victims: Victims<'_>,
    scenario: &Scenario,
    kinds: &[FaultKind],
    random: &mut SeededRandom,
    started: Instant,
    stop: &CancellationToken,
    faults: &mut Vec<ScenarioFault>,
) -> Result<(), ChaosError> {
    let part = |whole: Duration, random: &mut SeededRandom| whole.mul_f64(0.1 + 0.9 * random.unit());
    while !kinds.is_empty() {
        let wait = part(scenario.faults.every, random);
        let lasting = part(scenario.faults.lasting, random);
        let kind = kinds[random.below(kinds.len() as u64) as usize];
        if started.elapsed() + wait + lasting >= scenario.duration {
            break;
        }
        // Cancelling a wait loses nothing.
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => break,
        }
        let at = started.elapsed();
        victims.suffer(kind, lasting, random).await?;
        let lasted_s = (started.elapsed() - at).as_secs_f64();
        faults.push(ScenarioFault { at_s: at.as_secs_f64(), what: kind, lasted_s });
    }
    Ok(())
}

struct Happened {
    timeline: Timeline,
    faults: Vec<ScenarioFault>,
    skipped: Vec<String>,
    server_failed: bool,
    proves_nothing: Option<String>,
}

fn conclude(
    scenario: &Scenario,
    seed: u64,
    first: FlowReport,
    flows: BTreeMap<String, FlowReport>,
    happened: Happened,
) -> Result<ChaosReport, ChaosError> {
    let Happened { timeline, faults, skipped, server_failed, proves_nothing } = happened;
    let run = serde_json::to_value(&first.run).map_err(ChaosError::Result)?;
    let mut run: BTreeMap<_, _> = run.as_object().cloned().unwrap_or_default().into_iter().collect();
    run.remove("seed");
    let receiver = serde_json::to_value(&first.receiver).map_err(ChaosError::Result)?;
    run.insert("receiver".into(), receiver);
    let whole = |verify: &VerifyReport| verify.ok && verify.unlisted == 0 && verify.refused_but_received == 0;
    let verified = flows.values().all(|flow| whole(&flow.verify));
    let mut report = ChaosReport {
        title: scenario.title.clone(),
        seed,
        run,
        timeline,
        verify: first.verify,
        faults,
        skipped,
        flows,
        server_failed,
        proves_nothing,
        thresholds: Vec::new(),
        ok: false,
    };
    let json = serde_json::to_value(&report).map_err(ChaosError::Result)?;
    report.thresholds = scenario.thresholds.iter().map(|threshold| threshold.check(&json)).collect();
    let sound = verified && !server_failed && report.proves_nothing.is_none();
    report.ok = sound && report.thresholds.iter().all(|checked| checked.ok);
    Ok(report)
}

impl ChaosReport {
    /// The result for people.
    pub fn text(&self) -> String {
        let mut text = format!("{} (seed {})\n", self.title, self.seed);
        for fault in &self.faults {
            let (at, lasted) = (fault.at_s, fault.lasted_s);
            text.push_str(&format!("{at:>7.2} s  {:?} for {lasted:.2} s\n", fault.what));
        }
        self.skipped.iter().for_each(|skipped| text.push_str(&format!("SKIPPED {skipped}\n")));
        for (name, flow) in &self.flows {
            let (run, verify) = (flow.run.text(), flow.verify.text());
            let receipt = flow.receiver.text();
            text.push_str(&format!("\n-- {name}\n{run}{receipt}{verify}"));
        }
        if self.server_failed {
            text.push_str("the server failed\n");
        }
        self.proves_nothing
            .iter()
            .for_each(|reason| text.push_str(&format!("it proves nothing: {reason}\n")));
        self.thresholds.iter().for_each(|checked| text.push_str(&format!("{}\n", checked.text)));
        text.push_str(if self.ok { "OK\n" } else { "NOT OK\n" });
        text
    }
}
