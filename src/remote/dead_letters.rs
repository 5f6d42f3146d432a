//! `sluice dead-letters`: deliveries that were given up.

use super::PageOptions;
use super::call::{ApiCall, Column, Id, Show, Side};
use clap::{Args, Subcommand};
use http::Method;
use serde::Serialize;

const PATH: &str = "/v1/dead-letters";
const COLUMNS: &[Column] = &[
    ("ID", "/dead_letter_id"),
    ("SUBSCRIPTION", "/workflow_id"),
    ("REASON", "/reason"),
    ("EVENTS", "/event_count"),
    ("ATTEMPTS", "/attempts"),
    ("STATUS", "/last_status"),
    ("ERROR", "/last_error"),
    ("CREATED", "/created_at"),
];

/// Commands about dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// List dead letters, the oldest first
    List {
        #[command(flatten)]
        filter: DeadLetterSelection,
        #[command(flatten)]
        page: PageOptions,
    },
    /// Deliver dead letters anew
    Redrive {
        #[command(flatten)]
        filter: DeadLetterSelection,
        /// Dead letters to redrive, at most (1 to 10000)
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
        limit: Option<u16>,
    },
    /// Delete a dead letter, or those that a filter names
    #[command(arg_required_else_help = true)]
    Delete {
        #[arg(conflicts_with_all = ["subscription", "since", "until"], required_unless_present_any = ["subscription", "since", "until"])]
        id: Option<Id>,
        #[command(flatten)]
        filter: DeadLetterSelection,
    },
}

#[derive(Debug, Args, Serialize)]
pub(crate) struct DeadLetterSelection {
    /// Dead letters of this subscription
    #[arg(long, value_name = "ID")]
    #[serde(rename = "workflow_id", skip_serializing_if = "Option::is_none")]
    subscription: Option<Id>,
    /// Given up at this time or later, in RFC 3339
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// Given up before this time, in RFC 3339
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

#[derive(Serialize)]
struct RedriveBody<'a> {
    #[serde(flatten)]
    filter: &'a DeadLetterSelection,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u16>,
}

impl DeadLetterSelection {
    fn onto(&self, call: ApiCall) -> ApiCall {
        call.param("workflow_id", self.subscription.as_ref())
            .param("since", self.since.as_ref())
            .param("until", self.until.as_ref())
    }
}

impl DeadLettersCommand {
    pub(super) fn call(&self) -> anyhow::Result<ApiCall> {
        let call = |method, path: String, show| ApiCall::new(Side::Public, method, path, show);
        match self {
            Self::List { filter, page } => {
                let show = Show::List { list: "dead_letters", columns: COLUMNS };
                Ok(filter.onto(call(Method::GET, PATH.into(), show)).page(page))
            }
            Self::Redrive { filter, limit } => {
                let body = RedriveBody { filter, limit: *limit };
                call(Method::POST, format!("{PATH}/redrive"), Show::Fields).json(&body)
            }
            Self::Delete { id: Some(id), .. } => {
                Ok(call(Method::DELETE, format!("{PATH}/{id}"), Show::Fields))
            }
            Self::Delete { id: None, filter } => {
                Ok(filter.onto(call(Method::DELETE, PATH.into(), Show::Fields)))
            }
        }
    }
}
