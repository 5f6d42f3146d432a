//! Writes every single result as a line of a CSV file, for other tools.
//!
//! | column | content |
//! |---|---|
//! | `due_us` | when the request was due, from the run's start |
//! | `latency_us` | from then to the answer's end, or to when it was given up |
//! | `service_us` | from when it was written; empty if it never was |
//! | `status` | HTTP status; empty if there was no answer |
//! | `outcome` | `acknowledged`, `refused`, `unknown`, `unanswered` or `unsent` |
//! | `events`, `bytes` | events and bytes of the request |
//! | `sender`, `customer` | which sender sent it and for which customer, from 0 |

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use thiserror::Error;

use super::outcome::RequestOutcome;
use super::tally::RequestDone;

const HEADER: &[u8] = b"due_us,latency_us,service_us,status,outcome,events,bytes,sender,customer\n";

/// The file of single results cannot be written.
#[derive(Debug, Error)]
#[error("writing {}", path.display())]
pub struct RawError {
    path: PathBuf,
    source: io::Error,
}

/// Appends lines to the file.
#[derive(Debug)]
pub(super) struct RawWriter {
    file: File,
    path: PathBuf,
}

impl RawWriter {
    /// Makes the file anew.
    pub(super) fn create(path: &Path) -> Result<Self, RawError> {
        let failed = |source| RawError { path: path.to_owned(), source };
        let mut file = File::create(path).map_err(failed)?;
        file.write_all(HEADER).map_err(failed)?;
        Ok(Self { file, path: path.to_owned() })
    }

    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), RawError> {
        self.file.write_all(lines).map_err(|source| RawError { path: self.path.clone(), source })
    }
}

/// Lines of one worker that are not written yet.
#[derive(Debug, Default)]
pub(super) struct RawLines(Vec<u8>);

/// Lines are written once they have this many bytes.
const LINES_BYTES: usize = 1 << 20;

impl RawLines {
    /// Adds a request with an outcome; returns true if the lines should be written now.
    pub(super) fn done(
        &mut self,
        started: Instant,
        done: &RequestDone,
        sender: usize,
        customer: usize,
    ) -> bool {
        let micros = |from: Instant, to: Instant| to.saturating_duration_since(from).as_micros() as u64;
        let outcome = match done.outcome {
            RequestOutcome::Acknowledged(_) => "acknowledged",
            RequestOutcome::Refused => "refused",
            RequestOutcome::Unknown => "unknown",
            RequestOutcome::Unanswered => "unanswered",
        };
        self.number(Some(micros(started, done.due)));
        self.number(Some(micros(done.due, done.ended)));
        self.number(done.sent.map(|sent| micros(sent, done.ended)));
        self.number(done.status.map(u64::from));
        self.text(outcome);
        self.number(Some(done.batch as u64));
        self.number(Some(done.request_bytes as u64));
        self.number(Some(sender as u64));
        self.number(Some(customer as u64));
        self.end_line();
        self.0.len() >= LINES_BYTES
    }

    /// Adds a request that was due `due` after the start and never taken up.
    pub(super) fn unsent(&mut self, due: Duration, waited: Duration) {
        self.number(Some(due.as_micros() as u64));
        self.number(Some(waited.as_micros() as u64));
        self.0.extend_from_slice(b",,unsent,,,,");
        self.0.push(b'\n');
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }

    fn number(&mut self, number: Option<u64>) {
        if let Some(number) = number {
            self.0.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        }
        self.0.push(b',');
    }

    fn text(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b',');
    }

    fn end_line(&mut self) {
        if let Some(last) = self.0.last_mut() {
            *last = b'\n';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_result_is_a_line_with_all_columns() {
        let started = Instant::now();
        let due = started + Duration::from_millis(5);
        let answered = RequestDone {
            due,
            sent: Some(due),
            ended: due + Duration::from_micros(70),
            outcome: RequestOutcome::Refused,
            status: Some(429),
            batch: 3,
            request_bytes: 500,
        };
        let mut lines = RawLines::default();
        assert!(!lines.done(started, &answered, 2, 1));
        let lost = RequestDone { sent: None, outcome: RequestOutcome::Unanswered, status: None, ..answered };
        lines.done(started, &lost, 0, 0);
        lines.unsent(Duration::from_micros(9), Duration::from_micros(8));
        let text = String::from_utf8([HEADER, &lines.take()].concat()).expect("text");
        let lines: Vec<_> = text.lines().skip(1).collect();
        let expected =
            ["5000,70,70,429,refused,3,500,2,1", "5000,70,,,unanswered,3,500,0,0", "9,8,,,unsent,,,,"];
        assert_eq!(lines, expected);
        assert!(text.lines().all(|line| line.matches(',').count() == 8), "{text}");
    }
}
