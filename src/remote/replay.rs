//! `sluice replay`: history delivered again to one subscription.

use super::PageOptions;
use super::call::{ApiCall, Column, Id, Show, Side};
use clap::{Args, Subcommand};
use http::Method;
use serde::Serialize;

const PATH: &str = "/v1/replay";
const COLUMNS: &[Column] = &[
    ("ID", "/replay_id"),
    ("SUBSCRIPTION", "/workflow_id"),
    ("STATUS", "/status"),
    ("FROM", "/start_time"),
    ("TO", "/end_time"),
    ("SCANNED", "/scanned"),
    ("QUEUED", "/queued"),
];

/// Commands about replays.
#[derive(Debug, Subcommand)]
pub(crate) enum ReplayCommand {
    /// Start a replay
    Start(StartReplay),
    /// List replays
    List(PageOptions),
    /// Show a replay and how far it is
    Get { id: Id },
    /// Cancel a replay: no further events are queued
    Cancel { id: Id },
}

#[derive(Debug, Args, Serialize)]
pub(crate) struct StartReplay {
    /// The subscription to deliver to
    #[arg(long, value_name = "ID")]
    #[serde(rename = "workflow_id")]
    subscription: Id,
    /// Events accepted at this time or later, in RFC 3339 [default: all]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<String>,
    /// Events accepted before this time, in RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<String>,
    /// Only count the events that would be delivered
    #[arg(long)]
    dry_run: bool,
    /// Events a second, at the most
    #[arg(long = "rate", value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_per_second: Option<u32>,
}

impl ReplayCommand {
    pub(super) fn call(&self) -> anyhow::Result<ApiCall> {
        let call = |method, path: String, show| ApiCall::new(Side::Public, method, path, show);
        match self {
            Self::Start(start) => call(Method::POST, PATH.into(), Show::Fields).json(start),
            Self::List(page) => {
                let show = Show::List { list: "replays", columns: COLUMNS };
                Ok(call(Method::GET, PATH.into(), show).page(page))
            }
            Self::Get { id } => Ok(call(Method::GET, format!("{PATH}/{id}"), Show::Fields)),
            Self::Cancel { id } => Ok(call(Method::DELETE, format!("{PATH}/{id}"), Show::Fields)),
        }
    }
}
