//! `sluice usage`: the events that a customer sent, and their outcomes.

use super::call::{ApiCall, Column, Show, Side};
use clap::{Args, ValueEnum};
use http::Method;

const COLUMNS: &[Column] = &[
    ("START", "/start"),
    ("TYPE", "/event_type"),
    ("SUBSCRIPTION", "/workflow_id"),
    ("ACCEPTED", "/accepted"),
    ("BYTES", "/bytes"),
    ("UNMATCHED", "/unmatched"),
    ("DELIVERED", "/delivered"),
    ("FAILED", "/failed"),
    ("P50_MS", "/receipt_ms/p50"),
    ("P99_MS", "/receipt_ms/p99"),
];

#[derive(Debug, Args)]
pub(crate) struct UsageArgs {
    /// Periods from the one that holds this time, in RFC 3339 [default: 60 minutes, 24 hours or 30 days ago]
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Periods that begin before this time, in RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The length of a period
    #[arg(long, default_value = "hour")]
    granularity: GranularityArg,
    /// How to group the counts
    #[arg(long, value_name = "WHAT", default_value = "none")]
    group_by: GroupByArg,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum GranularityArg {
    Minute,
    Hour,
    Day,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum GroupByArg {
    /// In total
    None,
    /// Accepted events by event type
    #[value(name = "event_type")]
    EventType,
    /// Deliveries by subscription
    #[value(name = "workflow_id")]
    WorkflowId,
}

/// How clap and the API write it.
fn name(value: &impl ValueEnum) -> Option<String> {
    value.to_possible_value().map(|value| value.get_name().to_owned())
}

impl UsageArgs {
    pub(super) fn call(&self) -> ApiCall {
        let show = Show::List { list: "usage", columns: COLUMNS };
        ApiCall::new(Side::Public, Method::GET, "/v1/usage", show)
            .param("since", self.since.as_ref())
            .param("until", self.until.as_ref())
            .param("granularity", name(&self.granularity))
            .param("group_by", name(&self.group_by))
    }
}
