//! Health, metrics and the API's description: for load balancers, monitors and tools.

use crate::audience::Audience;
use crate::contexts::{HealthContext, ListenerDescription};
use crate::describe::{Operation, Tag};
use crate::error::ApiError;
use crate::reply::{ApiReply, json, json_bytes, metrics as metrics_reply};
use crate::request::ApiRequest;
use crate::route::{Handler, Root, Route};
use http::StatusCode;
use serde_json::json;
use std::future::ready as answer;
use std::time::Duration;

pub(super) const ROUTES: &[Route] = &[
    Route {
        name: "health",
        methods: &["GET"],
        path: "/health",
        root: Root::Everybody,
        handler: Handler::Health(|context, _, _| Box::pin(answer(Ok(health(context))))),
        describe: |_| {
            operation("Check that the process answers, and its environment").answers(
                200,
                "The process answers.",
                "Health",
            )
        },
    },
    Route {
        name: "live",
        methods: &["GET"],
        path: "/healthz",
        root: Root::Everybody,
        handler: Handler::Health(|_, _, _| Box::pin(answer(Ok(live())))),
        describe: |_| operation("Check that the process lives").answers(200, "The process lives.", "State"),
    },
    Route {
        name: "ready",
        methods: &["GET"],
        path: "/readyz",
        root: Root::Everybody,
        handler: Handler::Health(|context, _, _| Box::pin(answer(ready(context)))),
        describe: |_| {
            operation("Check whether requests should be sent to this process")
                .answers(200, "The process is ready.", "State")
                .refuses(503, "The process is not ready: it drains, or lost a dependency that it needs.")
        },
    },
    Route {
        name: "metrics",
        methods: &["GET"],
        path: "/metrics",
        root: Root::Metrics,
        handler: Handler::Health(|context, _, _| {
            Box::pin(answer(Ok(metrics_reply((context.render_metrics)()))))
        }),
        describe: |_| {
            let text = json!({ "text/plain": { "schema": { "type": "string" } } });
            operation("Prometheus metrics").answers_with(200, "The metrics, as text.", Some(text))
        },
    },
    Route {
        name: "openapi",
        methods: &["GET"],
        path: "/openapi.json",
        root: Root::Everybody,
        handler: Handler::Health(|context, request, _| Box::pin(answer(Ok(openapi(context, request))))),
        describe: |_| {
            let document = json!({ "application/json": { "schema": { "type": "object" } } });
            operation("This document").answers_with(200, "This document, in OpenAPI 3.1.", Some(document))
        },
    },
    Route {
        name: "docs",
        methods: &["GET"],
        path: "/docs",
        root: Root::Everybody,
        handler: Handler::Health(|context, request, _| {
            Box::pin(answer(Ok(description(context, request).page.reply())))
        }),
        describe: |_| {
            let page = json!({ "text/html": { "schema": { "type": "string" } } });
            operation("This document as a page for people").answers_with(
                200,
                "A page without scripts.",
                Some(page),
            )
        },
    },
];

const fn operation(summary: &'static str) -> Operation {
    Operation::new(Tag::Health, summary)
}

/// Says that the process answers, and in which environment.
fn health(context: &HealthContext) -> ApiReply {
    json(StatusCode::OK, &json!({ "status": "healthy", "environment": context.environment }))
}

/// Says that the process lives.
fn live() -> ApiReply {
    json(StatusCode::OK, &json!({ "status": "live" }))
}

/// Says whether requests should be sent here, and which dependencies are lost. The
/// loss of some dependencies makes only a part of the API unavailable.
fn ready(context: &HealthContext) -> Result<ApiReply, ApiError> {
    let lost = (context.readiness.lost)();
    let names: Vec<&str> = lost.iter().map(|lost| lost.name).collect();
    let reasons: serde_json::Map<_, _> =
        lost.iter().map(|lost| (lost.name.to_owned(), lost.reason.clone().into())).collect();
    let reason = match context.readiness.check(&lost) {
        Err(reason) => reason,
        Ok(()) if lost.is_empty() => return Ok(json(StatusCode::OK, &json!({ "status": "ready" }))),
        Ok(()) => {
            let body = json!({ "status": "ready", "lost": names, "reasons": reasons });
            return Ok(json(StatusCode::OK, &body));
        }
    };
    let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "NOT_READY", reason);
    let error =
        if lost.is_empty() { error } else { error.details(json!({ "lost": names, "reasons": reasons })) };
    Err(error.retry_after(Duration::from_secs(1)))
}

/// The description of the listener that took the request.
fn openapi(context: &HealthContext, request: &ApiRequest<'_>) -> ApiReply {
    json_bytes(StatusCode::OK, description(context, request).document.clone())
}

fn description<'c>(context: &'c HealthContext, request: &ApiRequest<'_>) -> &'c ListenerDescription {
    match request.audience {
        Audience::Customers => &context.descriptions.public,
        Audience::Operators => &context.descriptions.admin,
    }
}
