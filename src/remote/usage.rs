//! `sluice usage`: what a customer sent, and what became of it.

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
    /// From the period that holds this time on, in RFC 3339 [default: 60 minutes, 24 hours or 30 days ago]
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Periods that begin before this time, in RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// How long a period is
    #[arg(long, default_value = "hour")]
    granularity: GranularityArg,
    /// By what the counts are told apart
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
    /// By nothing
    None,
    /// By event type: what was accepted
    #[value(name = "event_type")]
    EventType,
    /// By subscription: what was delivered
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
