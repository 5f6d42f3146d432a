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
use serde_json::value::RawValue;
use serde_json::{Value, json};
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
                .describe(
                    "It gets the events that are accepted from `effective_at` on. `secret` is shown only in \
                     this answer.",
                )
                .takes("NewSubscription")
                .answers(201, "The subscription was made.", "SubscriptionWithSecret")
                .refuses(409, "The customer has the most subscriptions that it may have.")
        },
    },
    Route {
        name: "list_subscriptions",
        methods: &["GET"],
        path: "/subscriptions",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_READ),
        handler: Handler::Subscriptions(|_, request, _| Box::pin(std::future::ready(read::list(request)))),
        describe: |_| {
            operation("List subscriptions, the oldest first").parameters(page_by_id()).answers(
                200,
                "A page of subscriptions.",
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
        describe: |_| operation("Get a subscription").answers(200, "The subscription.", "Subscription"),
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
            operation("Change a subscription; absent fields stay as they are")
                .takes("SubscriptionChange")
                .answers(200, "The subscription after the change.", "Subscription")
                .refuses(409, "Other requests change the subscription at the same time.")
        },
    },
    Route {
        name: "delete_subscription",
        methods: &["DELETE"],
        path: "/subscriptions/{id}",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_WRITE),
        handler: Handler::Subscriptions(|_, request, _| Box::pin(change::delete(request))),
        describe: |_| {
            operation("Delete a subscription").answers_with(204, "The subscription was deleted.", None)
        },
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
                .describe("The old secrets also sign for 24 hours, or for at most `keep_s` seconds.")
                .may_take("Rotation")
                .answers(
                    200,
                    "The subscription with its new secret, which only this answer shows.",
                    "SubscriptionWithSecret",
                )
                .refuses(409, "Other requests change the subscription at the same time.")
        },
    },
    Route {
        name: "enable_subscription",
        methods: &["POST"],
        path: "/subscriptions/{id}/enable",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_WRITE),
        handler: Handler::Subscriptions(|_, request, _| Box::pin(change::enable(request))),
        describe: |_| {
            operation("Enable a disabled subscription")
                .answers(200, "The subscription after the change.", "Subscription")
                .refuses(409, "Other requests change the subscription at the same time.")
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
                    "Sends a test event; or, with `last`, says which of the newest events the subscription matches.",
                )
                .may_take("Trial")
                .answers(200, "The endpoint's answer, or the verdicts.", "TrialResult")
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
            operation("Show the webhook that an event would make")
                .describe(
                    "Nothing is sent. A `template` or `body` in the request is tried instead of the stored one.",
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
                    "Says which of the newest events the selector matches and why the others do not, or judges \
                     the `event` in the request.",
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
            operation("List recent attempts, the newest first").parameters([limit()]).answers(
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
            operation("Get the backlog and the breaker of a subscription's endpoint")
                .describe(
                    "On the distributed engine the backlog counts only deliveries that this process put into or \
                     took from the queue. `breaker` is null if this process has not sent to the endpoint lately; \
                     while it is `open`, deliveries wait until `breaker_until` without spending attempts.",
                )
                .answers(200, "The present backlog and breaker.", "SubscriptionHealth")
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
            Operation::new(Tag::Development, "Make a subscription to every event, or to a given selector")
                .takes("TestSubscription")
                .answers(201, "The subscription was made.", "SubscriptionWithSecret")
                .refuses(404, "This environment does not have the route, or there is no such customer.")
                .refuses(409, "The customer has the most subscriptions that it may have.")
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
    // Clients must be able to read what they get back: selectors take half of a surrogate
    // pair and numbers of any size, most parsers do not.
    if let Err(error) = serde_json::from_str::<Value>(selector.get()) {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "INVALID_SELECTOR", error.to_string())
            .details(json!({ "field": "event_selector" })));
    }
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
