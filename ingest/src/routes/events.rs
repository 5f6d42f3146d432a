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
            Operation::new(Tag::Events, "One event, and where it stands").answers(
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
                .answers(200, "It is acknowledged.", "Acknowledged")
                .refuses(409, "It was acknowledged before.")
        },
    },
    Route {
        name: "event_deliveries",
        methods: &["GET"],
        path: "/events/{id}/deliveries",
        root: Root::Aliased(Scopes::EVENTS_READ),
        handler: Handler::Events(|context, request, _| Box::pin(standing::get(context, request))),
        describe: |_| {
            Operation::new(Tag::Events, "Where an event went")
                .describe("`attempts` are those of the event's batch at the subscription.")
                .answers(200, "The subscriptions that matched it.", "EventDeliveries")
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
                    "To the subscription that `workflow_id` names, or to every active one that matches: a new \
                     delivery, whatever became of earlier ones.",
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
                "A result for each, in their order.",
                "AckResults",
            )
        },
    },
];

fn describe_attempts() -> Operation {
    Operation::new(Tag::Events, "The attempts to deliver an event")
        .describe(format!(
            "Those that are kept, the newest first: an attempt is listed only if its webhook surely carried \
             the event, and there may have been more. Attempts are kept for 7 days, as long as a \
             subscription has not too many: of a second at most 16, of which those that failed go first, and \
             of each process those of the last 128 seconds in which it made any. Where the webhooks of a second carried events of \
             many batches (about 150), it is not kept which. At most {} subscriptions are looked at; \
             `has_more` says that there are more of them or of the attempts, and `workflow_id` asks for those \
             of one.",
            attempts::SUBSCRIPTIONS_MAX
        ))
        .parameters([
            query("workflow_id", schema_ref("Id"), "Only those of this subscription."),
            limit(),
        ])
        .answers(200, "The attempts.", "EventAttempts")
}

fn describe_inbox() -> Operation {
    let text = |name, text| query(name, schema_ref("FilterText"), text);
    let order = json!({ "type": "string", "enum": ["asc", "desc"], "default": "asc" });
    Operation::new(Tag::Inbox, "The customer's events, the oldest first")
        .describe(
            "Without `status`, all that are not acknowledged. Nothing appears behind a cursor. On the \
             distributed engine a page reaches up to `readable_until`, usually two to three seconds ago, \
             earlier while a part of the log lags; `has_more` says whether there is more up to then. The \
             embedded engine has every event from its 202 on, and no `readable_until`.",
        )
        .parameters([
            query("status", schema_ref("StatusFilter"), "Where they stand; `any` is anywhere."),
            text("event_type", "Of this type."),
            text("source", "Of this source."),
            text("tag", "With this tag."),
            query("order", order, "Which come first."),
        ])
        .parameters(times())
        .parameters(page())
        .answers(200, "A page.", "InboxPage")
}
