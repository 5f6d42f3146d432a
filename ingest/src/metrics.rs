//! The metrics of the ingest role. Their handles are cached beside the code that counts.

use crate::http_metrics::{CLASSES, PROTOCOLS};
use crate::produce::CHECK_RESULTS;
use crate::routes;
use sluice_telemetry::{Metric, Values};

const ROUTES: Values = Values::Of(&routes::NAMES);
const STATUSES: Values = Values::Of(&CLASSES);
const CHECKS: Values = Values::Of(&CHECK_RESULTS);
const RELOADS: Values = Values::Of(&["ok", "failed"]);
const HANDSHAKES: Values = Values::Of(&["ok", "failed", "timed_out"]);

/// All metrics of the role.
pub const METRICS: &[Metric] = &[
    Metric::counter("sluice_http_requests_total", "Requests answered, by route and class of the status.")
        .by(&[("route", ROUTES), ("status", STATUSES)]),
    Metric::counter("sluice_http_refusals_total", "Requests refused, by the error's code.")
        .by(&[("code", Values::Bounded("a code of the API's errors"))]),
    Metric::counter("sluice_http_connections_total", "Connections that sent their first bytes, by protocol.")
        .by(&[("protocol", Values::Of(&PROTOCOLS))]),
    Metric::counter(
        "sluice_http_connections_refused_total",
        "Connections refused because too many are open.",
    ),
    Metric::counter(
        "sluice_http_connections_timed_out_total",
        "Connections ended because no request made progress.",
    ),
    Metric::gauge("sluice_http_open_connections", "Open connections of customers."),
    Metric::counter("sluice_tls_handshakes_total", "TLS handshakes, by how they ended.")
        .by(&[("outcome", HANDSHAKES)]),
    Metric::counter("sluice_tls_reloads_total", "New TLS certificates found, by whether they could be loaded.")
        .by(&[("outcome", RELOADS)]),
    Metric::histogram("sluice_ingest_accept_seconds", "Time from a request's head to the 202 of its events."),
    Metric::counter("sluice_ingest_accepted_total", "Events accepted: durable and answered 202."),
    Metric::counter(
        "sluice_ingest_rejected_total",
        "Invalid events in requests whose other events were accepted.",
    ),
    Metric::counter(
        "sluice_ingest_type_checks_total",
        "Events of declared types, by the result of the check against the type's schema: fit; refused, because the type is enforced; unfit, but accepted; unchecked, accepted because the check would have been too much work.",
    )
    .by(&[("result", CHECKS)]),
    Metric::counter(
        "sluice_ingest_body_bytes_total",
        "Decompressed bytes of bodies whose events were accepted.",
    ),
    Metric::counter(
        "sluice_ingest_replayed_total",
        "Requests that were answered again because of their Idempotency-Key.",
    ),
    Metric::gauge("sluice_ingest_in_flight_bytes", "Bytes of bodies that are being read or handled."),
    Metric::gauge("sluice_http_open_streams", "Open streams of customers' events."),
    Metric::histogram("sluice_ingest_append_seconds", "How long the log takes to make a record durable."),
    Metric::counter("sluice_ingest_records_total", "Records given to the log."),
    Metric::counter("sluice_ingest_batches_total", "Batches in the records given to the log."),
    Metric::gauge("sluice_ingest_lane_bytes", "Bytes of events that wait for the log or are being appended."),
];
