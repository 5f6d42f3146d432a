//! `sluice subscription`: which events are delivered, where and how.

mod options;

use super::PageOptions;
use super::call::{ApiCall, Column, Id, Json, Show, Side};
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use http::Method;
use options::{BodyArg, FirstSecretArgs, SignatureArg, WebhookArgs, WebhookOptionsBody};
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
pub(crate) enum SubscriptionCommand {
    /// Make a subscription; its secret is shown this once
    #[command(group = ArgGroup::new("what").required(true))]
    Create {
        #[command(flatten)]
        selector: SelectorArgs,
        /// Where webhooks go
        #[arg(long)]
        webhook_url: String,
        /// Keep the order of events with the same ordering key, even through failures
        #[arg(long)]
        ordered: bool,
        #[command(flatten)]
        secret: FirstSecretArgs,
        #[command(flatten)]
        webhook: WebhookArgs,
        #[command(flatten)]
        policy: PolicyArgs,
    },
    /// List subscriptions, the oldest first
    List(PageOptions),
    /// Show a subscription
    Get(OneSubscription),
    /// Change a subscription; options that are not given leave their fields as they are
    #[command(group = ArgGroup::new("what"))]
    Update {
        #[command(flatten)]
        one: OneSubscription,
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
        status: Option<SubscriptionStatusArg>,
        #[command(flatten)]
        webhook: WebhookArgs,
        #[command(flatten)]
        policy: PolicyArgs,
    },
    /// Delete a subscription
    Delete(OneSubscription),
    /// Make a new secret, shown this once; the old secrets sign too for a day
    RotateSecret {
        #[command(flatten)]
        one: OneSubscription,
        /// How long the old secrets sign too, instead of a day; 0 if a secret has leaked
        #[arg(long, value_name = "SECONDS")]
        keep_s: Option<u64>,
        /// How the new secret signs
        #[arg(long, value_name = "SCHEME")]
        signature: Option<SignatureArg>,
    },
    /// Enable a disabled subscription again
    Enable(OneSubscription),
    /// Send a test event; or say which of the newest events match, and why the others do not
    Test {
        #[command(flatten)]
        one: OneSubscription,
        /// Look at this many of the newest events and send nothing
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
        last: Option<u16>,
        /// The test event's payload
        #[arg(long, value_name = "JSON", conflicts_with = "last")]
        payload: Option<Json>,
    },
    /// Show the webhook that an event would make, or why its template fails; nothing is sent
    TestTransform {
        #[command(flatten)]
        one: OneSubscription,
        /// A stored event [default: a made-up event]
        #[arg(long, value_name = "ID", conflicts_with_all = ["event_type", "payload"])]
        event: Option<Id>,
        /// The type of the made-up event
        #[arg(long, value_name = "TYPE")]
        event_type: Option<String>,
        /// The payload of the made-up event
        #[arg(long, value_name = "JSON")]
        payload: Option<Json>,
        /// A template to try instead of the stored one
        #[arg(long, value_name = "JSON")]
        template: Option<Json>,
        /// A form of the body to try instead of the stored one
        #[arg(long, value_name = "FORM")]
        body: Option<BodyArg>,
    },
    /// List recent attempts, the newest first
    Deliveries {
        #[command(flatten)]
        one: OneSubscription,
        /// Attempts to list, at most (1 to 1000)
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: Option<u16>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct OneSubscription {
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
pub(crate) struct PolicyArgs {
    /// Events of a webhook, at the most
    #[arg(long, value_name = "N")]
    max_events: Option<u32>,
    /// Bytes of a webhook, at the most
    #[arg(long, value_name = "N")]
    max_bytes: Option<u32>,
    /// How long an event waits for others to share its webhook
    #[arg(long, value_name = "MS")]
    max_wait_ms: Option<u32>,
    /// Attempts after the first
    #[arg(long, value_name = "N")]
    max_retries: Option<u32>,
    /// The longest wait between two attempts
    #[arg(long, value_name = "SECONDS")]
    max_delay_s: Option<u32>,
    /// What to do with a delivery that is answered with a final 4xx
    #[arg(long, value_name = "WAY")]
    client_errors: Option<ClientErrorsArg>,
    /// A note about the subscription
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientErrorsArg {
    /// A dead letter at once
    DeadLetter,
    /// Retried like a 5xx
    Retry,
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SubscriptionStatusArg {
    Active,
    Disabled,
}

/// The body of a request; fields that are not given are left out.
#[derive(Default, Serialize)]
struct SubscriptionBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event_selector: Option<SelectorBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ordered: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<SubscriptionStatusArg>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "BatchBody::is_empty")]
    batch: BatchBody,
    #[serde(skip_serializing_if = "RetryBody::is_empty")]
    retry: RetryBody,
    #[serde(flatten)]
    secret: Option<&'a FirstSecretArgs>,
    #[serde(flatten)]
    webhook: Option<WebhookOptionsBody<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum SelectorBody<'a> {
    EventType { r#type: &'static str, value: &'a str },
    JsonPath { r#type: &'static str, expression: &'a str },
    Any(&'a Json),
}

#[derive(Default, PartialEq, Serialize)]
struct BatchBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_events: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_wait_ms: Option<u32>,
}

impl BatchBody {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Default, PartialEq, Serialize)]
struct RetryBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_retries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_delay_s: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_errors: Option<ClientErrorsArg>,
}

impl RetryBody {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Serialize)]
struct RotationBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<SignatureArg>,
}

#[derive(Serialize)]
struct TransformTestBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<BodyArg>,
}

#[derive(Serialize)]
struct TestBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a Json>,
}

impl SelectorArgs {
    fn body(&self) -> Option<SelectorBody<'_>> {
        let (by_type, by_path) = (self.event_type.as_deref(), self.jsonpath.as_deref());
        by_type
            .map(|value| SelectorBody::EventType { r#type: "event_type", value })
            .or_else(|| by_path.map(|expression| SelectorBody::JsonPath { r#type: "jsonpath", expression }))
            .or_else(|| self.selector.as_ref().map(SelectorBody::Any))
    }
}

impl PolicyArgs {
    fn body(&self) -> SubscriptionBody<'_> {
        let Self { max_events, max_bytes, max_wait_ms, max_retries, max_delay_s, client_errors, .. } = *self;
        SubscriptionBody {
            description: self.description.as_deref(),
            batch: BatchBody { max_events, max_bytes, max_wait_ms },
            retry: RetryBody { max_retries, max_delay_s, client_errors },
            ..SubscriptionBody::default()
        }
    }
}

fn call(method: Method, rest: &str, show: Show) -> ApiCall {
    ApiCall::new(Side::Public, method, format!("/v1/subscriptions{rest}"), show)
}

impl OneSubscription {
    fn call(&self, method: Method, rest: &str, show: Show) -> ApiCall {
        call(method, &format!("/{}{rest}", self.id), show)
    }
}

impl SubscriptionCommand {
    pub(super) fn call(&self) -> anyhow::Result<ApiCall> {
        match self {
            Self::Create { selector, webhook_url, ordered, secret, webhook, policy } => {
                let body = SubscriptionBody {
                    event_selector: selector.body(),
                    webhook_url: Some(webhook_url),
                    ordered: ordered.then_some(true),
                    secret: Some(secret),
                    webhook: Some(webhook.body()?),
                    ..policy.body()
                };
                call(Method::POST, "", Show::Fields).json(&body)
            }
            Self::List(page) => {
                let show = Show::List { list: "subscriptions", columns: COLUMNS };
                Ok(call(Method::GET, "", show).page(page))
            }
            Self::Get(one) => Ok(one.call(Method::GET, "", Show::Fields)),
            Self::Update { one, selector, webhook_url, ordered, status, webhook, policy } => {
                let body = SubscriptionBody {
                    event_selector: selector.body(),
                    webhook_url: webhook_url.as_deref(),
                    ordered: *ordered,
                    status: *status,
                    webhook: Some(webhook.body()?),
                    ..policy.body()
                };
                one.call(Method::PATCH, "", Show::Fields).json(&body)
            }
            Self::Delete(one) => Ok(one.call(Method::DELETE, "", Show::Done(format!("deleted {}", one.id)))),
            Self::RotateSecret { one, keep_s, signature } => {
                let body = RotationBody { keep_s: *keep_s, signature: *signature };
                one.call(Method::POST, "/rotate-secret", Show::Fields).json(&body)
            }
            Self::TestTransform { one, event, event_type, payload, template, body } => {
                let event = event.as_ref().map(ToString::to_string);
                let body = TransformTestBody {
                    event_id: event.as_deref(),
                    event_type: event_type.as_deref(),
                    payload: payload.as_ref(),
                    template: template.as_ref(),
                    body: *body,
                };
                let call = one.call(Method::POST, "/transform/test", Show::Fields).json(&body)?;
                Ok(call.fails(not_transformed))
            }
            Self::Enable(one) => Ok(one.call(Method::POST, "/enable", Show::Fields)),
            Self::Test { one, last, payload } => {
                let list = Show::List { list: "events", columns: JUDGED };
                let show = if last.is_some() { list } else { Show::Fields };
                let body = TestBody { last: *last, payload: payload.as_ref() };
                Ok(one.call(Method::POST, "/test", show).json(&body)?.fails(not_delivered))
            }
            Self::Deliveries { one, limit } => {
                let show = Show::List { list: "deliveries", columns: ATTEMPTS };
                Ok(one.call(Method::GET, "/deliveries", show).param("limit", *limit))
            }
        }
    }
}

/// Says why the template failed on the event, if it did.
fn not_transformed(answer: &Value) -> Option<String> {
    let message = answer["error"]["message"].as_str().unwrap_or("the template failed");
    (answer["ok"] == Value::Bool(false)).then(|| message.to_owned())
}

/// Says why the endpoint did not accept the test event, if it did not.
fn not_delivered(answer: &Value) -> Option<String> {
    (answer["delivered"] == Value::Bool(false)).then(|| "the endpoint did not take the test event".to_owned())
}
