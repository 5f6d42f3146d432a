//! `sluice subscription`: what is delivered, where and how. With `--customer`
//! it is an operator's command, on the admin API.

use super::Page;
use super::call::{Call, Column, Id, Json, Show, Side};
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use http::Method;
use serde::Serialize;
use serde_json::Value;

const COLUMNS: &[Column] = &[
    ("ID", "/workflow_id"),
    ("STATUS", "/status"),
    ("SELECTOR", "/event_selector"),
    ("URL", "/webhook_url"),
    ("DESCRIPTION", "/description"),
];
const ATTEMPTS: &[Column] = &[
    ("TIME", "/timestamp"),
    ("WEBHOOK", "/delivery_id"),
    ("ATTEMPT", "/attempt"),
    ("EVENTS", "/event_count"),
    ("STATUS", "/status_code"),
    ("MS", "/latency_ms"),
    ("ERROR", "/error"),
    ("ANSWER", "/answer_excerpt"),
];
const JUDGED: &[Column] = &[
    ("EVENT", "/event_id"),
    ("TYPE", "/event_type"),
    ("MATCHES", "/matches"),
    ("TOO EARLY", "/before_effective_at"),
    ("REASON", "/reason"),
];

/// Commands about subscriptions.
#[derive(Debug, Subcommand)]
pub(crate) enum Subscription {
    /// Make a subscription; its secret is shown this once
    #[command(group = ArgGroup::new("what").required(true))]
    Create {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        selector: SelectorArgs,
        /// Where webhooks go
        #[arg(long)]
        webhook_url: String,
        /// Keep the order of events with the same ordering key, over failures too
        #[arg(long)]
        ordered: bool,
        #[command(flatten)]
        policy: Policy,
    },
    /// List subscriptions, the oldest first
    List {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        page: Page,
    },
    /// Show one
    Get(One),
    /// Change one; what is not given stays
    #[command(group = ArgGroup::new("what"))]
    Update {
        #[command(flatten)]
        one: One,
        #[command(flatten)]
        selector: SelectorArgs,
        /// Where webhooks go
        #[arg(long)]
        webhook_url: Option<String>,
        /// Whether the order of events with the same ordering key is kept
        #[arg(long)]
        ordered: Option<bool>,
        /// Whether it receives events
        #[arg(long)]
        status: Option<Status>,
        #[command(flatten)]
        policy: Policy,
    },
    /// Delete one
    Delete(One),
    /// Make a new secret, shown this once; the old one signs too for a day
    RotateSecret(One),
    /// Let a disabled one receive events again
    Enable(One),
    /// Send a test event; or say which of the newest events it would take, and why not the others
    Test {
        #[command(flatten)]
        one: One,
        /// Look at so many of the newest events and send nothing
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
        last: Option<u16>,
        /// What the test event carries
        #[arg(long, value_name = "JSON", conflicts_with = "last")]
        payload: Option<Json>,
    },
    /// Recent attempts, the newest first
    Deliveries {
        #[command(flatten)]
        one: One,
        /// At most so many (1 to 1000)
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: Option<u16>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Whose {
    /// A customer's, for operators; else the key's own
    #[arg(long, value_name = "ID")]
    customer: Option<Id>,
}

#[derive(Debug, Args)]
pub(crate) struct One {
    #[command(flatten)]
    whose: Whose,
    id: Id,
}

#[derive(Debug, Args)]
pub(crate) struct SelectorArgs {
    /// Events of this type; `order.*` and `*` match by segment
    #[arg(long, value_name = "TYPE", group = "what")]
    event_type: Option<String>,
    /// Events in whose payload this RFC 9535 query selects something
    #[arg(long, value_name = "QUERY", group = "what")]
    jsonpath: Option<String>,
    /// Any selector, as JSON
    #[arg(long, value_name = "JSON", group = "what")]
    selector: Option<Json>,
}

#[derive(Debug, Args)]
pub(crate) struct Policy {
    /// Events of a webhook, at the most
    #[arg(long, value_name = "N")]
    max_events: Option<u32>,
    /// Bytes of a webhook, at the most
    #[arg(long, value_name = "N")]
    max_bytes: Option<u32>,
    /// How long an event waits for company
    #[arg(long, value_name = "MS")]
    max_wait_ms: Option<u32>,
    /// Attempts after the first
    #[arg(long, value_name = "N")]
    max_retries: Option<u32>,
    /// The longest wait between two attempts
    #[arg(long, value_name = "SECONDS")]
    max_delay_s: Option<u32>,
    /// Words about it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Active,
    Disabled,
}

/// What requests say: absent fields stay absent.
#[derive(Default, Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event_selector: Option<Selector<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ordered: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Batch::is_empty")]
    batch: Batch,
    #[serde(skip_serializing_if = "Retry::is_empty")]
    retry: Retry,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Selector<'a> {
    EventType { r#type: &'static str, value: &'a str },
    JsonPath { r#type: &'static str, expression: &'a str },
    Any(&'a Json),
}

#[derive(Default, PartialEq, Serialize)]
struct Batch {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_events: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_wait_ms: Option<u32>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Default, PartialEq, Serialize)]
struct Retry {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_retries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_delay_s: Option<u32>,
}

impl Retry {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Serialize)]
struct Trial<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a Json>,
}

impl SelectorArgs {
    fn body(&self) -> Option<Selector<'_>> {
        let (by_type, by_path) = (self.event_type.as_deref(), self.jsonpath.as_deref());
        by_type
            .map(|value| Selector::EventType { r#type: "event_type", value })
            .or_else(|| by_path.map(|expression| Selector::JsonPath { r#type: "jsonpath", expression }))
            .or_else(|| self.selector.as_ref().map(Selector::Any))
    }
}

impl Policy {
    fn body(&self) -> Body<'_> {
        let Self { max_events, max_bytes, max_wait_ms, max_retries, max_delay_s, .. } = *self;
        Body {
            description: self.description.as_deref(),
            batch: Batch { max_events, max_bytes, max_wait_ms },
            retry: Retry { max_retries, max_delay_s },
            ..Body::default()
        }
    }
}

impl Whose {
    fn call(&self, method: Method, rest: &str, show: Show) -> Call {
        match &self.customer {
            None => Call::new(Side::Public, method, format!("/v1/subscriptions{rest}"), show),
            Some(id) => {
                let path = format!("/admin/customers/{id}/subscriptions{rest}");
                Call::new(Side::Admin, method, path, show)
            }
        }
    }
}

impl One {
    fn call(&self, method: Method, rest: &str, show: Show) -> Call {
        self.whose.call(method, &format!("/{}{rest}", self.id), show)
    }
}

impl Subscription {
    pub(super) fn call(&self) -> anyhow::Result<Call> {
        match self {
            Self::Create { whose, selector, webhook_url, ordered, policy } => {
                let body = Body {
                    event_selector: selector.body(),
                    webhook_url: Some(webhook_url),
                    ordered: ordered.then_some(true),
                    ..policy.body()
                };
                whose.call(Method::POST, "", Show::Fields).json(&body)
            }
            Self::List { whose, page } => {
                let show = Show::List { list: "subscriptions", columns: COLUMNS };
                Ok(whose.call(Method::GET, "", show).page(page))
            }
            Self::Get(one) => Ok(one.call(Method::GET, "", Show::Fields)),
            Self::Update { one, selector, webhook_url, ordered, status, policy } => {
                let body = Body {
                    event_selector: selector.body(),
                    webhook_url: webhook_url.as_deref(),
                    ordered: *ordered,
                    status: *status,
                    ..policy.body()
                };
                one.call(Method::PATCH, "", Show::Fields).json(&body)
            }
            Self::Delete(one) => Ok(one.call(Method::DELETE, "", Show::Done(format!("deleted {}", one.id)))),
            Self::RotateSecret(one) => Ok(one.call(Method::POST, "/rotate-secret", Show::Fields)),
            Self::Enable(one) => Ok(one.call(Method::POST, "/enable", Show::Fields)),
            Self::Test { one, last, payload } => {
                let list = Show::List { list: "events", columns: JUDGED };
                let show = if last.is_some() { list } else { Show::Fields };
                let body = Trial { last: *last, payload: payload.as_ref() };
                Ok(one.call(Method::POST, "/test", show).json(&body)?.fails(not_delivered))
            }
            Self::Deliveries { one, limit } => {
                let show = Show::List { list: "deliveries", columns: ATTEMPTS };
                Ok(one.call(Method::GET, "/deliveries", show).param("limit", *limit))
            }
        }
    }
}

/// A test event that the endpoint did not take.
fn not_delivered(answer: &Value) -> Option<String> {
    (answer["delivered"] == Value::Bool(false)).then(|| "the endpoint did not take the test event".to_owned())
}
