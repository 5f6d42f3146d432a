//! `GET /v1/stream`.

use crate::config::IngestConfig;
use crate::contexts::StreamContext;
use crate::describe::parts::{header, query, schema_ref, times};
use crate::describe::{Operation, Tag};
use crate::error::ApiError;
use crate::inbox::EventFilter;
use crate::reply::{ApiReply, event_stream, no_content};
use crate::request::{ApiRequest, Principal};
use crate::route::{Handler, Root, Route};
use crate::stream::{EventStream, StreamPosition, StreamReader, stream_binding};
use crate::streams::NoStreamRoom;
use http::header::HeaderName;
use http::{Method, StatusCode};
use serde_json::json;
use sluice_catalogue::directory::CustomerEntry;
use sluice_model::Scopes;
use sluice_model::clock::now_ms;
use sluice_ports::PortError;
use std::sync::Arc;
use std::time::Duration;

pub(super) const ROUTES: &[Route] = &[Route {
    name: "stream",
    methods: &["GET"],
    path: "/stream",
    root: Root::Versioned(Scopes::EVENTS_READ),
    handler: Handler::Stream(|context, request, _| Box::pin(open(context, request))),
    describe,
}];

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A browser's `EventSource` cannot set `Last-Event-ID` at first, so the query may hold it.
const PARAMETERS: [&str; 6] = ["event_type", "source", "tag", "start_time", "since", "last_event_id"];

/// Parameters of the inbox that a stream refuses, and why.
const INBOX_PARAMETERS: [(&str, &str); 6] = [
    (
        "status",
        "a stream gives each event once, when it is accepted, whatever becomes of it; GET /v1/inbox filters by status",
    ),
    ("end_time", "a stream has no end; GET /v1/inbox reads a range of time"),
    ("until", "a stream has no end; GET /v1/inbox reads a range of time"),
    ("cursor", "a stream goes on from last_event_id"),
    ("limit", "a stream has no pages"),
    ("order", "a stream is in the order of acceptance"),
];

/// Streams the customer's events: from now, from a given time, or from where an earlier
/// stream ended.
async fn open(context: &StreamContext, request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    let reader = match &request.principal {
        Principal::Customer(key) => StreamReader::Customer(Arc::clone(key)),
        Principal::Operator | Principal::Anybody => StreamReader::Operator(request.customer()?),
    };
    let customer = reader.customer().id();
    refuse_inbox_parameters(request)?;
    let query = request.query(&PARAMETERS)?;
    let text = |name| query.text(name).map(str::to_owned);
    let filter = EventFilter {
        event_type: text("event_type"),
        source: text("source"),
        tag: text("tag"),
        start_ms: query.range()?.start_ms,
        ..EventFilter::default()
    };
    let header = request.parts.headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?"));
    let last_event_id = header.filter(|id| !id.is_empty()).or_else(|| query.text("last_event_id"));
    let position = match last_event_id {
        Some(id) => {
            let binding = stream_binding(customer, &filter);
            let position = StreamPosition::open(id, &binding);
            position.ok_or_else(|| {
                ApiError::invalid("Last-Event-ID", "is not an id of a stream with this filter")
            })?
        }
        // A stream with a start time skips earlier events by its filter.
        None if filter.start_ms.is_some() => StreamPosition { from_ms: 0, lanes: Vec::new() },
        None => StreamPosition { from_ms: begin_ms(context, reader.customer()).await?, lanes: Vec::new() },
    };
    if request.parts.method == Method::HEAD {
        return Ok(no_content());
    }
    if context.drain.is_cancelled() {
        return Err(ApiError::overloaded("the server is stopping"));
    }
    let place = context.streams.enter(customer).map_err(|full| no_room(context, full))?;
    let stream = EventStream {
        store: Arc::clone(&context.store),
        reader,
        lanes: context.lanes,
        filter,
        position,
        place,
        pace: context.pace,
        reads: Arc::clone(&context.reads),
        drain: context.drain.clone(),
    };
    Ok(event_stream(stream.start(request.connection)))
}

/// A stream that begins now begins at most this long ago.
const BEGIN_BEFORE_MS: u64 = 60_000;

/// The id time from which a stream without a start time begins. If the store gets events
/// after their 202, events of the last seconds may still come, and another process's clock
/// may be behind this one's: so the stream begins at the highest horizon of the customer's
/// lanes, but at most [`BEGIN_BEFORE_MS`] ago, since older events of a shard that lags
/// were accepted long before.
async fn begin_ms(context: &StreamContext, customer: &CustomerEntry) -> Result<u64, PortError> {
    let now_ms = now_ms();
    let horizons = context.store.horizons().await?;
    let state = customer.state();
    let lanes = state.customer.lanes_ever(context.lanes);
    let readable_ms = lanes.map(|lane| horizons.of(lane)).max().unwrap_or(now_ms);
    Ok(readable_ms.clamp(now_ms.saturating_sub(BEGIN_BEFORE_MS), now_ms))
}

fn no_room(context: &StreamContext, full: NoStreamRoom) -> ApiError {
    match full {
        NoStreamRoom::Process => ApiError::overloaded("too many streams are open"),
        NoStreamRoom::Customer => {
            let max = context.streams.customer_max();
            let text = format!("{max} streams are open, the most that a customer may have");
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_STREAMS", text)
                .retry_after(Duration::from_secs(5))
        }
    }
}

fn refuse_inbox_parameters(request: &ApiRequest<'_>) -> Result<(), ApiError> {
    let text = request.parts.uri.query().unwrap_or_default();
    for (name, _) in url::form_urlencoded::parse(text.as_bytes()) {
        if let Some((_, reason)) = INBOX_PARAMETERS.iter().find(|(known, _)| *known == name) {
            return Err(ApiError::invalid(&name, *reason));
        }
    }
    Ok(())
}

fn describe(config: &IngestConfig) -> Operation {
    let text = |name, text| query(name, schema_ref("FilterText"), text);
    let resume = || json!({ "type": "string" });
    Operation::new(Tag::Inbox, "The customer's events as they come, as server-sent events")
        .describe(format!(
            "Each message is one event with an `id`. A later stream goes on after the id given in the header \
             `Last-Event-ID`, which browsers send by themselves, or in `last_event_id`. Without an id or a \
             `start_time` the stream begins now. `status` and `end_time` are refused: each event comes once, \
             when it is accepted, and the stream has no end. On the distributed engine an event usually comes \
             two to three seconds after its 202. A stream without events sends a comment every {} ms. A \
             stream whose reader takes nothing for {} ms is ended. A customer may have {} streams.",
            config.stream.heartbeat_ms, config.http.idle_timeout_ms, config.stream.customer_max
        ))
        .parameters([
            text("event_type", "Only events of this type."),
            text("source", "Only events of this source."),
            text("tag", "Only events with this tag."),
            query("last_event_id", resume(), "The last id of an earlier stream with the same filter."),
            header("Last-Event-ID", resume(), "The same as `last_event_id`; if both are given, the header counts."),
        ])
        .parameters(times("").into_iter().take(2))
        .answers_with(
            200,
            "The stream, until one side ends it.",
            Some(json!({ "text/event-stream": { "schema": { "type": "string" } } })),
        )
        .refuses(429, "The customer has as many streams as it may have.")
}
