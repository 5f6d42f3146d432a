//! Dead letters: listing, redriving and deleting them.

mod list;
mod redrive;
mod remove;

use crate::describe::parts::{page, query, schema_ref, times};
use crate::describe::{Operation, Tag};
use crate::error::ApiError;
use crate::request::QueryParams;
use crate::route::{Handler, Root, Route};
use serde_json::Value;
use sluice_ports::event_store::DeadLetterQuery;

/// Dead letters that are read, redriven or deleted at a time.
const STEP: usize = 200;

/// The most dead letters that one request redrives or deletes.
const REQUEST_MAX: usize = 10_000;

pub(super) const ROUTES: &[Route] = &[
    Route {
        name: "list_dead_letters",
        methods: &["GET"],
        path: "/dead-letters",
        root: Root::Versioned,
        handler: Handler::DeadLetters(|context, request, _| Box::pin(list::list(context, request))),
        describe: |_| {
            operation("Deliveries that were given up, the oldest first")
                .parameters(filter_parameters())
                .parameters(page())
                .answers(200, "A page.", "DeadLetterPage")
        },
    },
    Route {
        name: "delete_dead_letters",
        methods: &["DELETE"],
        path: "/dead-letters",
        root: Root::Versioned,
        handler: Handler::DeadLetters(|context, request, _| Box::pin(remove::many(context, request))),
        describe: |_| {
            operation("Delete the dead letters that a filter names")
                .describe("At least one of the parameters is needed.")
                .parameters(filter_parameters())
                .answers(200, "How many.", "DeletedMany")
        },
    },
    Route {
        name: "delete_dead_letter",
        methods: &["DELETE"],
        path: "/dead-letters/{id}",
        root: Root::Versioned,
        handler: Handler::DeadLetters(|context, request, _| Box::pin(remove::one(context, request))),
        describe: |_| operation("Delete a dead letter").answers(200, "How many.", "Deleted"),
    },
    Route {
        name: "redrive",
        methods: &["POST"],
        path: "/dead-letters/redrive",
        root: Root::Versioned,
        handler: Handler::DeadLetters(|context, request, body| {
            Box::pin(redrive::redrive(context, request, body))
        }),
        describe: |_| {
            operation("Deliver dead letters anew")
                .describe("Each becomes a new delivery, due now, with its attempts before it.")
                .may_take("Redrive")
                .answers(200, "What was redriven.", "Redriven")
                .refuses(404, "There is no such subscription.")
                .refuses(409, "The subscription is disabled.")
        },
    },
];

const fn operation(summary: &'static str) -> Operation {
    Operation::new(Tag::DeadLetters, summary)
}

fn filter_parameters() -> impl Iterator<Item = Value> {
    let subscription = |name, text| query(name, schema_ref("Id"), text);
    [
        subscription("workflow_id", "Of this subscription."),
        subscription("subscription_id", "Another name of `workflow_id`."),
    ]
    .into_iter()
    .chain(times())
}

/// The parameters of a filter.
const FILTER: [&str; 6] = ["workflow_id", "subscription_id", "since", "start_time", "until", "end_time"];

/// The dead letters that a query's filter names, a step of them.
fn filter(query: &QueryParams<'_>) -> Result<DeadLetterQuery, ApiError> {
    let range = query.range()?;
    Ok(DeadLetterQuery {
        subscription: query.subscription()?,
        since_ms: range.start_ms.unwrap_or(0),
        until_ms: range.end_ms,
        after: None,
        limit: STEP,
    })
}
