//! `POST /v1/events`: between HTTP and [`Producer`](crate::produce::Producer).

mod headers;
mod refusal;

use crate::body;
use crate::config::IngestConfig;
use crate::contexts::ProduceContext;
use crate::decode::cloud_events::CloudForm;
use crate::describe::parts::{header, schema_ref};
use crate::describe::{Operation, Tag};
use crate::error::ApiError;
use crate::produce::{AcceptedRequest, Answer, ProduceError, Wishes};
use crate::reply::{ApiReply, json_bytes};
use crate::request::{ApiRequest, Principal};
use crate::route::{Handler, Root, Route};
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use hyper::body::Incoming;
use refusal::refusal;
use serde_json::json;
use sluice_catalogue::directory::CustomerEntry;
use sluice_model::trace::{self, TraceParent};
use sluice_model::{Scopes, clock};
use std::sync::Arc;
use std::time::Instant;

pub(super) const ROUTES: &[Route] = &[Route {
    name: "produce",
    methods: &["POST"],
    path: "/events",
    root: Root::Aliased(Scopes::EVENTS_WRITE),
    handler: Handler::Produce(|context, request, body| Box::pin(produce(context, request, body))),
    describe,
}];

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Accepts the events of a request, and records a span if the request is traced.
async fn produce(
    context: &ProduceContext,
    request: &ApiRequest<'_>,
    body: Incoming,
) -> Result<ApiReply, ApiError> {
    let header = request.parts.headers.get(trace::HEADER);
    let parent = header.and_then(|value| TraceParent::parse(value.as_bytes()));
    let span = parent.and_then(trace::begin);
    let accepted = accept(context, request, body, span.or(parent)).await;
    if let (Some(own), Some(parent)) = (span, parent) {
        let (status, events) = match &accepted {
            Ok(answer) => (StatusCode::ACCEPTED, answer.accepted),
            Err(error) => (error.status(), 0),
        };
        record_span(own, parent, request.started, status, events);
    }
    accepted.map(reply)
}

async fn accept(
    context: &ProduceContext,
    request: &ApiRequest<'_>,
    body: Incoming,
    trace: Option<TraceParent>,
) -> Result<Answer, ApiError> {
    let named_by_operator;
    let customer = match &request.principal {
        Principal::Customer(key) => &**key.customer(),
        Principal::Operator | Principal::Anybody => {
            named_by_operator = active_customer(request)?;
            &*named_by_operator
        }
    };
    let headers = &request.parts.headers;
    let refuse = |error| refusal(error, customer, context.producer.rates());
    let cloud = CloudForm::from_headers(headers);
    let form = headers::body_form(headers, cloud);
    let mut permit = request.intake.permit(customer.id());
    let limits = request.intake.limits();
    let body = body::read(request.connection, headers, body, &mut permit, limits).await?;
    let (body, refusals) = match cloud {
        None => (body, Vec::new()),
        Some(cloud) => {
            // The body and its translation are in memory together.
            body::charge(&mut permit, 2 * body.len())?;
            let translate = || cloud.translate(headers, &body, context.event_bytes_max);
            let translated = context.producer.work(customer.id(), body.len(), translate).await;
            let translated = translated.map_err(|error| refuse(ProduceError::Body(error)))?;
            (translated.body.into(), translated.refusals)
        }
    };
    let wishes = Wishes {
        form: form?,
        idempotency_key: headers::idempotency_key(headers)?,
        minimal: headers::prefers_minimal(headers),
        refusals: &refusals,
        trace,
    };
    let answer = context.producer.produce(customer, wishes, &body).await.map_err(refuse)?;
    context.streams.wake(customer.id());
    context.metrics.accepted(AcceptedRequest {
        accepted: answer.accepted,
        rejected: answer.rejected,
        replayed: answer.replayed,
        body_bytes: body.len(),
        took: request.started.elapsed(),
    });
    Ok(answer)
}

/// The customer that an operator's path names. A suspended one gets no new
/// events, whoever sends them.
fn active_customer(request: &ApiRequest<'_>) -> Result<Arc<CustomerEntry>, ApiError> {
    let customer = request.customer()?;
    if customer.is_active() { Ok(customer) } else { Err(ApiError::suspended()) }
}

fn reply(answer: Answer) -> ApiReply {
    let mut reply = json_bytes(StatusCode::ACCEPTED, answer.body);
    if answer.replayed {
        reply.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    reply
}

fn record_span(own: TraceParent, parent: TraceParent, started: Instant, status: StatusCode, events: usize) {
    let ended_ms = clock::now_ms();
    let began_ms = ended_ms.saturating_sub(started.elapsed().as_millis() as u64);
    let (kind, status) = (trace::SpanKind::Produce, Some(status.as_u16()));
    trace::tell(trace::Span { kind, own, parent, began_ms, ended_ms, status, events: events as u64 });
}

fn describe(config: &IngestConfig) -> Operation {
    let limits = &config.limits;
    let text = |text: &str| json!({ "schema": { "type": "string", "description": text } });
    let content = json!({
        "application/json": { "schema": schema_ref("EventsBody") },
        "application/x-ndjson": text("One event per line, each as in `Event`."),
        "application/cloudevents+json": { "schema": schema_ref("CloudEvent") },
        "application/cloudevents-batch+json": { "schema": { "type": "array", "items": schema_ref("CloudEvent") } },
    });
    let key =
        json!({ "type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[!-~]([ -~]*[!-~])?$" });
    let trace = json!({ "type": "string", "format": "sluice-traceparent" });
    Operation::new(Tag::Events, "Send events")
        .describe(format!(
            "The answer is 202 once every accepted event is durable. A body may have {} bytes (decompressed) \
             and {} events of {} bytes each. CloudEvents 1.0 may come in binary mode too (`ce-…` headers). \
             `Content-Encoding` may be `gzip` or `zstd`. If one of many events is bad, only that event is \
             refused.",
            limits.body_bytes_max, limits.request_events_max, limits.event_bytes_max
        ))
        .parameters([
            header("Idempotency-Key", key, "A request with the same key and body within 24 hours gets the first answer again. In a request of many events the key holds for those without a `metadata.idempotency_key` of their own."),
            header(
                "Prefer",
                json!({ "type": "string" }),
                "With `return=minimal` the answer has only counts and the refused events.",
            ),
            header(
                "traceparent",
                trace,
                "W3C Trace Context; kept with the events and sent with their webhooks.",
            ),
        ])
        .takes_any(content, true)
        .answers(202, "The accepted events are durable.", "AcceptedBody")
        .refuses(403, "The customer is suspended.")
        .refuses(409, "A request with this `Idempotency-Key` is in flight.")
        .refuses(422, "This `Idempotency-Key` was used with another body.")
        .refuses(429, "More events a second than the customer may send.")
}
