//! `sluice events`: send, look at, acknowledge and resend events.

use super::PageOptions;
use super::call::{ApiCall, Column, Id, Json, Show, Side};
use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde::Serialize;
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The most bytes of a request; the server's own limit is lower.
const BODY_BYTES_MAX: u64 = 64 << 20;

const COLUMNS: &[Column] = &[
    ("ID", "/event_id"),
    ("TYPE", "/event_type"),
    ("STATUS", "/status"),
    ("TIME", "/timestamp"),
    ("ATTEMPTS", "/delivery_attempts"),
    ("PAYLOAD", "/payload"),
];
const SENT: &[Column] = &[("INDEX", "/index"), ("ID", "/event_id"), ("ERROR", "/error/message")];
const ACKS: &[Column] = &[("ID", "/event_id"), ("RESULT", "/status"), ("ACKNOWLEDGED", "/acknowledged_at")];

const ATTEMPTS: &[Column] = &[
    ("TIME", "/timestamp"),
    ("SUBSCRIPTION", "/workflow_id"),
    ("WEBHOOK", "/delivery_id"),
    ("ATTEMPT", "/attempt"),
    ("STATUS", "/status_code"),
    ("MS", "/latency_ms"),
    ("ERROR", "/error"),
    ("ANSWER", "/answer_excerpt"),
];

const RESENT: &[Column] = &[("SUBSCRIPTION", "/workflow_id"), ("WEBHOOK", "/delivery_id")];

/// Commands about events.
#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Send one event, or the events of a file
    Send(SendArgs),
    /// Show an event and its status
    Get { id: Id },
    /// List the inbox: events that are not acknowledged yet, the oldest first
    List(ListArgs),
    /// Acknowledge events
    Ack {
        #[arg(required = true, num_args = 1..=1000)]
        ids: Vec<Id>,
    },
    /// List the kept attempts to deliver an event, the newest first
    Attempts {
        id: Id,
        /// Only attempts for this subscription
        #[arg(long, value_name = "ID")]
        subscription: Option<Id>,
    },
    /// Deliver an event anew, to one subscription or to all that match it
    Resend {
        id: Id,
        /// Only to this subscription
        #[arg(long, value_name = "ID")]
        subscription: Option<Id>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// The event's payload
    #[arg(long, value_name = "JSON", required_unless_present = "file", conflicts_with = "file")]
    payload: Option<Json>,
    /// Events from a file, `-` for standard input: an event, an array, or one event a line
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The event's type, such as order.created
    #[arg(long = "type", value_name = "TYPE", conflicts_with = "file")]
    event_type: Option<String>,
    /// The event's source
    #[arg(long, conflicts_with = "file")]
    source: Option<String>,
    /// A tag; may be given several times
    #[arg(long = "tag", value_name = "TAG", conflicts_with = "file")]
    tags: Vec<String>,
    /// Events with the same key keep their order
    #[arg(long, value_name = "KEY", conflicts_with = "file")]
    ordering_key: Option<String>,
    /// Idempotency key: the events are accepted once, however often they are sent with it
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    page: PageOptions,
    /// Events with this status
    #[arg(long)]
    status: Option<EventStatusArg>,
    /// Events of this type
    #[arg(long, value_name = "TYPE")]
    event_type: Option<String>,
    /// Events of this source
    #[arg(long)]
    source: Option<String>,
    /// Events with this tag
    #[arg(long)]
    tag: Option<String>,
    /// Accepted at this time or later, in RFC 3339
    #[arg(long, value_name = "TIME")]
    start_time: Option<String>,
    /// Accepted before this time, in RFC 3339
    #[arg(long, value_name = "TIME")]
    end_time: Option<String>,
    /// Which events come first
    #[arg(long)]
    order: Option<OrderArg>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum EventStatusArg {
    Pending,
    Delivered,
    Failed,
    Unmatched,
    Acknowledged,
    /// Any status
    Any,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum OrderArg {
    /// The oldest
    Asc,
    /// The newest
    Desc,
}

/// How clap and the API write it.
fn name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

#[derive(Serialize)]
struct EventBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event_type: Option<&'a str>,
    payload: &'a Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    ordering_key: Option<&'a str>,
}

#[derive(Serialize)]
struct AckRequest<'a> {
    event_ids: &'a [Id],
}

#[derive(Serialize)]
struct ResendBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_id: Option<&'a Id>,
}

impl EventsCommand {
    pub(super) fn call(&self) -> anyhow::Result<ApiCall> {
        let get = |path: String, show| ApiCall::new(Side::Public, Method::GET, path, show);
        match self {
            Self::Send(send) => send.call(),
            Self::Get { id } => Ok(get(format!("/v1/events/{id}"), Show::Fields)),
            Self::List(list) => {
                let show = Show::List { list: "events", columns: COLUMNS };
                Ok(get("/v1/inbox".into(), show)
                    .page(&list.page)
                    .param("status", list.status.as_ref().map(name))
                    .param("event_type", list.event_type.as_ref())
                    .param("source", list.source.as_ref())
                    .param("tag", list.tag.as_ref())
                    .param("start_time", list.start_time.as_ref())
                    .param("end_time", list.end_time.as_ref())
                    .param("order", list.order.as_ref().map(name)))
            }
            Self::Ack { ids } => {
                let show = Show::List { list: "results", columns: ACKS };
                let call = ApiCall::new(Side::Public, Method::POST, "/v1/inbox/ack", show);
                Ok(call.json(&AckRequest { event_ids: ids })?.fails(not_acknowledged))
            }
            Self::Attempts { id, subscription } => {
                let show = Show::List { list: "attempts", columns: ATTEMPTS };
                Ok(get(format!("/v1/events/{id}/attempts"), show).param("workflow_id", subscription.as_ref()))
            }
            Self::Resend { id, subscription } => {
                let show = Show::List { list: "deliveries", columns: RESENT };
                let call = ApiCall::new(Side::Public, Method::POST, format!("/v1/events/{id}/resend"), show);
                call.json(&ResendBody { workflow_id: subscription.as_ref() })
            }
        }
    }
}

impl SendArgs {
    fn call(&self) -> anyhow::Result<ApiCall> {
        let post = |show| ApiCall::new(Side::Public, Method::POST, "/v1/events", show);
        let mut call = match (&self.payload, &self.file) {
            (Some(payload), _) => post(Show::Fields).json(&EventBody {
                event_type: self.event_type.as_deref(),
                payload,
                source: self.source.as_deref(),
                tags: &self.tags,
                ordering_key: self.ordering_key.as_deref(),
            })?,
            (None, Some(file)) => {
                let body = read(file).with_context(|| format!("--file {}", file.display()))?;
                let (content_type, one) = form(&body);
                let show = if one { Show::Fields } else { Show::List { list: "events", columns: SENT } };
                ApiCall { body: Some(body), content_type, ..post(show) }.fails(rejected)
            }
            (None, None) => anyhow::bail!("give --payload or --file"),
        };
        call.headers.extend(self.idempotency_key.clone().map(|key| ("idempotency-key", key)));
        Ok(call)
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let source: Box<dyn Read> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file)?)
    };
    let mut body = Vec::new();
    source.take(BODY_BYTES_MAX + 1).read_to_end(&mut body)?;
    anyhow::ensure!(body.len() as u64 <= BODY_BYTES_MAX, "has more than {BODY_BYTES_MAX} bytes");
    Ok(body)
}

/// The content type of a file's events, and whether it holds a single event. A file
/// that is not one JSON value is sent as lines, so that the server says which line
/// is bad.
fn form(body: &[u8]) -> (&'static str, bool) {
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(fields)) => ("application/json", !fields.contains_key("events")),
        Ok(_) => ("application/json", false),
        Err(_) => ("application/x-ndjson", false),
    }
}

fn rejected(answer: &Value) -> Option<String> {
    let count = answer["rejected"].as_u64().unwrap_or(0);
    (count > 0).then(|| format!("{count} events were refused; {} were taken", answer["accepted"]))
}

fn not_acknowledged(answer: &Value) -> Option<String> {
    let results = answer["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    let unknown = |result: &&Value| matches!(result["status"].as_str(), Some("not_found" | "invalid_id"));
    let count = results.iter().filter(unknown).count();
    (count > 0).then(|| format!("{count} of the ids are of no event"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_as_what_it_looks_like() {
        assert_eq!(form(br#"{"payload": 1}"#), ("application/json", true));
        assert_eq!(form(br#"{"events": []}"#), ("application/json", false));
        assert_eq!(form(b"[]"), ("application/json", false));
        assert_eq!(form(b"{\"payload\":1}\n{\"payload\":2}\n"), ("application/x-ndjson", false));
    }
}
