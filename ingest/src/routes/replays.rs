//! Replays: history delivered again to one subscription.

mod create;
mod dry_run;
mod manage;

use crate::describe::parts::page_by_id;
use crate::describe::{Operation, Tag};
use crate::route::{Handler, Root, Route};
use serde::Serialize;
use sluice_history::replay::{Replay, ReplayStatus};
use sluice_model::clock::rfc3339_string;
use sluice_model::{Scopes, SubscriptionId};

pub(super) const ROUTES: &[Route] = &[
    Route {
        name: "create_replay",
        methods: &["POST"],
        path: "/replay",
        root: Root::Versioned(Scopes::DELIVERIES_WRITE),
        handler: Handler::Replays(|context, request, body| Box::pin(create::create(context, request, body))),
        describe: |_| {
            operation("Start a replay: deliver events of the past again")
                .describe("With `dry_run`, only counts the events that would be delivered.")
                .takes("NewReplay")
                .answers(200, "The counts of a dry run.", "DryRun")
                .answers(202, "The replay runs.", "Replay")
                .refuses(404, "There is no such subscription.")
                .refuses(409, "The subscription is disabled, or too many replays run.")
        },
    },
    Route {
        name: "list_replays",
        methods: &["GET"],
        path: "/replay",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_READ),
        handler: Handler::Replays(|context, request, _| Box::pin(manage::list(context, request))),
        describe: |_| {
            operation("List replays, the oldest first").parameters(page_by_id()).answers(
                200,
                "A page of replays.",
                "ReplayPage",
            )
        },
    },
    Route {
        name: "get_replay",
        methods: &["GET"],
        path: "/replay/{id}",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_READ),
        handler: Handler::Replays(|context, request, _| Box::pin(manage::get(context, request))),
        describe: |_| operation("Get a replay and its progress").answers(200, "The replay.", "Replay"),
    },
    Route {
        name: "cancel_replay",
        methods: &["DELETE"],
        path: "/replay/{id}",
        root: Root::Versioned(Scopes::DELIVERIES_WRITE),
        handler: Handler::Replays(|context, request, _| Box::pin(manage::cancel(context, request))),
        describe: |_| {
            operation("Cancel a replay")
                .describe("No further events are queued; deliveries in the queue go on.")
                .answers(200, "The replay after the change.", "Replay")
                .refuses(409, "Other requests change the replay at the same time.")
        },
    },
];

const fn operation(summary: &'static str) -> Operation {
    Operation::new(Tag::Replays, summary)
}

/// A replay as answers show it.
#[derive(Serialize)]
struct ReplayView {
    replay_id: String,
    workflow_id: SubscriptionId,
    status: ReplayStatus,
    start_time: String,
    end_time: String,
    rate_per_second: u32,
    scanned: u64,
    queued: u64,
    created_at: String,
    updated_at: String,
}

fn view(replay: &Replay) -> ReplayView {
    ReplayView {
        replay_id: replay.id.to_string(),
        workflow_id: replay.subscription,
        status: replay.status,
        start_time: rfc3339_string(replay.start_ms),
        end_time: rfc3339_string(replay.end_ms),
        rate_per_second: replay.rate_per_second,
        scanned: replay.scanned,
        queued: replay.queued,
        created_at: rfc3339_string(replay.created_at_ms),
        updated_at: rfc3339_string(replay.updated_at_ms),
    }
}
