//! Event types: schemas of the payloads of a customer's events.

mod read;
mod trial;
mod wire;
mod write;

pub(crate) use wire::{TYPE_DESCRIPTION_BYTES_MAX, TYPE_NAME_BYTES_MAX};

use crate::describe::parts::{limit, query};
use crate::describe::{Operation, Tag};
use crate::error::ApiError;
use crate::route::{Handler, Root, Route};
use http::StatusCode;
use serde_json::json;
use sluice_model::Scopes;
use sluice_schema::SchemaFault;

pub(super) const ROUTES: &[Route] = &[
    Route {
        name: "list_event_types",
        methods: &["GET"],
        path: "/event-types",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_READ),
        handler: Handler::EventTypes(|_, request, _| Box::pin(std::future::ready(read::list(request)))),
        describe: |_| {
            let cursor = json!({ "type": "string", "description": "The name at which a page ended." });
            operation("List event types, by name")
                .parameters([limit(), query("cursor", cursor, "The cursor of the page before.")])
                .answers(200, "A page of event types.", "EventTypePage")
        },
    },
    Route {
        name: "get_event_type",
        methods: &["GET"],
        path: "/event-types/{name}",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_READ),
        handler: Handler::EventTypes(|_, request, _| Box::pin(std::future::ready(read::get(request)))),
        describe: |_| operation("Get an event type").answers(200, "The event type.", "EventType"),
    },
    Route {
        name: "put_event_type",
        methods: &["PUT"],
        path: "/event-types/{name}",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_WRITE),
        handler: Handler::EventTypes(|context, request, body| Box::pin(write::put(context, request, body))),
        describe: |_| {
            operation("Declare an event type, or replace it")
                .describe(
                    "The schema is JSON Schema 2020-12 over the payload. With `enforce` an event of the type \
                     that does not fit is refused; else it is accepted and counted. `$ref` may only refer to \
                     places inside the schema, and `format` is a note.",
                )
                .takes("NewEventType")
                .answers(200, "The event type was replaced.", "EventType")
                .answers(201, "The event type was made.", "EventType")
                .refuses(409, "The customer has the most event types that it may have.")
        },
    },
    Route {
        name: "delete_event_type",
        methods: &["DELETE"],
        path: "/event-types/{name}",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_WRITE),
        handler: Handler::EventTypes(|context, request, _| Box::pin(write::delete(context, request))),
        describe: |_| {
            operation("Delete an event type").answers_with(204, "The event type was deleted.", None)
        },
    },
    Route {
        name: "test_event_type",
        methods: &["POST"],
        path: "/event-types/{name}/test",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_READ),
        handler: Handler::EventTypes(|context, request, body| Box::pin(trial::test(context, request, body))),
        describe: |_| {
            operation("Check whether a payload fits")
                .describe(
                    "Nothing is sent and nothing is counted. A `schema` in the request is tried instead of the \
                     stored one; then the type need not exist.",
                )
                .takes("EventTypeTrial")
                .answers(200, "Whether the payload fits, and the places that do not.", "EventTypeResult")
        },
    },
];

const fn operation(summary: &'static str) -> Operation {
    Operation::new(Tag::EventTypes, summary)
}

/// The refusal of a schema, which says where in it the fault is.
fn invalid_schema(fault: SchemaFault) -> ApiError {
    let SchemaFault { pointer, message } = fault;
    ApiError::new(StatusCode::BAD_REQUEST, "INVALID_SCHEMA", message)
        .details(json!({ "field": "schema", "pointer": pointer }))
}
