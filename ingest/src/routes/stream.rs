//! `GET /v1/stream`.

use crate::config::ms;
use crate::error::ApiError;
use crate::inbox::Filter;
use crate::reply::{Reply, event_stream, no_content};
use crate::service::Call;
use crate::stream::{At, Binding, EventStream, Pace, Stream};
use crate::streams::NoRoom;
use http::header::HeaderName;
use http::{Method, StatusCode};
use sluice_model::clock::now_ms;
use std::sync::Arc;
use std::time::Duration;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A page's script cannot set the header the first time, so the query may say it.
const PARAMETERS: [&str; 5] = ["event_type", "source", "tag", "start_time", "last_event_id"];

/// What the inbox knows and a stream cannot: why, for people.
const OF_THE_INBOX: [(&str, &str); 5] = [
    (
        "status",
        "a stream gives each event once, when it is accepted, whatever becomes of it; GET /v1/inbox filters by status",
    ),
    ("end_time", "a stream has no end; GET /v1/inbox reads a range of time"),
    ("cursor", "a stream goes on from last_event_id"),
    ("limit", "a stream has no pages"),
    ("order", "a stream is in the order of acceptance"),
];

/// The customer's events from now on, from a time on, or from where a stream was left.
pub(super) fn open(call: &Call<'_>) -> Result<Reply, ApiError> {
    let edge = call.edge;
    let key = call.key.as_ref().ok_or_else(|| ApiError::not_found("path"))?;
    refuse_what_the_inbox_knows(call)?;
    let query = call.query(&PARAMETERS)?;
    let text = |name| query.text(name).map(str::to_owned);
    let filter = Filter {
        event_type: text("event_type"),
        source: text("source"),
        tag: text("tag"),
        start_ms: query.time("start_time")?,
        ..Filter::default()
    };
    let binding = Binding::new(key, &filter);
    let header = call.parts.headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?"));
    let at = match header.filter(|id| !id.is_empty()).or_else(|| query.text("last_event_id")) {
        Some(id) => At::open(id, &binding)
            .ok_or_else(|| ApiError::invalid("Last-Event-ID", "is not an id of a stream with this filter"))?,
        // With a start, the filter says from when.
        None => At { from_ms: if filter.start_ms.is_some() { 0 } else { now_ms() }, positions: Vec::new() },
    };
    if call.parts.method == Method::HEAD {
        return Ok(no_content());
    }
    if edge.drain.is_cancelled() {
        return Err(ApiError::overloaded("the server is stopping"));
    }
    let place = edge.streams.enter(key.customer().id()).map_err(|full| match full {
        NoRoom::Edge => ApiError::overloaded("too many streams are open"),
        NoRoom::Customer => {
            let text = format!("{} streams are open, the most there may be", edge.config.stream.customer_max);
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_STREAMS", text)
                .retry_after(Duration::from_secs(5))
        }
    })?;
    let config = &edge.config.stream;
    let pace = Pace {
        poll: ms(config.poll_ms),
        // A quiet stream's connection must not count as idle.
        heartbeat: ms(config.heartbeat_ms.min(edge.config.http.idle_timeout_ms / 3)),
        stall: ms(edge.config.http.idle_timeout_ms),
    };
    let stream = Stream {
        store: Arc::clone(&edge.events),
        key: Arc::clone(key),
        lanes: edge.lanes,
        filter,
        at,
        place,
        pace,
        drain: edge.drain.clone(),
    };
    Ok(event_stream(EventStream::start(stream, call.connection)))
}

fn refuse_what_the_inbox_knows(call: &Call<'_>) -> Result<(), ApiError> {
    let text = call.parts.uri.query().unwrap_or_default();
    for (name, _) in url::form_urlencoded::parse(text.as_bytes()) {
        if let Some((_, why)) = OF_THE_INBOX.iter().find(|(of, _)| *of == name) {
            return Err(ApiError::invalid(&name, *why));
        }
    }
    Ok(())
}
