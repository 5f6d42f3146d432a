//! Subscriptions.

mod change;
mod create;
mod deliveries;
mod headers;
mod read;
mod secret;
mod shape;
mod transform;
mod trial;
mod webhook_url;
mod wire;

pub(crate) use headers::MASK as HEADER_MASK;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use webhook_url::check as check_webhook_url;
pub(crate) use wire::{DESCRIPTION_BYTES_MAX, SUBSCRIPTION_RATE_MAX};

use crate::describe::parts::{limit, page_by_id};
use crate::describe::{Operation, Tag};
use crate::error::ApiError;
use crate::route::{Handler, Root, Route};
use http::StatusCode;
use serde_json::json;
use serde_json::value::RawValue;
use sluice_model::subscription::DeliveryShape;
use sluice_model::{Scopes, Subscription, SubscriptionStatus};
use sluice_ports::catalogue::CatalogueError;
use sluice_selector::Selector;

pub(super) const ROUTES: &[Route] = &[
    Route {
        name: "create_subscription",
        methods: &["POST"],
        path: "/subscriptions",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_WRITE),
        handler: Handler::Subscriptions(|context, request, body| {
            Box::pin(create::create(context, request, body))
        }),
        describe: |_| {
            operation("Make a subscription")
                .describe("Events accepted from `effective_at` on count. `secret` is shown this once.")
                .takes("NewSubscription")
                .answers(201, "It is there.", "SubscriptionWithSecret")
                .refuses(409, "The customer has as many as there may be.")
        },
    },
    Route {
        name: "list_subscriptions",
        methods: &["GET"],
        path: "/subscriptions",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_READ),
        handler: Handler::Subscriptions(|_, request, _| Box::pin(std::future::ready(read::list(request)))),
        describe: |_| {
            operation("All subscriptions, the oldest first").parameters(page_by_id()).answers(
                200,
                "A page.",
                "SubscriptionPage",
            )
        },
    },
    Route {
        name: "get_subscription",
        methods: &["GET"],
        path: "/subscriptions/{id}",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_READ),
        handler: Handler::Subscriptions(|_, request, _| Box::pin(std::future::ready(read::get(request)))),
        describe: |_| operation("One subscription").answers(200, "It.", "Subscription"),
    },
    Route {
        name: "patch_subscription",
        methods: &["PATCH"],
        path: "/subscriptions/{id}",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_WRITE),
        handler: Handler::Subscriptions(|context, request, body| {
            Box::pin(change::patch(context, request, body))
        }),
        describe: |_| {
            operation("Change a subscription; what is absent stays")
                .takes("SubscriptionChange")
                .answers(200, "As it is now.", "Subscription")
                .refuses(409, "Others change it at the same time.")
        },
    },
    Route {
        name: "delete_subscription",
        methods: &["DELETE"],
        path: "/subscriptions/{id}",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_WRITE),
        handler: Handler::Subscriptions(|_, request, _| Box::pin(change::delete(request))),
        describe: |_| operation("Delete a subscription").answers_with(204, "It is gone.", None),
    },
    Route {
        name: "rotate_secret",
        methods: &["POST"],
        path: "/subscriptions/{id}/rotate-secret",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_WRITE),
        handler: Handler::Subscriptions(|context, request, body| {
            Box::pin(secret::rotate(context, request, body))
        }),
        describe: |_| {
            operation("Make a new secret")
                .describe("The old ones sign too for 24 hours, or for `keep_s` seconds at the most.")
                .may_take("Rotation")
                .answers(200, "With its new secret, shown this once.", "SubscriptionWithSecret")
                .refuses(409, "Others change it at the same time.")
        },
    },
    Route {
        name: "enable_subscription",
        methods: &["POST"],
        path: "/subscriptions/{id}/enable",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_WRITE),
        handler: Handler::Subscriptions(|_, request, _| Box::pin(change::enable(request))),
        describe: |_| {
            operation("Let a disabled subscription receive events again")
                .answers(200, "As it is now.", "Subscription")
                .refuses(409, "Others change it at the same time.")
        },
    },
    Route {
        name: "test_event",
        methods: &["POST"],
        path: "/subscriptions/{id}/test",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_WRITE),
        handler: Handler::Subscriptions(|context, request, body| {
            Box::pin(trial::run(context, request, body))
        }),
        describe: |_| {
            operation("Try a subscription out")
                .describe(
                    "Sends a test event; or, with `last`, says which of the newest events it would take.",
                )
                .may_take("Trial")
                .answers(200, "What came of it.", "TrialResult")
                .refuses(409, "The stored selector is not valid any more.")
        },
    },
    Route {
        name: "test_transform",
        methods: &["POST"],
        path: "/subscriptions/{id}/transform/test",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_READ.and(Scopes::EVENTS_READ)),
        handler: Handler::Subscriptions(|context, request, body| {
            Box::pin(transform::test(context, request, body))
        }),
        describe: |_| {
            operation("See what a webhook of an event looks like")
                .describe(
                    "Nothing is sent. With `template` or `body`, those are tried instead of the stored ones.",
                )
                .may_take("TransformTrial")
                .answers(200, "The webhook's body, or why there is none.", "TransformResult")
        },
    },
    Route {
        name: "judge_selector",
        methods: &["POST"],
        path: "/subscriptions/judge",
        root: Root::Versioned(Scopes::EVENTS_READ),
        handler: Handler::Subscriptions(|context, request, body| {
            Box::pin(trial::judge_draft(context, request, body))
        }),
        describe: |_| {
            operation("Try a selector out, before it is stored")
                .describe(
                    "Says which of the newest events it matches and why, or judges the `event` that is sent.",
                )
                .takes("SelectorTrial")
                .answers(200, "The verdicts.", "Judgement")
        },
    },
    Route {
        name: "list_deliveries",
        methods: &["GET"],
        path: "/subscriptions/{id}/deliveries",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_READ),
        handler: Handler::Subscriptions(|context, request, _| Box::pin(deliveries::list(context, request))),
        describe: |_| {
            operation("Recent attempts, the newest first").parameters([limit()]).answers(
                200,
                "Attempts of the last week.",
                "Attempts",
            )
        },
    },
    Route {
        name: "subscription_health",
        methods: &["GET"],
        path: "/subscriptions/{id}/health",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_READ),
        handler: Handler::Subscriptions(|context, request, _| {
            Box::pin(std::future::ready(read::health(context, request)))
        }),
        describe: |_| {
            operation("What waits for the subscription's endpoint, and whether webhooks go to it")
                .describe(
                    "On the distributed engine, as far as this process put or took it itself. `breaker` is null if \
                     this process has not sent to the endpoint lately; while it is `open`, deliveries wait until \
                     `breaker_until` without spending attempts.",
                )
                .answers(200, "As it is now.", "SubscriptionHealth")
        },
    },
    Route {
        name: "test_subscription",
        methods: &["POST"],
        path: "/admin/test-subscription",
        root: Root::Operators,
        handler: Handler::Subscriptions(|context, request, body| {
            Box::pin(create::test_subscription(context, request, body))
        }),
        describe: |_| {
            Operation::new(Tag::Development, "A subscription that takes everything, or what it is told")
                .takes("TestSubscription")
                .answers(201, "It is there.", "SubscriptionWithSecret")
                .refuses(404, "Not in this environment, or there is no such customer.")
                .refuses(409, "The customer has as many as there may be.")
        },
    },
];

/// Deliveries are queued only for a subscription that is not disabled.
pub(super) fn check_active(subscription: &Subscription) -> Result<(), ApiError> {
    if subscription.status != SubscriptionStatus::Active {
        return Err(ApiError::conflict("the subscription is disabled; enable it first"));
    }
    Ok(())
}

/// The shape of a delivery that the API queues: the shape that its subscription has
/// when a worker first takes the delivery.
pub(super) fn new_delivery_shape(subscription: &Subscription) -> DeliveryShape {
    if subscription.shape.is_plain() { DeliveryShape::Plain } else { DeliveryShape::Unpinned }
}

const fn operation(summary: &'static str) -> Operation {
    Operation::new(Tag::Subscriptions, summary)
}

/// The selector's text, if it is valid.
fn checked_selector(selector: &RawValue) -> Result<String, ApiError> {
    match Selector::parse(selector.get()) {
        Ok(selector) => Ok(selector.original().to_owned()),
        Err(error) => Err(ApiError::new(StatusCode::BAD_REQUEST, "INVALID_SELECTOR", error.to_string())
            .details(json!({ "field": "event_selector", "pointer": error.pointer }))),
    }
}

/// The catalogue's error, which names the subscription if it is missing.
fn catalogue_error(error: CatalogueError) -> ApiError {
    match error {
        CatalogueError::NotFound => ApiError::not_found("subscription"),
        other => other.into(),
    }
}
