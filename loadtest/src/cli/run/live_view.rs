//! Shows the progress of a run on stderr: two lines that are redrawn on a terminal,
//! elsewhere a line every few seconds.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use clap::ValueEnum;
use sluice_loadtest::sender::LiveCounters;
use sluice_loadtest::watch::TimelinePoint;

/// Points from one line to the next without a terminal.
const PLAIN_EVERY: u32 = 5;
const BAR_CELLS: usize = 40;

/// How progress is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Progress {
    /// Redrawn on a terminal, plain lines elsewhere.
    Auto,
    /// A line a second.
    Plain,
    /// No progress is shown.
    None,
}

/// Shows each point of a run.
#[derive(Debug)]
pub(crate) struct LiveView {
    style: Style,
    warmup: Duration,
    total: Option<Duration>,
    shown: u32,
}

#[derive(Clone, Copy, Debug)]
enum Style {
    Drawn,
    Lines { every: u32 },
    Silent,
}

impl LiveView {
    pub(crate) fn new(progress: Progress, warmup: Duration, total: Option<Duration>) -> Self {
        let style = match progress {
            Progress::Auto if io::stderr().is_terminal() => Style::Drawn,
            Progress::Auto => Style::Lines { every: PLAIN_EVERY },
            Progress::Plain => Style::Lines { every: 1 },
            Progress::None => Style::Silent,
        };
        Self { style, warmup, total, shown: 0 }
    }

    pub(crate) fn show(&mut self, point: &TimelinePoint, counters: &LiveCounters) {
        self.shown += 1;
        let text = match self.style {
            Style::Silent => return,
            Style::Lines { every } if !self.shown.is_multiple_of(every) => return,
            Style::Lines { .. } => format!("{}  {}\n", self.progress(point), rates(point, counters)),
            Style::Drawn => {
                let back = if self.shown > 1 { "\x1b[2A" } else { "" };
                let (progress, rates) = (self.progress(point), rates(point, counters));
                format!("{back}\r\x1b[2K{} {progress}\n\x1b[2K{rates}\n", self.bar(point))
            }
        };
        // If stderr is closed, nobody looks.
        io::stderr().write_all(text.as_bytes()).ok();
    }

    fn bar(&self, point: &TimelinePoint) -> String {
        let Some(total) = self.total else { return String::new() };
        let done = (point.at_s / total.as_secs_f64().max(1e-9)).clamp(0.0, 1.0);
        let full = (done * BAR_CELLS as f64) as usize;
        format!("[{}{}]", "#".repeat(full), ".".repeat(BAR_CELLS - full))
    }

    fn progress(&self, point: &TimelinePoint) -> String {
        let warming = if point.at_s < self.warmup.as_secs_f64() { ", warming up" } else { "" };
        match self.total {
            Some(total) => {
                let left = (total.as_secs_f64() - point.at_s).max(0.0);
                format!("{:.0} s of {:.0} s, {left:.0} s left{warming}", point.at_s, total.as_secs_f64())
            }
            None => format!("{:.0} s{warming}", point.at_s),
        }
    }
}

fn rates(point: &TimelinePoint, counters: &LiveCounters) -> String {
    let ms = |us: u64| us as f64 / 1e3;
    let mut text = format!(
        "{:.0} events/s  {:.0} requests/s  p50 {:.2}  p99 {:.2}  max {:.2} ms",
        point.events_per_s,
        point.requests_per_s,
        ms(point.p50_us),
        ms(point.p99_us),
        ms(point.max_us)
    );
    let happened = [
        ("rejected", counters.events_rejected),
        ("unknown", counters.events_unknown),
        ("failed connects", counters.connect_failures),
    ];
    for (name, count) in happened.into_iter().filter(|(_, count)| *count > 0) {
        text.push_str(&format!("  {count} {name}"));
    }
    if let Some(lag) = point.lag_events {
        text.push_str(&format!("  lag {lag} events"));
    }
    text
}
