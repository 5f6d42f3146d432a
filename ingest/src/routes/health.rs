//! What load balancers and monitors ask.

use crate::error::ApiError;
use crate::reply::{Reply, json, json_bytes, metrics as metrics_reply};
use crate::service::{Call, Door};
use http::StatusCode;
use serde_json::json;
use sluice_ports::LostDependency;
use std::time::Duration;

/// That it answers, and where it is.
pub(super) fn health(call: &Call<'_>) -> Reply {
    json(StatusCode::OK, &json!({ "status": "healthy", "environment": call.edge.config.environment }))
}

/// That the process lives.
pub(super) fn live() -> Reply {
    json(StatusCode::OK, &json!({ "status": "live" }))
}

/// Whether requests should be sent here, and which dependencies are lost:
/// some of them cost only a part of what the edge does.
pub(super) fn ready(call: &Call<'_>) -> Result<Reply, ApiError> {
    let lost = (call.edge.lost)();
    let names: Vec<&str> = lost.iter().map(|lost| lost.name).collect();
    let reasons: serde_json::Map<_, _> =
        lost.iter().map(|lost| (lost.name.to_owned(), lost.reason.clone().into())).collect();
    let details = json!({ "lost": names, "reasons": reasons });
    let stopped = lost.iter().any(LostDependency::stops_edges);
    let why = match call.edge.ready() {
        Ok(()) if stopped => "a dependency is lost",
        Ok(()) if lost.is_empty() => return Ok(json(StatusCode::OK, &json!({ "status": "ready" }))),
        Ok(()) => {
            let body = json!({ "status": "ready", "lost": names, "reasons": reasons });
            return Ok(json(StatusCode::OK, &body));
        }
        Err(why) => why,
    };
    let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "NOT_READY", why);
    let error = if lost.is_empty() { error } else { error.details(details) };
    Err(error.retry_after(Duration::from_secs(1)))
}

/// What this listener can be asked.
pub(super) fn openapi(call: &Call<'_>) -> Reply {
    let of = &call.edge.descriptions;
    json_bytes(
        StatusCode::OK,
        match call.door {
            Door::Public => of.public.clone(),
            Door::Admin => of.admin.clone(),
        },
    )
}

/// The process's metrics.
pub(super) fn metrics(call: &Call<'_>) -> Reply {
    metrics_reply((call.edge.render_metrics)())
}
