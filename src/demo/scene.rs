//! What `sluice demo` shows on the terminal while it runs, and at its end.

use super::SampleEndpoint;
use crate::output::{print, say};
use crate::up::Sluice;
use sluice_ports::{EventStore, WorkQueue};
use sluice_traffic::receiver::ReceiverStats;
use sluice_traffic::sender::{LiveCounters, LiveRun};
use std::io::{IsTerminal, stdout};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often the figures are drawn.
const TICK: Duration = Duration::from_secs(1);
/// How long the end waits for deliveries in flight.
const SETTLE: Duration = Duration::from_secs(10);

/// The running demo, as far as its figures need it.
pub(super) struct Scene {
    pub(super) sluice: Sluice,
    pub(super) endpoints: Vec<SampleEndpoint>,
    pub(super) live: Arc<LiveRun>,
    pub(super) started: Instant,
    pub(super) stop: CancellationToken,
}

impl Scene {
    pub(super) async fn show_until(&self, for_time: Option<Duration>) -> anyhow::Result<()> {
        let end = for_time.map(|time| self.started + time);
        let mut last = (Instant::now(), LiveCounters::default(), 0);
        let mut drawn = 0;
        loop {
            let next = tokio::time::Instant::now() + TICK;
            // Cancel safe: both are waits.
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                () = tokio::time::sleep_until(next) => {}
            }
            let (now, counters) = (Instant::now(), self.live.counters());
            let delivered: u64 = self.stats().iter().map(|stats| stats.events).sum();
            let seconds = (now - last.0).as_secs_f64();
            let rate = |count: u64| count as f64 / seconds;
            let lines = self.lines(
                rate(counters.events_accepted - last.1.events_accepted),
                rate(delivered.saturating_sub(last.2)),
                &counters,
            );
            draw(&lines, &mut drawn)?;
            last = (now, counters, delivered);
            if end.is_some_and(|end| now >= end) {
                return Ok(());
            }
        }
    }

    fn stats(&self) -> Vec<ReceiverStats> {
        self.endpoints.iter().map(|endpoint| endpoint.receiver.stats()).collect()
    }

    fn lines(&self, accepted_rate: f64, delivered_rate: f64, counters: &LiveCounters) -> Vec<String> {
        let latency = self.live.take_recent_latency();
        let waiting = self.sluice.queue().total();
        let mut lines = vec![format!(
            "{:>4.0} s  accepted {:>8} ({accepted_rate:>6.0}/s, p50 {:.1} ms, p99 {:.1} ms to 202)   delivered {delivered_rate:>6.0}/s   retrying {:>5} events   dead letters {:>4}",
            self.started.elapsed().as_secs_f64(),
            counters.events_accepted,
            latency.p50 as f64 / 1000.0,
            latency.p99 as f64 / 1000.0,
            waiting.events,
            self.sluice.events().dead_letter_count(),
        )];
        for (endpoint, stats) in self.endpoints.iter().zip(self.stats()) {
            let taken = match stats.deliveries {
                0 => "nothing taken".to_owned(),
                taken => format!(
                    "{:>8} events in {taken:>6} webhooks ({:>5.1} each), p99 {:>6.1} ms from event to receipt",
                    stats.events,
                    stats.events as f64 / taken as f64,
                    stats.latency_us.p99 as f64 / 1000.0,
                ),
            };
            lines.push(format!(
                "        {:<14} {:>5} refused, {taken}",
                endpoint.title, stats.deliveries_refused
            ));
        }
        lines
    }

    /// Waits for deliveries in flight, prints the sums, and ends the pipeline.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        let accepted = self.live.counters().events_accepted;
        let done = async {
            // A delivery that moves from one place to the other is in neither: look twice.
            let mut looks = 0;
            while looks < 2 {
                looks = if self.is_settled() { looks + 1 } else { 0 };
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let settled = tokio::time::timeout(SETTLE, done).await.is_ok();
        let told = self.sum_up(accepted, settled);
        self.sluice.stop().await?;
        told
    }

    /// Whether nothing is on its way to an endpoint, and nothing waits for a retry.
    fn is_settled(&self) -> bool {
        self.sluice.unsettled() == 0 && self.sluice.queue().total().events == 0
    }

    fn sum_up(&self, accepted: u64, settled: bool) -> anyhow::Result<()> {
        let stats = self.stats();
        let sum = |count: fn(&ReceiverStats) -> u64| stats.iter().map(count).sum::<u64>();
        say!(
            "\n{accepted} events accepted; {} delivered in {} webhooks, {} attempts refused, {} duplicates, {} dead letters{}.",
            sum(|s| s.events),
            sum(|s| s.deliveries),
            sum(|s| s.deliveries_refused),
            sum(|s| s.duplicates_same_delivery + s.duplicates_other_delivery),
            self.sluice.events().dead_letter_count(),
            if settled { "" } else { "; some are still waiting for their retry" },
        )?;
        say!("Next: `sluice up --help`, and the README's first webhook with curl.")
    }
}

/// On a terminal, draws over the lines drawn before; elsewhere prints a line a second.
fn draw(lines: &[String], drawn: &mut usize) -> anyhow::Result<()> {
    let mut text = String::new();
    let clear = if stdout().is_terminal() {
        if *drawn > 0 {
            text += &format!("\x1b[{drawn}A");
        }
        *drawn = lines.len();
        "\x1b[2K"
    } else {
        ""
    };
    for line in lines {
        text += clear;
        text += line;
        text.push('\n');
    }
    print(&text)
}
