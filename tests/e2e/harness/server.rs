//! The server under test: a process that can be stopped, killed and brought back.

use super::http::{HttpAnswer, Request};
use super::{directory, ports, wait::try_for};
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, TryRecvError};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_sluice");
pub(crate) const ADMIN_TOKEN: &str = "the-admin-token-of-a-test";
/// How long a start may take: it recovers after a crash, perhaps on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// Lines of the server's log that a failed test shows.
const LOG_LINES: usize = 150;

/// How a server is started.
#[derive(Debug, Clone)]
pub(crate) struct ServerConfig {
    /// Flags beside those that every server has.
    flags: Vec<String>,
    /// Further settings, in the environment.
    env: Vec<(String, String)>,
    private_webhooks: bool,
    admin_token: bool,
    data_dir: Option<PathBuf>,
    addresses: Option<(SocketAddr, SocketAddr)>,
    /// A shell command that runs in the server's process before the binary does.
    shell: Option<String>,
}

impl Default for ServerConfig {
    /// Small segments, so that tests cross their borders and use little disk.
    fn default() -> Self {
        Self {
            flags: Vec::new(),
            env: Vec::new(),
            private_webhooks: true,
            admin_token: true,
            data_dir: None,
            addresses: None,
            shell: None,
        }
        .env("SLUICE_ENGINE__LOG_SEGMENT_BYTES", 4 << 20)
        .env("SLUICE_ENGINE__STATE_SEGMENT_BYTES", 2 << 20)
    }
}

impl ServerConfig {
    /// Sets a variable of the server's environment.
    #[expect(clippy::needless_pass_by_value, reason = "values are usually numbers")]
    pub(crate) fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a flag.
    pub(crate) fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    /// Whether webhooks may go to this machine.
    pub(crate) fn private_webhooks(mut self, allowed: bool) -> Self {
        self.private_webhooks = allowed;
        self
    }

    /// Lets the server make its admin token.
    pub(crate) fn make_admin_token(mut self) -> Self {
        self.admin_token = false;
        self
    }

    /// A data directory that outlives the server.
    pub(crate) fn data_dir(mut self, path: &Path) -> Self {
        self.data_dir = Some(path.to_owned());
        self
    }

    /// Public and admin address; free ones unless given.
    pub(crate) fn addresses(mut self, public: SocketAddr, admin: SocketAddr) -> Self {
        self.addresses = Some((public, admin));
        self
    }

    /// A shell command that runs in the server's process before the binary
    /// does, such as `umask 000`.
    pub(crate) fn shell(mut self, command: &str) -> Self {
        self.shell = Some(command.to_owned());
        self
    }

    #[track_caller]
    pub(crate) fn start(self) -> TestServer {
        match self.try_start() {
            Ok(server) => server,
            Err(failure) => panic!("the server did not start: {failure:?}"),
        }
    }

    pub(crate) fn try_start(self) -> Result<TestServer, StartFailure> {
        let own = directory();
        let data_dir = self.data_dir.clone().unwrap_or_else(|| own.path().join("data"));
        let (public, admin) =
            self.addresses.unwrap_or_else(|| (ports::reserved_address(), ports::reserved_address()));
        let log = own.path().join("log");
        let mut server = TestServer {
            config: self,
            data_dir,
            public,
            admin,
            log,
            child: None,
            output: Arc::default(),
            own,
        };
        server.try_restart()?;
        Ok(server)
    }
}

/// A server that ended before it was ready.
#[derive(Debug)]
pub(crate) struct StartFailure {
    /// `None` if it neither ended nor became ready in time.
    pub(crate) status: Option<ExitStatus>,
    /// Its stderr.
    pub(crate) log: String,
}

/// A running (or killed) server; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct TestServer {
    config: ServerConfig,
    data_dir: PathBuf,
    public: SocketAddr,
    admin: SocketAddr,
    log: PathBuf,
    child: Option<Child>,
    /// The lines that it wrote to stdout, over all its lives.
    output: Arc<Mutex<Vec<String>>>,
    own: TempDir,
}

impl TestServer {
    #[track_caller]
    pub(crate) fn start() -> Self {
        ServerConfig::default().start()
    }

    pub(crate) fn public(&self) -> SocketAddr {
        self.public
    }

    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.public)
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// A directory beside the data, removed with the server.
    pub(crate) fn scratch(&self) -> &Path {
        self.own.path()
    }

    /// Its output on stderr, over all its lives.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The lines that it has written to stdout, over all its lives.
    pub(crate) fn output(&self) -> Vec<String> {
        self.output.lock().unwrap().clone()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// Sends a request to the admin API.
    #[track_caller]
    pub(crate) fn admin_call(&self, request: Request, status: u16) -> Value {
        let answer: HttpAnswer = request.bearer(&self.admin_token()).expect(self.admin, status);
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    /// The admin token that was given to the server, or that it made.
    fn admin_token(&self) -> String {
        if self.config.admin_token {
            return ADMIN_TOKEN.to_owned();
        }
        let token = std::fs::read_to_string(self.data_dir.join("admin-token")).expect("the admin token");
        token.trim().to_owned()
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("kill the server");
            child.wait().expect("wait for the killed server");
        }
    }

    /// Sends SIGTERM.
    pub(crate) fn ask_to_stop(&self) {
        self.signal("-TERM");
    }

    /// Sends SIGHUP.
    pub(crate) fn hang_up(&self) {
        self.signal("-HUP");
    }

    /// Stops it at once (SIGSTOP), as a snapshot would see it, until [`Self::thaw`].
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
        let stat = format!("/proc/{}/stat", self.pid());
        super::wait_until("the server stands still", || {
            std::fs::read_to_string(&stat).expect("the server's state").contains(") T ")
        });
    }

    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.pid().to_string()]).status();
        assert!(sent.expect("run kill").success(), "the server does not run");
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the server runs");
        match try_for(STOP_LIMIT, || child.try_wait().expect("look at the server")) {
            Some(status) => status,
            None => {
                child.kill().expect("kill the server");
                child.wait().expect("wait for the killed server");
                panic!("the server did not stop in {STOP_LIMIT:?}");
            }
        }
    }

    /// Sends SIGTERM; the server must end with status 0.
    #[track_caller]
    pub(crate) fn terminate(&mut self) {
        self.ask_to_stop();
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "after SIGTERM");
    }

    /// Starts it again on the same addresses and data.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        if let Err(failure) = self.try_restart() {
            panic!("the server did not start again: {failure:?}");
        }
    }

    /// Starts it again with another configuration.
    #[track_caller]
    pub(crate) fn restart_with(&mut self, change: impl FnOnce(ServerConfig) -> ServerConfig) {
        self.config = change(self.config.clone());
        self.restart();
    }

    fn try_restart(&mut self) -> Result<(), StartFailure> {
        assert!(self.child.is_none(), "the server runs");
        let written = self.log().len();
        let mut child = self.command().spawn().expect("start the binary");
        let stdout = child.stdout.take().expect("its output is piped");
        let (ready, is_ready) = mpsc::channel();
        // Ends with the process.
        let output = Arc::clone(&self.output);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if line.starts_with("ready http") && ready.send(()).is_err() {
                    return;
                }
                output.lock().unwrap().push(line);
            }
        });
        let told = try_for(START_LIMIT, || match is_ready.try_recv() {
            Err(TryRecvError::Empty) => None,
            told => Some(told),
        });
        if matches!(told, Some(Ok(()))) {
            self.child = Some(child);
            return Ok(());
        }
        // Its output is closed: it has ended, or it hangs.
        let status = try_for(Duration::from_secs(5), || child.try_wait().expect("look at the server"));
        if status.is_none() {
            child.kill().expect("kill the server");
            child.wait().expect("wait for the killed server");
        }
        Err(StartFailure { status, log: self.log().split_off(written) })
    }

    fn command(&self) -> Command {
        let mut command = match &self.config.shell {
            None => binary(),
            Some(shell) => {
                let mut command = without_settings(Command::new("sh"));
                command.arg("-c").arg(format!("{shell}; exec \"$0\" \"$@\"")).arg(BINARY);
                command
            }
        };
        command.arg("up").arg("--data-dir").arg(&self.data_dir);
        command.arg("--listen").arg(self.public.to_string());
        command.arg("--admin-listen").arg(self.admin.to_string());
        command.args(&self.config.flags);
        if self.config.private_webhooks {
            command.arg("--allow-private-webhooks");
        }
        if self.config.admin_token {
            command.env("SLUICE_ADMIN_TOKEN", ADMIN_TOKEN);
        }
        command.envs(self.config.env.iter().map(|(name, value)| (name, value)));
        let log: File =
            OpenOptions::new().create(true).append(true).open(&self.log).expect("the server's log");
        command.stdout(Stdio::piped()).stderr(log).stdin(Stdio::null());
        command
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // The process may have ended already.
            child.kill().ok();
            child.wait().ok();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
            eprintln!("--- the server's log, its last lines\n{last}\n---");
        }
    }
}

/// The binary, without this process's settings.
pub(crate) fn binary() -> Command {
    without_settings(Command::new(BINARY))
}

fn without_settings(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SLUICE_") {
            command.env_remove(name);
        }
    }
    command
}
