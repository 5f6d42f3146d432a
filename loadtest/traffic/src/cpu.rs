//! Processor time of the current thread.

use std::time::{Duration, Instant};

/// Measures from its first sample to its last, on one thread.
#[derive(Debug, Default)]
pub struct CpuMeter {
    first: Option<(Instant, Duration)>,
    last: Option<(Instant, Duration)>,
}

impl CpuMeter {
    /// Notes the time used so far.
    pub fn sample(&mut self) {
        if let Some(used) = thread_time() {
            let sample = (Instant::now(), used);
            self.first.get_or_insert(sample);
            self.last = Some(sample);
        }
    }

    /// The share of a core that was used; `None` if it cannot be known.
    pub fn cores(&self) -> Option<f64> {
        let ((from, before), (to, after)) = (self.first?, self.last?);
        let wall = to.duration_since(from).as_secs_f64();
        (wall > 0.0).then(|| after.saturating_sub(before).as_secs_f64() / wall)
    }
}

#[cfg(target_os = "linux")]
fn thread_time() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

#[cfg(not(target_os = "linux"))]
fn thread_time() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sample_is_no_measurement() {
        let mut meter = CpuMeter::default();
        assert_eq!(meter.cores(), None);
        meter.sample();
        assert_eq!(meter.cores(), None);
    }
}
