//! The server under test: a child process that can be killed, stopped,
//! continued and brought back on the same addresses and data.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::error::ChaosError;
use crate::fetch::fetch;

/// How long a start may take, with the recovery after a crash.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long an orderly end may take.
const STOP_LIMIT: Duration = Duration::from_secs(30);
const CALL_LIMIT: Duration = Duration::from_secs(20);
const LOOK_PERIOD: Duration = Duration::from_millis(20);
/// A customer's rate limit: the highest that the server takes.
const RATE_LIMIT: u64 = 10_000_000;

/// How the server is started, at first and after each kill.
#[derive(Clone, Debug)]
pub(super) struct ServerPlan {
    pub(super) binary: PathBuf,
    pub(super) data: PathBuf,
    pub(super) log: PathBuf,
    pub(super) environment: BTreeMap<String, String>,
}

/// A server process; it is killed when this is dropped.
pub(super) struct ScenarioServer {
    plan: ServerPlan,
    token: String,
    public: SocketAddr,
    admin: SocketAddr,
    child: Child,
}

/// Without its secrets.
impl std::fmt::Debug for ScenarioServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScenarioServer").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl ScenarioServer {
    /// Starts the server on free ports; returns once it is ready.
    pub(super) async fn start(plan: ServerPlan) -> Result<Self, ChaosError> {
        let (public, admin) = free_addresses().map_err(ChaosError::Address)?;
        let token = format!("chaos-{:016x}", crate::fresh_id());
        let child = spawn(&plan, public, admin, &token)?;
        let mut server = Self { plan, token, public, admin, child };
        server.wait_until_ready().await?;
        Ok(server)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.public)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the server as a crash does (SIGKILL).
    pub(super) fn kill(&mut self) -> Result<(), ChaosError> {
        self.child.kill().and_then(|()| self.child.wait()).map(|_| ()).map_err(ChaosError::Signal)
    }

    /// Starts the server again after [`kill`](Self::kill).
    pub(super) async fn restart(&mut self) -> Result<(), ChaosError> {
        self.child = spawn(&self.plan, self.public, self.admin, &self.token)?;
        self.wait_until_ready().await
    }

    /// Pauses every thread of the server (SIGSTOP), or lets them go on (SIGCONT).
    pub(super) fn pause(&self, paused: bool) -> Result<(), ChaosError> {
        self.signal(if paused { Signal::STOP } else { Signal::CONT })
    }

    fn signal(&self, signal: Signal) -> Result<(), ChaosError> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| ChaosError::Signal(io::ErrorKind::NotFound.into()))?;
        kill_process(pid, signal).map_err(|error| ChaosError::Signal(error.into()))
    }

    /// Returns true if the process has ended without being told to.
    pub(super) fn has_died(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Stops the server with SIGTERM; returns true if it ended well and in time.
    pub(super) async fn stop(mut self) -> Result<bool, ChaosError> {
        self.signal(Signal::TERM)?;
        let started = Instant::now();
        while started.elapsed() < STOP_LIMIT {
            if let Some(status) = self.child.try_wait().map_err(ChaosError::Signal)? {
                return Ok(status.success());
            }
            tokio::time::sleep(LOOK_PERIOD).await;
        }
        Ok(false)
    }

    async fn wait_until_ready(&mut self) -> Result<(), ChaosError> {
        let (started, url) = (Instant::now(), format!("{}/readyz", self.url()));
        while started.elapsed() < START_LIMIT {
            if fetch("GET", &url, &[], Vec::new(), CALL_LIMIT).await.is_ok_and(|answer| answer.status == 200)
            {
                return Ok(());
            }
            if self.has_died() {
                break;
            }
            tokio::time::sleep(LOOK_PERIOD).await;
        }
        let log = std::fs::read_to_string(&self.plan.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(5).collect();
        Err(ChaosError::NotReady(lines.into_iter().rev().collect::<Vec<_>>().join("\n")))
    }

    /// Makes a customer whose rate limit is out of reach; returns its key.
    pub(super) async fn customer(&self, name: &str) -> Result<String, ChaosError> {
        let admin = format!("http://{}/admin/customers", self.admin);
        let body = json!({"name": name, "rate_limit_per_second": RATE_LIMIT});
        let customer = call(&admin, &self.token, &body).await?;
        let id = customer["customer_id"].as_str().unwrap_or_default();
        let key = call(&format!("{admin}/{id}/keys"), &self.token, &json!({})).await?;
        Ok(key["api_key"].as_str().unwrap_or_default().to_owned())
    }

    /// Subscribes a customer's webhook to everything.
    pub(super) async fn subscribe(
        &self,
        key: &str,
        webhook_url: &str,
        ordered: bool,
        max_events: usize,
    ) -> Result<(), ChaosError> {
        let body = json!({
            "event_selector": {"type": "event_type", "value": "*"},
            "webhook_url": webhook_url,
            "ordered": ordered,
            "batch": {"max_events": max_events, "max_wait_ms": 20},
            // Broken receivers are restored within the run: retry until then.
            "retry": {"max_retries": 100, "max_delay_s": 1},
        });
        call(&format!("{}/v1/subscriptions", self.url()), key, &body).await.map(|_| ())
    }
}

impl Drop for ScenarioServer {
    fn drop(&mut self) {
        // A paused process takes no other signal than SIGKILL. Both calls fail if
        // the process has ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

async fn call(url: &str, token: &str, body: &Value) -> Result<Value, ChaosError> {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let answer = fetch("POST", url, &headers, body.to_string().into_bytes(), CALL_LIMIT).await?;
    if answer.status != 201 {
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        return Err(ChaosError::Refused { url: url.to_owned(), status: answer.status, said });
    }
    serde_json::from_slice(&answer.body).map_err(|_why| ChaosError::Refused {
        url: url.to_owned(),
        status: answer.status,
        said: "an answer that is not JSON".into(),
    })
}

fn spawn(plan: &ServerPlan, public: SocketAddr, admin: SocketAddr, token: &str) -> Result<Child, ChaosError> {
    let failed = |source| ChaosError::Server(plan.binary.clone(), source);
    let log = OpenOptions::new().create(true).append(true).open(&plan.log).map_err(failed)?;
    let mut command = Command::new(&plan.binary);
    command.arg("up").arg("--data-dir").arg(&plan.data).arg("--allow-private-webhooks");
    command.arg("--listen").arg(public.to_string()).arg("--admin-listen").arg(admin.to_string());
    command.env("SLUICE_ADMIN_TOKEN", token).envs(&plan.environment);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().map_err(failed)
}

/// Two addresses that nobody listens on at the moment.
fn free_addresses() -> io::Result<(SocketAddr, SocketAddr)> {
    let bind = || TcpListener::bind("127.0.0.1:0");
    let (first, second) = (bind()?, bind()?);
    Ok((first.local_addr()?, second.local_addr()?))
}

/// The server's binary beside this program; `None` if there is none.
pub fn beside_this_program() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    program.parent().map(|directory| directory.join("sluice")).filter(|path: &PathBuf| Path::exists(path))
}
