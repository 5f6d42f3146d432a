//! Reading and acknowledging events.

mod ack;
mod attempts;
mod find;
mod get;
mod inbox;
mod resend;
mod standing;

pub(crate) use ack::ACK_IDS_MAX;

use crate::describe::parts::{limit, page, query, schema_ref, times};
use crate::describe::{Operation, Tag};
use crate::route::{Handler, Root, Route};
use serde_json::json;
use sluice_model::Scopes;

pub(super) const ROUTES: &[Route] = &[
    Route {
        name: "get_event",
        methods: &["GET"],
        path: "/events/{id}",
        root: Root::Aliased(Scopes::EVENTS_READ),
        handler: Handler::Events(|context, request, _| Box::pin(get::get(context, request))),
        describe: |_| {
            Operation::new(Tag::Events, "Get an event with its status").answers(
                200,
                "The event.",
                "StoredEvent",
            )
        },
    },
    Route {
        name: "ack_event",
        methods: &["POST", "DELETE"],
        path: "/events/{id}/ack",
        root: Root::Aliased(Scopes::EVENTS_WRITE),
        handler: Handler::Events(|context, request, _| Box::pin(ack::one(context, request))),
        describe: |_| {
            Operation::new(Tag::Inbox, "Acknowledge an event")
                .answers(200, "The event is acknowledged.", "Acknowledged")
                .refuses(409, "The event was acknowledged before.")
        },
    },
    Route {
        name: "event_deliveries",
        methods: &["GET"],
        path: "/events/{id}/deliveries",
        root: Root::Aliased(Scopes::EVENTS_READ),
        handler: Handler::Events(|context, request, _| Box::pin(standing::get(context, request))),
        describe: |_| {
            Operation::new(Tag::Events, "List the subscriptions that an event went to")
                .describe("`attempts` counts the attempts to deliver the event's batch to the subscription.")
                .answers(200, "The subscriptions that matched the event.", "EventDeliveries")
        },
    },
    Route {
        name: "event_attempts",
        methods: &["GET"],
        path: "/events/{id}/attempts",
        root: Root::Aliased(Scopes::EVENTS_READ),
        handler: Handler::Events(|context, request, _| Box::pin(attempts::get(context, request))),
        describe: |_| describe_attempts(),
    },
    Route {
        name: "resend_event",
        methods: &["POST"],
        path: "/events/{id}/resend",
        root: Root::Aliased(Scopes::DELIVERIES_WRITE),
        handler: Handler::Events(|context, request, body| Box::pin(resend::resend(context, request, body))),
        describe: |_| {
            Operation::new(Tag::Events, "Deliver an event anew")
                .describe(
                    "Makes a new delivery to the subscription that `workflow_id` names, or to every active \
                     subscription that matches, whatever the outcome of earlier deliveries.",
                )
                .may_take("Resend")
                .answers(202, "The deliveries that were queued.", "Resent")
                .refuses(409, "The named subscription is disabled.")
        },
    },
    Route {
        name: "inbox",
        methods: &["GET"],
        path: "/inbox",
        root: Root::Aliased(Scopes::EVENTS_READ),
        handler: Handler::Events(|context, request, _| Box::pin(inbox::list(context, request))),
        describe: |_| describe_inbox(),
    },
    Route {
        name: "ack_inbox",
        methods: &["POST"],
        path: "/inbox/ack",
        root: Root::Aliased(Scopes::EVENTS_WRITE),
        handler: Handler::Events(|context, request, body| Box::pin(ack::many(context, request, body))),
        describe: |_| {
            Operation::new(Tag::Inbox, "Acknowledge many events").takes("AckMany").answers(
                200,
                "A result for each event, in the request's order.",
                "AckResults",
            )
        },
    },
];

fn describe_attempts() -> Operation {
    Operation::new(Tag::Events, "List the attempts to deliver an event")
        .describe(format!(
            "Lists the kept attempts, the newest first. An attempt is listed only if its webhook surely carried \
             the event, so there may have been more. Attempts are kept for 7 days. For a busy subscription fewer \
             are kept: at most 16 a second, failed ones first, and for each process those of the last 128 seconds \
             that had attempts. If the webhooks of a second carried events of more than about 150 batches, their \
             events are not kept. At most {} subscriptions are looked at; `has_more` is true if there are more \
             subscriptions or attempts. `workflow_id` limits the list to one subscription.",
            attempts::SUBSCRIPTIONS_MAX
        ))
        .parameters([
            query("workflow_id", schema_ref("Id"), "Only attempts for this subscription."),
            limit(),
        ])
        .answers(200, "The attempts.", "EventAttempts")
}

fn describe_inbox() -> Operation {
    let text = |name, text| query(name, schema_ref("FilterText"), text);
    let order = json!({ "type": "string", "enum": ["asc", "desc"], "default": "asc" });
    Operation::new(Tag::Inbox, "List the customer's events, the oldest first")
        .describe(
            "Without `status`, lists all events that are not acknowledged. Nothing appears behind a cursor. On \
             the distributed engine a page reaches up to `readable_until`: usually two to three seconds ago, \
             earlier while a part of the log lags; `has_more` says whether there are more events up to then. \
             The embedded engine shows every event from its 202 on, and has no `readable_until`.",
        )
        .parameters([
            query("status", schema_ref("StatusFilter"), "Events with this status; `any` means every status."),
            text("event_type", "Events of this type."),
            text("source", "Events of this source."),
            text("tag", "Events with this tag."),
            query("order", order, "Which events come first."),
        ])
        .parameters(times("Up to this time, which is included."))
        .parameters(page())
        .answers(200, "A page of events.", "InboxPage")
}
