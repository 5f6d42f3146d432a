//! Watches a run: once a second it notes what the client sees, how many events
//! the receiver has and what the server's own metrics say.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::fetch::fetch_with;
use crate::prometheus;
use crate::sender::{LiveCounters, LiveRun};
use crate::tls::TlsSettings;

/// Most points kept; when there are more, each two are merged.
const POINTS_MAX: usize = 1200;
/// How long to wait for figures of the server or the receiver; after that the point
/// lacks them.
const FETCH_LIMIT: Duration = Duration::from_secs(1);
/// The last point is left out if it would be shorter than this.
const LAST_MIN: Duration = Duration::from_millis(50);

/// The servers to ask for figures, beside the sender's own.
#[derive(Clone, Debug)]
pub struct WatchConfig {
    /// How servers are trusted.
    pub tls: TlsSettings,
    /// The server's metrics, `http://host:port/metrics`.
    pub scrape: Option<String>,
    /// A receiver of this program, `http://host:port`.
    pub receiver: Option<String>,
    /// How long each point is.
    pub period: Duration,
}

/// One point: a stretch of a run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct TimelinePoint {
    /// Its end, from the start of the run, in seconds.
    pub at_s: f64,
    /// Its length in seconds.
    pub seconds: f64,
    /// Requests with an outcome, per second.
    pub requests_per_s: f64,
    /// Events accepted, per second.
    pub events_per_s: f64,
    /// Events refused, per second.
    pub rejected_per_s: f64,
    /// Events without a definite answer, per second.
    pub unknown_per_s: f64,
    /// Median latency, µs.
    pub p50_us: u64,
    /// 99th percentile, µs.
    pub p99_us: u64,
    /// Largest latency, µs.
    pub max_us: u64,
    /// Distinct events that the receiver has taken since it started.
    pub received: Option<u64>,
    /// Events accepted and not yet received.
    pub lag_events: Option<i64>,
}

/// A run over time.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Timeline {
    /// The points, in order of time.
    pub points: Vec<TimelinePoint>,
    /// The server's metrics at the end of each point, summed over labels.
    pub server: BTreeMap<String, Vec<Option<f64>>>,
    /// Why the server's metrics could not be read, the first time.
    pub server_error: Option<String>,
}

/// Looks once a period until `stop`, showing each point as it is made.
pub async fn watch(
    live: &LiveRun,
    config: &WatchConfig,
    stop: CancellationToken,
    mut show: impl FnMut(&TimelinePoint, &LiveCounters),
) -> Timeline {
    let started = Instant::now();
    let received_before = received(config).await.unwrap_or(0);
    let (mut timeline, mut last) = (Timeline::default(), (Duration::ZERO, LiveCounters::default()));
    let mut ticks = tokio::time::interval_at((started + config.period).into(), config.period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        // Both are waits: cancelling one loses nothing.
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => {}
        }
        let (now, counters) = (started.elapsed(), live.counters());
        if !stop.is_cancelled() || now - last.0 >= LAST_MIN {
            let mut point = point(live, now, &counters, last);
            point.received = received(config).await.map(|events| events.saturating_sub(received_before));
            point.lag_events = point.received.map(|events| counters.events_accepted as i64 - events as i64);
            show(&point, &counters);
            timeline.points.push(point);
            timeline.scrape(config).await;
            timeline.thin();
            last = (now, counters);
        }
        if stop.is_cancelled() {
            return timeline;
        }
    }
}

fn point(
    live: &LiveRun,
    now: Duration,
    counters: &LiveCounters,
    last: (Duration, LiveCounters),
) -> TimelinePoint {
    let seconds = (now - last.0).as_secs_f64();
    let per_s = |count: fn(&LiveCounters) -> u64| (count(counters) - count(&last.1)) as f64 / seconds;
    let latency = live.take_recent_latency();
    TimelinePoint {
        at_s: now.as_secs_f64(),
        seconds,
        requests_per_s: per_s(|counters| counters.requests),
        events_per_s: per_s(|counters| counters.events_accepted),
        rejected_per_s: per_s(|counters| counters.events_rejected),
        unknown_per_s: per_s(|counters| counters.events_unknown),
        p50_us: latency.p50,
        p99_us: latency.p99,
        max_us: latency.max,
        received: None,
        lag_events: None,
    }
}

/// How many events the receiver has taken; `None` without a receiver, or if it
/// does not answer.
async fn received(config: &WatchConfig) -> Option<u64> {
    receiver_stats(&config.tls, config.receiver.as_deref()?).await?.get("events")?.as_u64()
}

/// The figures of a receiver of this program; `None` if it does not answer.
pub async fn receiver_stats(tls: &TlsSettings, url: &str) -> Option<Value> {
    let url = format!("{}/stats", url.trim_end_matches('/'));
    let stats = fetch_with(tls, "GET", &url, &[], Vec::new(), FETCH_LIMIT).await.ok()?;
    serde_json::from_slice(&stats.body).ok()
}

impl Timeline {
    async fn scrape(&mut self, config: &WatchConfig) {
        let Some(url) = &config.scrape else { return };
        let scraped = match fetch_with(&config.tls, "GET", url, &[], Vec::new(), FETCH_LIMIT).await {
            Ok(answer) if answer.status == 200 => {
                Ok(prometheus::parse(&String::from_utf8_lossy(&answer.body)))
            }
            Ok(answer) => Err(format!("{url} answered {}", answer.status)),
            Err(error) => Err(crate::chain(&error)),
        };
        let points = self.points.len();
        match scraped {
            Ok(sums) => {
                for (name, value) in sums {
                    let series = self.server.entry(name).or_default();
                    series.resize(points - 1, None);
                    series.push(Some(value));
                }
            }
            Err(error) => {
                self.server_error.get_or_insert(error);
            }
        }
        self.server.values_mut().for_each(|series| series.resize(points, None));
    }

    /// Merges each two points when there are many: rates are averaged, and the worse of
    /// two percentiles is kept.
    fn thin(&mut self) {
        if self.points.len() < POINTS_MAX {
            return;
        }
        self.points = self.points.chunks(2).filter_map(merge).collect();
        for series in self.server.values_mut() {
            *series = series.chunks(2).map(|pair| pair.last().copied().flatten()).collect();
        }
    }
}

fn merge(pair: &[TimelinePoint]) -> Option<TimelinePoint> {
    let (first, last) = (pair.first()?, pair.last()?);
    if pair.len() < 2 {
        return Some(last.clone());
    }
    let seconds = first.seconds + last.seconds;
    let mean =
        |rate: fn(&TimelinePoint) -> f64| (rate(first) * first.seconds + rate(last) * last.seconds) / seconds;
    Some(TimelinePoint {
        seconds,
        requests_per_s: mean(|point| point.requests_per_s),
        events_per_s: mean(|point| point.events_per_s),
        rejected_per_s: mean(|point| point.rejected_per_s),
        unknown_per_s: mean(|point| point.unknown_per_s),
        p50_us: first.p50_us.max(last.p50_us),
        p99_us: first.p99_us.max(last.p99_us),
        max_us: first.max_us.max(last.max_us),
        ..last.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_points_are_thinned_without_losing_events_or_peaks() {
        let mut timeline = Timeline::default();
        for nth in 0..POINTS_MAX {
            timeline.points.push(TimelinePoint {
                at_s: nth as f64 + 1.0,
                seconds: 1.0,
                requests_per_s: 1.0,
                events_per_s: nth as f64,
                rejected_per_s: 0.0,
                unknown_per_s: 0.0,
                p50_us: 1,
                p99_us: nth as u64,
                max_us: 0,
                received: Some(nth as u64),
                lag_events: None,
            });
            timeline.server.entry("m".into()).or_default().push(Some(nth as f64));
        }
        timeline.thin();
        assert_eq!((timeline.points.len(), timeline.server["m"].len()), (POINTS_MAX / 2, POINTS_MAX / 2));
        let events: f64 = timeline.points.iter().map(|point| point.events_per_s * point.seconds).sum();
        assert_eq!(events, (0..POINTS_MAX).sum::<usize>() as f64);
        assert_eq!((timeline.points[0].p99_us, timeline.server["m"][0]), (1, Some(1.0)));
    }
}
