//! Cached handles of the metrics of requests and connections.

use crate::connection::HttpProtocol;
use http::StatusCode;
use metrics::{Counter, Gauge, counter, gauge};

/// The classes of status codes, as the metrics name them.
pub(crate) const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The protocols, as the metrics name them.
pub(crate) const PROTOCOLS: [&str; 2] = ["http1", "http2"];

pub(crate) struct HttpMetrics {
    /// By route, then by class of the status.
    requests: Vec<[Counter; CLASSES.len()]>,
    connections: [Counter; PROTOCOLS.len()],
    connections_refused: Counter,
    connections_timed_out: Counter,
    open_connections: Gauge,
}

impl HttpMetrics {
    /// Handles for routes with these names.
    pub(crate) fn new(route_names: &[&'static str]) -> Self {
        let of_route = |name: &&'static str| {
            CLASSES.map(|class| counter!("sluice_http_requests_total", "route" => *name, "status" => class))
        };
        Self {
            requests: route_names.iter().map(of_route).collect(),
            connections: PROTOCOLS
                .map(|protocol| counter!("sluice_http_connections_total", "protocol" => protocol)),
            connections_refused: counter!("sluice_http_connections_refused_total"),
            connections_timed_out: counter!("sluice_http_connections_timed_out_total"),
            open_connections: gauge!("sluice_http_open_connections"),
        }
    }

    /// Counts an answer of the route with this index.
    pub(crate) fn answered(&self, route: usize, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        if let Some(classes) = self.requests.get(route) {
            classes[class].increment(1);
        }
    }

    /// Counts a refused request by the error's code.
    pub(crate) fn refused(&self, code: &'static str) {
        counter!("sluice_http_refusals_total", "code" => code).increment(1);
    }

    /// Counts a connection by its protocol.
    pub(crate) fn connected(&self, protocol: HttpProtocol) {
        self.connections[protocol as usize].increment(1);
    }

    /// Counts a connection that was refused because too many are open.
    pub(crate) fn connection_refused(&self) {
        self.connections_refused.increment(1);
    }

    /// Counts connections that were ended because they stood still.
    pub(crate) fn connections_timed_out(&self, count: usize) {
        if count > 0 {
            self.connections_timed_out.increment(count as u64);
        }
    }

    pub(crate) fn open_connections(&self, count: usize) {
        self.open_connections.set(count as f64);
    }
}
