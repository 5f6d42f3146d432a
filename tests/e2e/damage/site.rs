//! A stopped server with deliveries outstanding, to be copied and damaged.

use crate::harness::traffic::{receiver_at, wait_received};
use crate::harness::wait::try_for;
use crate::harness::{Request, ServerConfig, TestCustomer, TestServer, Traffic, check, directory, ports};
use serde_json::json;
use sluice_loadtest::receiver::{Behaviour, ReceiverHandle};
use sluice_loadtest::sender::RunConfig;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const CONNECTIONS: usize = 4;
const BATCH: usize = 5;
/// The events of two log records, for two subscriptions: the most that one damage may cost.
pub(crate) const RECORD_EVENTS_MAX: u64 = 2 * 2 * (CONNECTIONS * BATCH) as u64;
/// Events before the stop; together more than a segment.
const EVENTS: u64 = 3000;
const EVENT_BYTES: usize = 900;
/// How long a server with damaged files may take to deliver what it has.
const ARRIVAL: Duration = Duration::from_secs(20);
/// The time between two redrives of dead letters. It is longer than the second after
/// which the queue looks at them, and longer than the lag of a receiver's ledger.
const ROUND: Duration = Duration::from_millis(1500);
/// After how many redrives without effect a server with nothing to do is done.
const ROUNDS: usize = 2;

/// How the server was stopped.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ServerEnding {
    Kill,
    Terminate,
}

/// The end of a server that was started on a damaged copy.
#[derive(Debug)]
pub(crate) struct DamageEnd {
    /// Acknowledged events that did not arrive; `None` if the server did not start.
    pub(crate) lost: Option<u64>,
    /// Whether a server that did not start ended by its own decision.
    pub(crate) refused_well: bool,
    /// Whether the server takes and delivers a new event.
    pub(crate) takes_new: bool,
    pub(crate) log: String,
}

/// A subscription's receiver: its address, and the ledger of the events that it took before the stop.
#[derive(Debug)]
struct ReceiverPlace {
    address: SocketAddr,
    ledger: PathBuf,
}

/// The stopped server.
pub(crate) struct DamageSite {
    own: TempDir,
    customer: TestCustomer,
    subscriptions: Vec<String>,
    places: Vec<ReceiverPlace>,
    addresses: (SocketAddr, SocketAddr),
}

fn config() -> ServerConfig {
    ServerConfig::default()
        .env("SLUICE_ENGINE__LOG_SEGMENT_BYTES", 1 << 20)
        .env("SLUICE_ENGINE__STATE_SEGMENT_BYTES", 1 << 20)
        .env("SLUICE_PROCESSOR__BREAKER__OPEN_MAX_MS", 1000)
}

impl DamageSite {
    /// Stops a server with two subscriptions: one received nearly everything, one nothing.
    pub(crate) fn make(ending: ServerEnding) -> Self {
        let own = directory();
        let addresses = (ports::reserved_address(), ports::reserved_address());
        let data = own.path().join("data");
        let mut server = config().data_dir(&data).addresses(addresses.0, addresses.1).start();
        let customer = TestCustomer::new(&server);
        let place =
            |name: &str| ReceiverPlace { address: ports::reserved_address(), ledger: own.path().join(name) };
        let places = vec![place("ready.received"), place("busy.received")];
        let start =
            |place: &ReceiverPlace, behaviour| receiver_at(place.address, &place.ledger, &[], behaviour);
        let (ready, busy) =
            (start(&places[0], Behaviour::default()), start(&places[1], Behaviour::status(503)));
        let subscriptions = [ready.url(), busy.url()].map(|url| customer.subscribe(&url).id).to_vec();
        let run = RunConfig {
            keys: vec![customer.key.clone()],
            connections: CONNECTIONS,
            batch: BATCH,
            rate: Some(4000.0),
            event_bytes: EVENT_BYTES,
            ..RunConfig::new(server.url())
        };
        let traffic = Traffic::start(run, &own.path().join("sent"));
        traffic.wait_for_accepted(EVENTS);
        wait_received(&ready, "the ready endpoint to have most", |stats| stats.events >= EVENTS / 2);
        ready.set_behaviour(Behaviour::status(503)).unwrap();
        traffic.wait_for_accepted(EVENTS / 5);
        match ending {
            ServerEnding::Kill => server.kill(),
            ServerEnding::Terminate => server.terminate(),
        }
        traffic.finish();
        for receiver in [ready, busy] {
            receiver.stop().expect("a receiver's ledger");
        }
        Self { own, customer, subscriptions, places, addresses }
    }

    /// Every file, relative to the data directory, and how much of it is
    /// written: segments end in zeros.
    pub(crate) fn files(&self) -> Vec<(PathBuf, u64)> {
        let data = self.own.path().join("data");
        let mut files = Vec::new();
        walk(&data, &mut files);
        files.sort();
        let written = |path: &Path| {
            let bytes = std::fs::read(path).expect("read a file");
            bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
        };
        files
            .iter()
            .map(|path| (path.strip_prefix(&data).expect("inside").to_owned(), written(path)))
            .collect()
    }

    pub(crate) fn copy(&self) -> TempDir {
        let copy = directory();
        copy_tree(&self.own.path().join("data"), copy.path());
        copy
    }

    /// Starts a server on a copy, with receivers that take everything.
    pub(crate) fn try_start(&self, data: &Path) -> DamageEnd {
        let ledgers = directory();
        let taken: Vec<PathBuf> = self
            .places
            .iter()
            .enumerate()
            .map(|(nth, place)| {
                let copy = ledgers.path().join(nth.to_string());
                std::fs::copy(&place.ledger, &copy).expect("copy a ledger");
                copy
            })
            .collect();
        let receivers: Vec<_> = self
            .places
            .iter()
            .zip(&taken)
            .map(|(place, ledger)| receiver_at(place.address, ledger, &[], Behaviour::default()))
            .collect();
        let started = config().data_dir(data).addresses(self.addresses.0, self.addresses.1).try_start();
        let end = match started {
            Ok(server) => self.watch(&server, &taken, &receivers),
            Err(failure) => {
                let refused_well = failure.status.is_some_and(|status| status.code() == Some(1));
                DamageEnd { lost: None, refused_well, takes_new: false, log: failure.log }
            }
        };
        // Waits for their end, since the next case listens on the same addresses.
        receivers.into_iter().for_each(|receiver| drop(receiver.stop().expect("a receiver's ledger")));
        end
    }

    /// Waits until nothing more arrives, and counts what was lost.
    fn watch(&self, server: &TestServer, taken: &[PathBuf], receivers: &[ReceiverHandle]) -> DamageEnd {
        let sent = self.own.path().join("sent");
        let lost = || taken.iter().map(|ledger| check::compare(&sent, ledger).lost).sum::<u64>();
        let lost = self.settle(server, lost);
        let takes_new = self.takes_new(server, || receivers.iter().map(|r| r.stats().unmarked).sum());
        DamageEnd { lost: Some(lost), refused_well: false, takes_new, log: server.log() }
    }

    /// Waits until nothing is lost, or nothing more will come: the server has
    /// nothing to do, and redrives bring nothing.
    fn settle(&self, server: &TestServer, lost: impl Fn() -> u64) -> u64 {
        let mut rounds = 0;
        let mut before = u64::MAX;
        let mut redriven = None::<Instant>;
        let settled = try_for(ARRIVAL, || {
            let now = lost();
            if now == 0 {
                return Some(0);
            }
            if redriven.is_some_and(|at| at.elapsed() < ROUND) {
                return None;
            }
            rounds = if now == before && is_idle(server) { rounds + 1 } else { 0 };
            if rounds == ROUNDS {
                return Some(now);
            }
            self.redrive(server);
            (before, redriven) = (now, Some(Instant::now()));
            None
        });
        settled.unwrap_or_else(lost)
    }

    /// Dead letters count as delivered if a redrive delivers them.
    fn redrive(&self, server: &TestServer) {
        for subscription in &self.subscriptions {
            let body = json!({"workflow_id": subscription});
            let request = Request::post("/v1/dead-letters/redrive").json(&body);
            // A damaged catalogue may know neither key nor subscription; the ledgers show it.
            request.bearer(&self.customer.key).send(server.public()).ok();
        }
    }

    fn takes_new(&self, server: &TestServer, unmarked: impl Fn() -> u64) -> bool {
        let before = unmarked();
        let request = Request::post("/v1/events").json(&json!({"payload": "new"}));
        let answer = request.bearer(&self.customer.key).send(server.public());
        answer.is_ok_and(|answer| answer.status == 202)
            && try_for(ARRIVAL, || (unmarked() >= before + 2).then_some(())).is_some()
    }
}

/// Whether a server has nothing left to match and nothing left to deliver.
fn is_idle(server: &TestServer) -> bool {
    let Ok(metrics) = Request::get("/metrics").send(server.public()) else { return false };
    let text = metrics.text();
    let none = |name: &str| {
        let mut values = text.lines().filter(|line| line.starts_with(name)).peekable();
        values.peek().is_some() && values.all(|line| line.ends_with(" 0"))
    };
    ["queue_events", "lag_events", "unsettled_events"]
        .iter()
        .all(|name| none(&format!("sluice_processor_{name}")))
}

fn walk(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("list a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { walk(&path, files) } else { files.push(path) }
    }
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("make a directory");
    for entry in std::fs::read_dir(from).expect("list a directory") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("copy a file");
        }
    }
}
