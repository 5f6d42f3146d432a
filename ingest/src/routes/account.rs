//! A customer's account: who it is, and how much it used.

mod me;
mod usage;

use crate::describe::parts::{query, schema_ref};
use crate::describe::{Operation, Tag};
use crate::route::{Handler, Root, Route};
use serde_json::json;
use sluice_model::Scopes;
use std::future::ready;

pub(super) const ROUTES: &[Route] = &[
    Route {
        name: "me",
        methods: &["GET"],
        path: "/me",
        root: Root::Versioned(Scopes::NONE),
        handler: Handler::Account(|_, request, _| Box::pin(ready(me::get(request)))),
        describe: |_| {
            operation("Get the customer and the key that the request carries").answers(
                200,
                "The customer and the key.",
                "Me",
            )
        },
    },
    Route {
        name: "usage",
        methods: &["GET"],
        path: "/usage",
        root: Root::Versioned(Scopes::EVENTS_READ),
        handler: Handler::Account(|context, request, _| Box::pin(usage::get(context, request))),
        describe: |_| describe_usage(),
    },
];

const fn operation(summary: &'static str) -> Operation {
    Operation::new(Tag::Account, summary)
}

fn describe_usage() -> Operation {
    let time = |name, text| query(name, schema_ref("QueryTime"), text);
    let granularity = json!({ "type": "string", "enum": ["minute", "hour", "day"], "default": "hour" });
    let group_by =
        json!({ "type": "string", "enum": ["none", "event_type", "workflow_id"], "default": "none" });
    operation("Get numbers of events and bytes by minute, hour or day")
        .describe(format!(
            "Accepted events, their bytes and unmatched events count at the time of their acceptance. \
             Delivered and failed events count at the time when their delivery ended, once for each \
             subscription. The first three counts can be grouped by `event_type`, the last two by `workflow_id`; \
             without a group there are all five. A delivery that is repeated because of a crash counts once; a \
             resend, a redrive or a replay is a new delivery. Empty periods are left out. Counts show some \
             seconds late. An answer has at most {} periods.\n\n\
             `receipt_ms` is the time from the acceptance of delivered events to the 2xx, retries included. It \
             is given for each period, and in `receipts` for the whole range, with the buckets from which it is \
             computed. The buckets are always the same (0, 1, 2, 3, 4, 6, 8, 12, 16, … ms), so those of several \
             answers can be added. A quantile is off by less than half of its true value, or by less than 1 ms, \
             and usually by a few per cent. An event that is resent, redriven or replayed counts with the time \
             since it was accepted. {} subscriptions of a customer have times of their own in a period; the \
             others share one.",
            usage::PERIODS_MAX,
            sluice_history::usage::RECEIPT_SUBSCRIPTIONS_MAX
        ))
        .parameters([
            time(
                "since",
                "Periods from the one that holds this time; by default 60 minutes, 24 hours or 30 days ago.",
            ),
            time("start_time", "Another name of `since`."),
            time("until", "Periods that begin before this time; by default all."),
            time("end_time", "Another name of `until`."),
            query("granularity", granularity, "The length of a period; hours and days are those of UTC."),
            query("group_by", group_by, "How to group the counts."),
        ])
        .answers(200, "The periods, the oldest first.", "Usage")
}
