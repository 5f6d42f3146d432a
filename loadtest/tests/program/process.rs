//! The program under test, as a child process.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice-loadtest"));
    command.args(arguments).stdin(Stdio::null());
    command
}

pub(crate) fn output(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the command runs")
}

pub(crate) fn json(output: &Output) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    serde_json::from_slice(&output.stdout).expect("one line of JSON")
}

/// A server command that is ended with the test.
pub(crate) struct ProgramServer {
    child: Child,
    pub(crate) url: String,
}

impl ProgramServer {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = command(arguments).stdout(Stdio::piped()).spawn().expect("the server starts");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("a pipe");
        // Read byte by byte, to leave what follows the line in the pipe.
        while !line.ends_with('\n') {
            let mut byte = [0];
            stdout.read_exact(&mut byte).expect("the ready line");
            line.push(char::from(byte[0]));
        }
        let url = line.trim().strip_prefix("ready ").expect("the ready line").to_owned();
        Self { child, url }
    }

    /// Ends it as Ctrl-C does; its last line.
    pub(crate) fn interrupt(mut self) -> String {
        let pid = self.child.id().to_string();
        let killed = Command::new("kill").args(["-INT", &pid]).status().expect("kill runs");
        assert!(killed.success());
        let stdout = self.child.stdout.take().expect("a pipe");
        let last = BufReader::new(stdout).lines().last();
        assert!(self.child.wait().expect("it ends").success());
        last.map_or_else(String::new, |line| line.expect("text"))
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("it ends");
    }
}

impl Drop for ProgramServer {
    fn drop(&mut self) {
        // Both fail if it has ended, which is what is wanted.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
