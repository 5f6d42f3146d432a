//! Writes a run's result as text.

use std::fmt::Write as _;

use super::{LoopKind, RunReport};
use crate::process::ProcessUse;

impl LoopKind {
    fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Replay => "replay",
        }
    }
}

impl RunReport {
    /// The result for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.write_text(&mut text).expect("writing to a String does not fail");
        text
    }

    fn write_text(&self, text: &mut String) -> std::fmt::Result {
        let m = &self.measured;
        write!(
            text,
            "run {} (seed {}) to {}: {} loop, {} on {} connections",
            self.run,
            self.seed,
            self.url,
            self.loop_kind.name(),
            self.protocol,
            self.connections
        )?;
        // A replay has events of any size and number.
        if self.batch > 0 {
            let customers = self.keys.max(1);
            write!(
                text,
                ", {} events a request of {} bytes, {customers} customers",
                self.batch, self.event_bytes
            )?;
        }
        writeln!(text)?;
        writeln!(
            text,
            "{:.0} events/s accepted, {:.0} requests/s, {:.1} MB/s over {:.1} s",
            self.events_per_s,
            self.requests_per_s,
            self.bytes_per_s / 1e6,
            self.measured_s
        )?;
        writeln!(
            text,
            "events: {} accepted, {} rejected, {} unknown; {} requests due but never sent",
            m.events_accepted, m.events_rejected, m.events_unknown, self.unsent_requests
        )?;
        writeln!(text, "latency:      {}", self.latency_us.line())?;
        writeln!(text, "service time: {}", self.service_time_us.line())?;
        for (status, latency) in
            self.latency_by_status_us.iter().filter(|_| self.latency_by_status_us.len() > 1)
        {
            writeln!(text, "  status {status}: {}", latency.line())?;
        }
        if self.loop_kind == LoopKind::Open {
            writeln!(text, "of which the generator was late: {}", self.generator_lag_us.line())?;
        }
        write!(text, "answers:")?;
        self.answers.iter().try_for_each(|(status, count)| write!(text, " {status}×{count}"))?;
        let w = &self.whole_run;
        writeln!(
            text,
            "; {} unanswered; {} connects, {} failed, {} lost, {} closed while idle, {} timeouts, {} retries",
            w.requests_unanswered,
            w.connects,
            w.connect_failures,
            w.connections_lost,
            w.connections_closed_idle,
            w.timeouts,
            w.retries
        )?;
        if w.bad_requests > 0 {
            writeln!(
                text,
                "bad requests: {}, of which {} were taken, {} had no definite answer",
                w.bad_requests, w.bad_accepted, w.bad_unknown
            )?;
        }
        if w.repeats > 0 {
            writeln!(
                text,
                "repeated requests: {}, of which {} were not answered as the first time",
                w.repeats, w.repeats_answered_otherwise
            )?;
        }
        if let Some(cores) = self.generator_cores {
            writeln!(text, "the generator itself used {cores:.2} cores")?;
        }
        if let Some(ProcessUse { pid, cores, memory_bytes_max }) = self.watched {
            let mib = memory_bytes_max as f64 / f64::from(1 << 20);
            writeln!(text, "process {pid} used {cores:.2} cores and at most {mib:.1} MiB")?;
        }
        for excerpt in &self.excerpts {
            writeln!(text, "first {}: {}", excerpt.status, excerpt.body)?;
        }
        self.first_failure.iter().try_for_each(|failure| writeln!(text, "first failure: {failure}"))?;
        self.warnings.iter().try_for_each(|warning| writeln!(text, "warning: {warning}"))
    }
}
