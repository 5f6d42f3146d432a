//! What each route does, takes and answers. A new route does not compile
//! until it is described here.

use super::operation::{Operation, Tag};
use super::parts::{header, limit, page, page_by_id, query, schema_ref, times};
use crate::config::EdgeConfig;
use crate::router::Route;
use serde_json::{Value, json};

/// The operation of a route.
pub(super) fn of(route: Route, config: &EdgeConfig) -> Operation {
    match route {
        Route::Produce => produce(config),
        Route::GetEvent => Operation::new(Tag::Events, "One event, and where it stands").answers(
            200,
            "The event.",
            "StoredEvent",
        ),
        Route::AckEvent => Operation::new(Tag::Inbox, "Acknowledge an event")
            .answers(200, "It is acknowledged.", "Acknowledged")
            .refuses(409, "It was acknowledged before."),
        Route::Inbox => inbox(),
        Route::Stream => stream(config),
        Route::AckInbox => Operation::new(Tag::Inbox, "Acknowledge many events").takes("AckMany").answers(
            200,
            "A result for each, in their order.",
            "AckResults",
        ),
        Route::CreateSubscription
        | Route::ListSubscriptions
        | Route::GetSubscription
        | Route::PatchSubscription
        | Route::DeleteSubscription
        | Route::RotateSecret
        | Route::EnableSubscription
        | Route::TestEvent
        | Route::ListDeliveries => subscription(route),
        Route::CreateReplay | Route::ListReplays | Route::GetReplay | Route::CancelReplay => replay(route),
        Route::ListDeadLetters | Route::DeleteDeadLetters | Route::DeleteDeadLetter | Route::Redrive => {
            dead_letters(route)
        }
        Route::CreateCustomer
        | Route::ListCustomers
        | Route::GetCustomer
        | Route::PatchCustomer
        | Route::CreateKey
        | Route::ListKeys
        | Route::RevokeKey
        | Route::TestCustomer
        | Route::TestSubscription => operators(route),
        Route::Health | Route::Live | Route::Ready | Route::Metrics | Route::OpenApi => health(route),
        Route::None => Operation::new(Tag::Health, "Nothing"),
    }
}

fn produce(config: &EdgeConfig) -> Operation {
    let limits = &config.limits;
    let text = |text: &str| json!({ "schema": { "type": "string", "description": text } });
    let content = json!({
        "application/json": { "schema": schema_ref("EventsBody") },
        "application/x-ndjson": text("One event a line, each as in `Event`."),
        "application/cloudevents+json": { "schema": schema_ref("CloudEvent") },
        "application/cloudevents-batch+json": { "schema": { "type": "array", "items": schema_ref("CloudEvent") } },
    });
    let key =
        json!({ "type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[!-~]([ -~]*[!-~])?$" });
    let trace = json!({ "type": "string", "format": "sluice-traceparent" });
    Operation::new(Tag::Events, "Send events")
        .describe(format!(
            "Answered 202 once every accepted event is durable. A body may have {} bytes (decompressed) and \
             {} events of {} bytes. CloudEvents 1.0 are taken in binary mode too (`ce-…` headers). \
             `Content-Encoding` may be `gzip` or `zstd`. A bad event among good ones is refused alone.",
            limits.body_bytes_max, limits.request_events_max, limits.event_bytes_max
        ))
        .parameters([
            header("Idempotency-Key", key, "The same key and body within 24 hours: the first answer again."),
            header(
                "Prefer",
                json!({ "type": "string" }),
                "`return=minimal`: counts and refused events only.",
            ),
            header(
                "traceparent",
                trace,
                "W3C Trace Context; kept with the events and sent with their webhooks.",
            ),
        ])
        .takes_any(content, true)
        .answers(202, "Durable.", "AcceptedBody")
        .refuses(409, "A request with this `Idempotency-Key` is in flight.")
        .refuses(422, "This `Idempotency-Key` was used with another body.")
        .refuses(429, "More events a second than the customer may send.")
}

fn inbox() -> Operation {
    let text = |name, text| query(name, schema_ref("FilterText"), text);
    let order = json!({ "type": "string", "enum": ["asc", "desc"], "default": "asc" });
    Operation::new(Tag::Inbox, "The customer's events, the oldest first")
        .describe("Without `status`, all that are not acknowledged. Nothing appears behind a cursor.")
        .parameters([
            query("status", schema_ref("EventStatus"), "Where they stand."),
            text("event_type", "Of this type."),
            text("source", "Of this source."),
            text("tag", "With this tag."),
            query("order", order, "Which come first."),
        ])
        .parameters(times("start_time", "end_time"))
        .parameters(page())
        .answers(200, "A page.", "InboxPage")
}

fn subscription(route: Route) -> Operation {
    let new = |summary| Operation::new(Tag::Subscriptions, summary);
    match route {
        Route::CreateSubscription => new("Make a subscription")
            .describe("Events accepted from `effective_at` on count. `secret` is shown this once.")
            .takes("NewSubscription")
            .answers(201, "It is there.", "SubscriptionWithSecret")
            .refuses(409, "The customer has as many as there may be."),
        Route::ListSubscriptions => new("All subscriptions, the oldest first")
            .parameters(page_by_id())
            .answers(200, "A page.", "SubscriptionPage"),
        Route::PatchSubscription => new("Change a subscription; what is absent stays")
            .takes("SubscriptionChange")
            .answers(200, "As it is now.", "Subscription")
            .refuses(409, "Others change it at the same time."),
        Route::DeleteSubscription => new("Delete a subscription").answers_with(204, "It is gone.", None),
        Route::RotateSecret => new("Make a new secret")
            .describe("The old one signs too for 24 hours.")
            .answers(200, "With its new secret, shown this once.", "SubscriptionWithSecret")
            .refuses(409, "Others change it at the same time."),
        Route::EnableSubscription => new("Let a disabled subscription receive events again")
            .answers(200, "As it is now.", "Subscription")
            .refuses(409, "Others change it at the same time."),
        Route::TestEvent => new("Try a subscription out")
            .describe("Sends a test event; or, with `last`, says which of the newest events it would take.")
            .may_take("Trial")
            .answers(200, "What came of it.", "TrialResult")
            .refuses(409, "The stored selector is not valid any more."),
        Route::ListDeliveries => new("Recent attempts, the newest first").parameters([limit()]).answers(
            200,
            "Attempts of the last week.",
            "Attempts",
        ),
        _ => new("One subscription").answers(200, "It.", "Subscription"),
    }
}

fn replay(route: Route) -> Operation {
    let new = |summary| Operation::new(Tag::Replays, summary);
    match route {
        Route::CreateReplay => new("Deliver history again")
            .describe("With `dry_run`, only counts what would be delivered.")
            .takes("NewReplay")
            .answers(200, "A dry run's counts.", "DryRun")
            .answers(202, "It runs.", "Replay")
            .refuses(404, "There is no such subscription.")
            .refuses(409, "The subscription is disabled, or too many replays run."),
        Route::ListReplays => new("All replays, the oldest first").parameters(page_by_id()).answers(
            200,
            "A page.",
            "ReplayPage",
        ),
        Route::CancelReplay => new("End a replay")
            .describe("Nothing more is queued; what is in the queue goes on.")
            .answers(200, "As it is now.", "Replay")
            .refuses(409, "Others change it at the same time."),
        _ => new("One replay, and how far it is").answers(200, "It.", "Replay"),
    }
}

fn dead_letters(route: Route) -> Operation {
    let new = |summary| Operation::new(Tag::DeadLetters, summary);
    let filter = || {
        let of = query("subscription_id", schema_ref("Id"), "Of this subscription.");
        std::iter::once(of).chain(times("since", "until"))
    };
    match route {
        Route::ListDeadLetters => new("Deliveries that were given up, the oldest first")
            .parameters(filter())
            .parameters(page())
            .answers(200, "A page.", "DeadLetterPage"),
        Route::Redrive => new("Deliver dead letters anew")
            .describe("Each becomes a new delivery, due now, with its attempts before it.")
            .may_take("Redrive")
            .answers(200, "What was redriven.", "Redriven")
            .refuses(404, "There is no such subscription.")
            .refuses(409, "The subscription is disabled."),
        Route::DeleteDeadLetters => new("Delete the dead letters that a filter names")
            .describe("At least one of the parameters is needed.")
            .parameters(filter())
            .answers(200, "How many.", "DeletedMany"),
        _ => new("Delete a dead letter").answers(200, "How many.", "Deleted"),
    }
}

fn operators(route: Route) -> Operation {
    let customer = |summary| Operation::new(Tag::Customers, summary);
    let key = |summary| Operation::new(Tag::Keys, summary);
    match route {
        Route::CreateCustomer => {
            customer("Make a customer").takes("NewCustomer").answers(201, "It is there.", "Customer")
        }
        Route::ListCustomers => customer("All customers, the oldest first").parameters(page_by_id()).answers(
            200,
            "A page.",
            "CustomerPage",
        ),
        Route::PatchCustomer => customer("Change a customer; what is absent stays")
            .takes("CustomerChange")
            .answers(200, "As it is now.", "Customer"),
        Route::CreateKey => key("Make a key")
            .describe("`key` is shown this once.")
            .may_take("NewKey")
            .answers(201, "It opens the door.", "KeyWithText")
            .refuses(409, "The customer has as many as there may be."),
        Route::ListKeys => key("All keys, revoked and expired ones too").answers(200, "All of them.", "Keys"),
        Route::RevokeKey => key("Revoke a key").describe("Within seconds it opens nothing.").answers_with(
            204,
            "It is revoked.",
            None,
        ),
        Route::TestCustomer => Operation::new(Tag::Development, "A customer with a key")
            .answers(201, "Both.", "TestCustomer")
            .refuses(404, "Not in this environment."),
        Route::TestSubscription => {
            Operation::new(Tag::Development, "A subscription that takes everything, or what it is told")
                .takes("TestSubscription")
                .answers(201, "It is there.", "SubscriptionWithSecret")
                .refuses(404, "Not in this environment, or there is no such customer.")
                .refuses(409, "The customer has as many as there may be.")
        }
        _ => customer("One customer").answers(200, "It.", "Customer"),
    }
}

fn health(route: Route) -> Operation {
    let new = |summary| Operation::new(Tag::Health, summary);
    match route {
        Route::Live => new("Whether the process lives").answers(200, "It does.", "State"),
        Route::Ready => new("Whether requests should be sent here")
            .answers(200, "They should.", "State")
            .refuses(503, "They should not: it drains, or lost what it needs."),
        Route::Metrics => new("Prometheus metrics").answers_with(200, "Text.", Some(plain_text())),
        Route::OpenApi => new("This document").answers_with(
            200,
            "OpenAPI 3.1.",
            Some(json!({ "application/json": { "schema": { "type": "object" } } })),
        ),
        _ => new("That it answers, and where it is").answers(200, "It does.", "Health"),
    }
}

fn stream(config: &EdgeConfig) -> Operation {
    let text = |name, text| query(name, schema_ref("FilterText"), text);
    let resume = || json!({ "type": "string" });
    Operation::new(Tag::Inbox, "The customer's events as they come, as server-sent events")
        .describe(format!(
            "Each message is one event with an `id`, from which a later stream goes on: the header \
             `Last-Event-ID`, which browsers send by themselves, or `last_event_id`. Without either, or \
             `start_time`, it begins now. It has neither a `status` nor an `end_time`, which are refused: \
             each event comes once, when it is accepted, and there is no end. A quiet stream says so every \
             {} ms; one whose reader takes nothing for {} ms is ended. A customer may have {} streams.",
            config.stream.heartbeat_ms, config.http.idle_timeout_ms, config.stream.customer_max
        ))
        .parameters([
            text("event_type", "Of this type."),
            text("source", "Of this source."),
            text("tag", "With this tag."),
            query("last_event_id", resume(), "Where an earlier stream with the same filter ended."),
            header("Last-Event-ID", resume(), "The same; it goes before the query's."),
        ])
        .parameters(times("start_time", "end_time").into_iter().take(1))
        .answers_with(
            200,
            "Until one side ends it.",
            Some(json!({ "text/event-stream": { "schema": { "type": "string" } } })),
        )
        .refuses(429, "The customer has as many streams as there may be.")
}

fn plain_text() -> Value {
    json!({ "text/plain": { "schema": { "type": "string" } } })
}
