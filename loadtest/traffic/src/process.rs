//! Processor time and memory of another process on this machine, usually the server.

use std::fs;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Processor time and memory of a process while it was measured.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct ProcessUse {
    /// Its id.
    pub pid: u32,
    /// Processor time, in cores (1.0 is one core).
    pub cores: f64,
    /// Largest resident memory seen, in bytes.
    pub memory_bytes_max: u64,
}

/// Watches a process by `/proc`; sees nothing on other systems.
#[derive(Debug)]
pub(crate) struct ProcessMeter {
    pid: u32,
    first: Option<(Instant, Duration)>,
    last: Option<(Instant, Duration)>,
    memory_bytes_max: u64,
}

impl ProcessMeter {
    pub(crate) fn new(pid: u32) -> Self {
        Self { pid, first: None, last: None, memory_bytes_max: 0 }
    }

    /// Reads the process's figures; if it is gone, the last figures stay.
    pub(crate) fn sample(&mut self) {
        if let Some(used) = self.read("stat").as_deref().and_then(processor_time) {
            let sample = (Instant::now(), used);
            self.first.get_or_insert(sample);
            self.last = Some(sample);
        }
        if let Some(memory) = self.read("status").as_deref().and_then(resident_bytes) {
            self.memory_bytes_max = self.memory_bytes_max.max(memory);
        }
    }

    pub(crate) fn figures(&self) -> Option<ProcessUse> {
        let ((from, before), (to, after)) = (self.first?, self.last?);
        let wall = to.duration_since(from).as_secs_f64();
        let cores = after.saturating_sub(before).as_secs_f64() / wall;
        let Self { pid, memory_bytes_max, .. } = *self;
        (wall > 0.0).then_some(ProcessUse { pid, cores, memory_bytes_max })
    }

    fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(format!("/proc/{}/{file}", self.pid)).ok()
    }
}

/// User and system time from `/proc/PID/stat` (proc(5): fields 14 and 15, in
/// ticks of which Linux shows 100 a second on every common architecture).
fn processor_time(stat: &str) -> Option<Duration> {
    // The name in field 2 may have spaces and parentheses of its own.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "12 (a ) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0";
        assert_eq!(processor_time(stat), Some(Duration::from_secs(3)));
        assert_eq!(processor_time("12 (a) S 1"), None);
    }

    #[test]
    fn memory_is_in_bytes() {
        assert_eq!(resident_bytes("VmPeak:\t 9 kB\nVmRSS:\t    2048 kB\n"), Some(2 << 20));
        assert_eq!(resident_bytes("Name: x\n"), None);
    }

    #[test]
    fn a_process_that_is_not_there_has_no_figures() {
        let mut meter = ProcessMeter::new(u32::MAX);
        meter.sample();
        assert_eq!(meter.figures(), None);
    }
}
