//! `GET /admin/system`: this process, and what it knows of the deployment.

use crate::contexts::SystemContext;
use crate::describe::{Operation, Tag};
use crate::reply::{ApiReply, json};
use crate::route::{Handler, Root, Route};
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use sluice_model::clock::{now_ms, rfc3339_string};

pub(super) const ROUTES: &[Route] = &[Route {
    name: "system",
    methods: &["GET"],
    path: "/admin/system",
    root: Root::Operators,
    handler: Handler::System(|context, _, _| Box::pin(std::future::ready(Ok(get(context))))),
    describe: |_| {
        Operation::new(Tag::System, "Get this process: its roles, shards, dependencies and version")
            .describe(
                "Each process reports only itself: the shards that it works and, if the queues are shared with \
                 other processes, the deliveries and dead letters that it put there or took from there itself.",
            )
            .answers(200, "The present state of the process.", "System")
    },
}];

#[derive(Serialize)]
struct DependencyView {
    name: &'static str,
    state: &'static str,
    reason: String,
}

#[derive(Serialize)]
struct ShardView {
    shard: String,
    running: bool,
    restarts: u64,
    lag_ms: u64,
    unsettled_events: u64,
    progress_age_ms: u64,
}

fn get(context: &SystemContext) -> ApiReply {
    let lost = (context.readiness.lost)();
    let ready = context.readiness.check(&lost).is_ok();
    let lost =
        lost.into_iter().map(|lost| DependencyView { name: lost.name, state: "lost", reason: lost.reason });
    let now_ms = now_ms();
    let shards = (context.shards)().into_iter().map(|shard| ShardView {
        shard: shard.shard,
        running: shard.running,
        restarts: shard.restarts,
        lag_ms: shard.lag_ms,
        unsettled_events: shard.unsettled_events,
        progress_age_ms: now_ms.saturating_sub(shard.progress_ms),
    });
    let shards: Vec<ShardView> = shards.collect();
    let roles: &[&str] = if shards.is_empty() { &["ingest"] } else { &["ingest", "processor"] };
    let queue = context.queue.total();
    // The store of the embedded engine reads batches from the log itself.
    let engine = if context.store.takes_batches() { "distributed" } else { "embedded" };
    let body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "environment": context.environment,
        "engine": engine,
        "started_at": rfc3339_string(context.started_ms),
        "ready": ready,
        "roles": roles,
        "dependencies": lost.collect::<Vec<_>>(),
        "shards": shards,
        "queue": { "deliveries": queue.deliveries, "events": queue.events },
        "dead_letters": context.store.dead_letter_count(),
        "streams_open": context.streams.len(),
        "lanes": context.lanes,
        "customers": context.readiness.directory.customers().len(),
    });
    json(StatusCode::OK, &body)
}
