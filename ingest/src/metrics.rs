//! The edge's metrics. Handles are made once; install the recorder before.

use crate::connection::Protocol;
use crate::router::Route;
use http::StatusCode;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use sluice_telemetry::{Metric, Values, describe};
use std::time::Duration;

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

const OUTCOMES: Values = Values::Of(&["ok", "failed"]);

/// What the edge tells.
pub const METRICS: &[Metric] = &[
    Metric::counter("sluice_http_requests_total", "Requests answered, by route and class of the status.")
        .by(&[("route", Values::Of(Route::NAMES)), ("status", Values::Of(&CLASSES))]),
    Metric::counter("sluice_http_refusals_total", "Requests refused, by the error's code.")
        .by(&[("code", Values::Bounded("a code of the API's errors"))]),
    Metric::counter("sluice_http_connections_total", "Connections that said something, by protocol.")
        .by(&[("protocol", Values::Of(&["http1", "http2"]))]),
    Metric::counter(
        "sluice_http_connections_refused_total",
        "Connections refused because too many are open.",
    ),
    Metric::counter("sluice_http_connections_timed_out_total", "Connections ended because they stood still."),
    Metric::gauge("sluice_http_open_connections", "Open connections of customers."),
    Metric::counter("sluice_tls_handshakes_total", "TLS handshakes, by how they ended.")
        .by(&[("outcome", Values::Of(&["ok", "failed", "timed_out"]))]),
    Metric::counter("sluice_tls_reloads_total", "New TLS certificates found, by whether they are used.")
        .by(&[("outcome", OUTCOMES)]),
    Metric::histogram("sluice_ingest_accept_seconds", "From a request's head to the 202 of its events."),
    Metric::counter("sluice_ingest_accepted_total", "Events accepted: durable and answered 202."),
    Metric::counter("sluice_ingest_rejected_total", "Events refused as invalid beside accepted ones."),
    Metric::counter(
        "sluice_ingest_body_bytes_total",
        "Decompressed bytes of bodies whose events were accepted.",
    ),
    Metric::counter("sluice_ingest_replayed_total", "Requests answered again from their Idempotency-Key."),
    Metric::gauge("sluice_ingest_in_flight_bytes", "Bytes of bodies that are being read or handled."),
    Metric::gauge("sluice_http_open_streams", "Open streams of customers' events."),
    Metric::histogram("sluice_ingest_append_seconds", "How long the log takes to make a record durable."),
    Metric::counter("sluice_ingest_records_total", "Records given to the log."),
    Metric::counter("sluice_ingest_batches_total", "Batches in these records."),
    Metric::gauge("sluice_ingest_lane_bytes", "Bytes of events that wait for the log or are being appended."),
];

/// Cached handles.
pub(crate) struct EdgeMetrics {
    /// By route, then by status class.
    requests: Vec<[Counter; CLASSES.len()]>,
    accept_seconds: Histogram,
    accepted: Counter,
    rejected: Counter,
    body_bytes: Counter,
    replayed: Counter,
    connections: [Counter; 2],
    connections_refused: Counter,
    connections_timed_out: Counter,
    open_connections: Gauge,
    in_flight_bytes: Gauge,
    lane_bytes: Gauge,
    open_streams: Gauge,
}

impl EdgeMetrics {
    pub(crate) fn new() -> Self {
        describe(METRICS);
        let requests = Route::ALL.map(|route| {
            CLASSES.map(
                |class| counter!("sluice_http_requests_total", "route" => route.name(), "status" => class),
            )
        });
        Self {
            requests: requests.into(),
            accept_seconds: histogram!("sluice_ingest_accept_seconds"),
            accepted: counter!("sluice_ingest_accepted_total"),
            rejected: counter!("sluice_ingest_rejected_total"),
            body_bytes: counter!("sluice_ingest_body_bytes_total"),
            replayed: counter!("sluice_ingest_replayed_total"),
            connections: ["http1", "http2"]
                .map(|protocol| counter!("sluice_http_connections_total", "protocol" => protocol)),
            connections_refused: counter!("sluice_http_connections_refused_total"),
            connections_timed_out: counter!("sluice_http_connections_timed_out_total"),
            open_connections: gauge!("sluice_http_open_connections"),
            in_flight_bytes: gauge!("sluice_ingest_in_flight_bytes"),
            lane_bytes: gauge!("sluice_ingest_lane_bytes"),
            open_streams: gauge!("sluice_http_open_streams"),
        }
    }

    /// An answer of a route.
    pub(crate) fn answered(&self, route: Route, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        self.requests[route as usize][class].increment(1);
    }

    /// A request that was refused, by the error's code.
    pub(crate) fn refused(&self, code: &'static str) {
        counter!("sluice_http_refusals_total", "code" => code).increment(1);
    }

    /// A request whose events were taken.
    pub(crate) fn took(&self, taken: Taken) {
        if taken.replayed {
            self.replayed.increment(1);
        } else {
            self.accepted.increment(taken.accepted as u64);
        }
        if taken.rejected > 0 {
            self.rejected.increment(taken.rejected as u64);
        }
        self.body_bytes.increment(taken.body_bytes as u64);
        self.accept_seconds.record(taken.after.as_secs_f64());
    }

    pub(crate) fn connected(&self, protocol: Protocol) {
        self.connections[protocol as usize].increment(1);
    }

    pub(crate) fn connection_refused(&self) {
        self.connections_refused.increment(1);
    }

    pub(crate) fn connections_timed_out(&self, count: usize) {
        if count > 0 {
            self.connections_timed_out.increment(count as u64);
        }
    }

    /// What is measured when somebody looks.
    pub(crate) fn gauges(
        &self,
        connections: usize,
        in_flight_bytes: usize,
        lane_bytes: usize,
        streams: usize,
    ) {
        self.open_streams.set(streams as f64);
        self.open_connections.set(connections as f64);
        self.in_flight_bytes.set(in_flight_bytes as f64);
        self.lane_bytes.set(lane_bytes as f64);
    }
}

/// Cached handles of the lane buffers, counted once a record.
pub(crate) struct AppendMetrics {
    append_seconds: Histogram,
    records: Counter,
    batches: Counter,
}

impl AppendMetrics {
    pub(crate) fn new() -> Self {
        Self {
            append_seconds: histogram!("sluice_ingest_append_seconds"),
            records: counter!("sluice_ingest_records_total"),
            batches: counter!("sluice_ingest_batches_total"),
        }
    }

    /// A record that was appended, or failed to be.
    pub(crate) fn appended(&self, batches: usize, after: Duration) {
        self.append_seconds.record(after.as_secs_f64());
        self.records.increment(1);
        self.batches.increment(batches as u64);
    }
}

/// What a request with events came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub accepted: usize,
    pub rejected: usize,
    pub replayed: bool,
    pub body_bytes: usize,
    /// From the request's head to the answer.
    pub after: Duration,
}
