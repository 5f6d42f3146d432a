//! Dead letters: listing, redriving and deleting them.

mod list;
mod redrive;
mod remove;
mod summary;

use crate::audited::present;
use crate::describe::parts::{page, query, schema_ref, times, with_value};
use crate::describe::{Operation, Tag};
use crate::error::ApiError;
use crate::request::QueryParams;
use crate::route::{Handler, Root, Route};
use serde_json::{Value, json};
use sluice_model::clock::rfc3339_string;
use sluice_model::{DeadLetter, DeadLetterReason, Scopes};
use sluice_ports::event_store::DeadLetterQuery;

pub(crate) use redrive::IDS_MAX;

/// Dead letters that are read, redriven or deleted at a time.
const STEP: usize = 200;

/// The most dead letters that one request redrives or deletes.
const REQUEST_MAX: usize = 10_000;

pub(super) const ROUTES: &[Route] = &[
    Route {
        name: "list_dead_letters",
        methods: &["GET"],
        path: "/dead-letters",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_READ),
        handler: Handler::DeadLetters(|context, request, _| Box::pin(list::list(context, request))),
        describe: |_| {
            operation("List deliveries that were given up, the oldest first")
                .parameters(filter_parameters())
                .parameters(page())
                .answers(200, "A page of dead letters.", "DeadLetterPage")
        },
    },
    Route {
        name: "delete_dead_letters",
        methods: &["DELETE"],
        path: "/dead-letters",
        root: Root::Versioned(Scopes::DELIVERIES_WRITE),
        handler: Handler::DeadLetters(|context, request, _| Box::pin(remove::many(context, request))),
        describe: |_| {
            operation("Delete the dead letters that a filter names")
                .describe("At least one of the parameters is required.")
                .parameters(filter_parameters().map(with_value))
                .answers(200, "The number of deleted dead letters.", "DeletedMany")
        },
    },
    Route {
        name: "delete_dead_letter",
        methods: &["DELETE"],
        path: "/dead-letters/{id}",
        root: Root::Versioned(Scopes::DELIVERIES_WRITE),
        handler: Handler::DeadLetters(|context, request, _| Box::pin(remove::one(context, request))),
        describe: |_| {
            operation("Delete a dead letter").answers(200, "The dead letter was deleted.", "Deleted")
        },
    },
    Route {
        name: "count_dead_letters",
        methods: &["GET"],
        path: "/dead-letters/summary",
        root: Root::Versioned(Scopes::SUBSCRIPTIONS_READ),
        handler: Handler::DeadLetters(|context, request, _| Box::pin(summary::count(context, request))),
        describe: |_| {
            operation("Count the dead letters that a filter names")
                .describe(format!(
                    "Counts them in total, by reason and by subscription. At most {REQUEST_MAX} are counted; if \
                     there are more, `complete` is false."
                ))
                .parameters(filter_parameters())
                .answers(200, "The counts.", "DeadLetterSummary")
        },
    },
    Route {
        name: "redrive",
        methods: &["POST"],
        path: "/dead-letters/redrive",
        root: Root::Versioned(Scopes::DELIVERIES_WRITE),
        handler: Handler::DeadLetters(|context, request, body| {
            Box::pin(redrive::redrive(context, request, body))
        }),
        describe: |_| {
            operation("Deliver dead letters anew")
                .describe("Each dead letter becomes a new delivery that is due now and has all its attempts.")
                .may_take("Redrive")
                .answers(200, "The numbers of redriven deliveries and events.", "Redriven")
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
        subscription("workflow_id", "Dead letters of this subscription."),
        subscription("subscription_id", "Another name of `workflow_id`."),
        query("reason", schema_ref("DeadLetterReason"), "Given up for this reason."),
    ]
    .into_iter()
    .chain(times("Before this time."))
}

/// The parameters of a filter.
const FILTER: [&str; 7] =
    ["workflow_id", "subscription_id", "reason", "since", "start_time", "until", "end_time"];

/// Which dead letters a request is about.
#[derive(Debug, Clone)]
struct DeadLetterFilter {
    /// The query to the store, for one step.
    query: DeadLetterQuery,
    reason: Option<DeadLetterReason>,
}

impl DeadLetterFilter {
    /// The filter as the audit log records it.
    fn told(&self) -> Value {
        let DeadLetterQuery { since_ms, until_ms, .. } = self.query;
        present(json!({
            "workflow_id": self.query.subscription,
            "since": (since_ms > 0).then(|| rfc3339_string(since_ms)),
            "until": until_ms.map(rfc3339_string),
            "reason": self.reason.map(DeadLetterReason::as_str),
        }))
    }

    /// Whether the filter admits a dead letter that the store chose.
    fn admits(&self, letter: &DeadLetter) -> bool {
        self.reason.is_none_or(|reason| letter.reason == reason)
    }
}

/// The dead letters that a query's filter names.
fn filter(query: &QueryParams<'_>) -> Result<DeadLetterFilter, ApiError> {
    let range = query.range()?;
    let reason = query.text("reason").map(|text| {
        DeadLetterReason::parse(text).ok_or_else(|| {
            let all = DeadLetterReason::ALL.map(DeadLetterReason::as_str).join(", ");
            ApiError::invalid("reason", format!("must be one of {all}"))
        })
    });
    let query = DeadLetterQuery {
        subscription: query.subscription()?,
        since_ms: range.start_ms.unwrap_or(0),
        until_ms: range.end_ms,
        after: None,
        limit: STEP,
    };
    Ok(DeadLetterFilter { query, reason: reason.transpose()? })
}
