//! Latency histograms, and their summary in results.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use serde::{Deserialize, Serialize};

/// An HDR histogram of microseconds: three significant digits, up to an hour.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

const HOUR_US: u64 = 3_600_000_000;

impl Latencies {
    /// An empty histogram.
    pub fn new() -> Self {
        Self(Histogram::new_with_bounds(1, HOUR_US, 3).expect("constant, valid bounds"))
    }

    /// Adds a latency.
    pub fn record(&mut self, latency: Duration) {
        self.record_n(latency.as_micros() as u64, 1);
    }

    /// Adds a latency `count` times.
    pub fn record_n(&mut self, latency_us: u64, count: u64) {
        self.0.saturating_record_n(latency_us.max(1), count);
    }

    /// Adds another histogram.
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// The histogram in HDR's format V2, as base64.
    pub(crate) fn to_base64(&self) -> String {
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&self.0, &mut bytes).expect("writing to a Vec does not fail");
        STANDARD.encode(bytes)
    }

    /// Reads what [`to_base64`](Self::to_base64) wrote.
    pub(crate) fn from_base64(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        let read: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).ok()?;
        let mut latencies = Self::new();
        latencies.0.add(read).ok()?;
        Some(latencies)
    }

    /// The distribution, for its chart; empty where nothing was recorded.
    pub fn curve(&self) -> Vec<CurvePoint> {
        let point = |quantile| CurvePoint { quantile, us: self.0.value_at_quantile(quantile) };
        if self.0.is_empty() { Vec::new() } else { QUANTILES.map(point).to_vec() }
    }

    /// Its percentiles.
    pub fn summary(&self) -> LatencySummary {
        let value = |quantile| self.0.value_at_quantile(quantile);
        LatencySummary {
            count: self.0.len(),
            min: self.0.min(),
            mean: self.0.mean(),
            p50: value(0.5),
            p90: value(0.9),
            p95: value(0.95),
            p99: value(0.99),
            p999: value(0.999),
            max: self.0.max(),
        }
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

/// A point of a distribution.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct CurvePoint {
    /// A share of requests, from 0 to 1.
    pub quantile: f64,
    /// The latency that this share of requests did not exceed, in µs.
    pub us: u64,
}

/// The points of a curve: evenly spaced on the chart's scale, on which 90, 99
/// and 99.9 % are equally far apart.
const QUANTILES: [f64; 24] = [
    0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.965, 0.98, 0.99, 0.995,
    0.998, 0.999, 0.9995, 0.9999, 0.99999, 1.0,
];

/// A latency distribution in µs (to 0.1 %); zeros where nothing was measured.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct LatencySummary {
    /// How many were measured.
    pub count: u64,
    /// Smallest.
    pub min: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 95th percentile.
    #[serde(default)]
    pub p95: u64,
    /// 99th percentile.
    pub p99: u64,
    /// 99.9th percentile.
    pub p999: u64,
    /// Largest.
    pub max: u64,
}

impl LatencySummary {
    /// One line of text.
    pub fn line(&self) -> String {
        let ms = |us: u64| us as f64 / 1e3;
        format!(
            "p50 {:.3}  p90 {:.3}  p95 {:.3}  p99 {:.3}  p99.9 {:.3}  max {:.3} ms ({} measured)",
            ms(self.p50),
            ms(self.p90),
            ms(self.p95),
            ms(self.p99),
            ms(self.p999),
            ms(self.max),
            self.count
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let mut latencies = Latencies::new();
        (1..=1000).for_each(|ms| latencies.record(Duration::from_millis(ms)));
        let mut other = Latencies::new();
        other.add(&latencies);
        let summary = other.summary();
        assert_eq!(summary.count, 1000);
        assert!((499_000..=501_000).contains(&summary.p50), "{summary:?}");
        assert!((989_000..=991_000).contains(&summary.p99), "{summary:?}");
    }

    #[test]
    fn out_of_range_values_are_kept_at_the_edge() {
        let mut latencies = Latencies::new();
        latencies.record(Duration::ZERO);
        latencies.record(Duration::from_secs(100_000));
        let summary = latencies.summary();
        assert_eq!((summary.count, summary.min), (2, 1));
        assert!(summary.max >= HOUR_US);
    }

    #[test]
    fn a_histogram_survives_being_written() {
        let mut latencies = Latencies::new();
        (1..=1000).for_each(|ms| latencies.record(Duration::from_millis(ms)));
        let read = Latencies::from_base64(&latencies.to_base64()).expect("readable");
        assert_eq!(read.summary(), latencies.summary());
        assert!(Latencies::from_base64("AAAA").is_none());
    }

    #[test]
    fn nothing_measured_is_all_zeros() {
        assert_eq!(Latencies::new().summary(), LatencySummary::default());
    }
}
