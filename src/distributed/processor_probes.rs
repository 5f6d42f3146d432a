//! The answers of `sluice processor` to probes and to the scraper.

use crate::probe_listener::{ListenerAnswer, ListenerAnswers};
use crate::roles::Lost;
use http::StatusCode;
use serde_json::{Value, json};
use sluice_ports::LostDependency;
use sluice_processor::Processor;
use sluice_processor::health::ProcessorStatus;
use sluice_telemetry::PrometheusHandle;
use sluice_telemetry::emf::RoleFacts;
use std::sync::Arc;

/// The answers of a processor.
pub(super) fn answers(processor: Processor, lost: Lost, metrics: PrometheusHandle) -> ListenerAnswers {
    Arc::new(move |path| match path {
        "/healthz" => ListenerAnswer::json(StatusCode::OK, r#"{"status":"alive"}"#.to_owned()),
        "/readyz" | "/health" => readiness(&processor, &lost()),
        "/metrics" => ListenerAnswer {
            status: StatusCode::OK,
            content_type: "text/plain; version=0.0.4",
            body: metrics.render(),
        },
        _ => ListenerAnswer::json(StatusCode::NOT_FOUND, r#"{"error":{"code":"NOT_FOUND"}}"#.to_owned()),
    })
}

/// The reason why the processor does not work its shards, if there is one. A
/// processor without a shard is ready: other processes have all shards.
fn unready(status: &ProcessorStatus, lost: &[LostDependency]) -> Option<&'static str> {
    let working = status.ready || (status.shards.is_empty() && status.worker_running);
    match (lost.is_empty(), working) {
        (false, _) => Some("a dependency is lost"),
        (true, false) => Some("a task does not run or makes no progress"),
        (true, true) => None,
    }
}

/// The facts of a processor for its line of CloudWatch metrics.
pub(super) fn facts(processor: &Processor, lost: &[LostDependency]) -> RoleFacts {
    let status = processor.status();
    RoleFacts { is_ready: unready(&status, lost).is_none(), shards: status.shards.len() }
}

/// Whether the processor works its shards, and the reason if it does not.
fn readiness(processor: &Processor, lost: &[LostDependency]) -> ListenerAnswer {
    let status = processor.status();
    let reason = unready(&status, lost);
    let shards: Vec<Value> = status
        .shards
        .iter()
        .map(|shard| {
            json!({
                "shard": shard.shard,
                "running": shard.running,
                "lag_ms": shard.lag_ms,
                "unsettled_events": shard.unsettled_events,
                "restarts": shard.restarts,
            })
        })
        .collect();
    let names: Vec<&str> = lost.iter().map(|lost| lost.name).collect();
    let reasons: serde_json::Map<_, _> =
        lost.iter().map(|lost| (lost.name.to_owned(), lost.reason.clone().into())).collect();
    let body = json!({
        "ready": reason.is_none(), "reason": reason, "lost": names, "reasons": reasons, "shards": shards,
    });
    let code = if reason.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    ListenerAnswer::json(code, body.to_string())
}
