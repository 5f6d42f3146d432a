//! Spans to an OpenTelemetry collector: OTLP over HTTP, in JSON
//! (<https://opentelemetry.io/docs/specs/otlp/>, "JSON Protobuf Encoding").
//!
//! Spans wait in a bounded queue and go in batches; a collector that is slow
//! or away costs spans, never requests.

#[cfg(feature = "otel")]
pub(crate) use export::Exporter;

use serde_json::{Value, json};
use sluice_model::trace::{Span, SpanKind};

/// A batch as a request's body.
fn body(spans: &[Span]) -> Value {
    let spans: Vec<Value> = spans.iter().map(span).collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": [
            text("service.name", "sluice"),
            text("service.version", env!("CARGO_PKG_VERSION")),
        ] },
        "scopeSpans": [{ "scope": { "name": "sluice" }, "spans": spans }],
    }] })
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn number(key: &str, value: u64) -> Value {
    // 64-bit integers are strings in Protobuf's JSON.
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

fn span(span: &Span) -> Value {
    // SERVER = 2, CLIENT = 3.
    let (name, kind, route) = match span.kind {
        SpanKind::Produce => ("POST /v1/events", 2, Some("/v1/events")),
        SpanKind::Webhook => ("POST webhook", 3, None),
    };
    let mut attributes =
        vec![text("http.request.method", "POST"), number("messaging.batch.message_count", span.events)];
    attributes.extend(route.map(|route| text("http.route", route)));
    attributes.extend(span.status.map(|status| number("http.response.status_code", status.into())));
    // ERROR = 2; else it is left unset. A refusal is the client's error, not
    // the server's (the semantic conventions for HTTP spans, "Status").
    let error_from = if span.kind == SpanKind::Produce { 500 } else { 300 };
    let good = span.status.is_some_and(|status| (200..error_from).contains(&status));
    json!({
        "traceId": span.own.trace_id(),
        "spanId": span.own.parent_id(),
        "parentSpanId": span.parent.parent_id(),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": nanoseconds(span.began_ms),
        "endTimeUnixNano": nanoseconds(span.ended_ms),
        "attributes": attributes,
        "status": if good { json!({}) } else { json!({ "code": 2 }) },
    })
}

fn nanoseconds(ms: u64) -> String {
    format!("{ms}000000")
}

#[cfg(feature = "otel")]
mod export {
    use super::{Span, body};
    use anyhow::Context;
    use sluice_model::trace;
    use sluice_telemetry::TelemetryConfig;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;
    use tokio::sync::mpsc::{self, Receiver};
    use tokio::task::JoinHandle;
    use tokio_util::sync::CancellationToken;

    /// Spans that wait; more are dropped.
    const WAITING_MAX: usize = 8192;
    /// Spans of a request.
    const BATCH_MAX: usize = 512;
    /// How long a span waits for others to share its request.
    const LINGER: Duration = Duration::from_secs(1);
    const TIMEOUT: Duration = Duration::from_secs(10);

    /// The task that sends spans.
    pub(crate) struct Exporter {
        stop: CancellationToken,
        task: Option<JoinHandle<()>>,
    }

    impl Exporter {
        /// Sends to the configured collector; does nothing if none is configured.
        pub(crate) fn start(config: &TelemetryConfig) -> anyhow::Result<Self> {
            let stop = CancellationToken::new();
            let Some(endpoint) = &config.otlp_endpoint else { return Ok(Self { stop, task: None }) };
            let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
            let url: reqwest::Url = url.parse().context("telemetry.otlp_endpoint")?;
            let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build()?;
            let (sender, spans) = mpsc::channel(WAITING_MAX);
            let lost = Arc::new(AtomicU64::new(0));
            let losing = Arc::clone(&lost);
            let heard = trace::listen(move |span| {
                // A full queue loses the span; how many is told with the next batch.
                if sender.try_send(span).is_err() {
                    losing.fetch_add(1, Ordering::Relaxed);
                }
            });
            anyhow::ensure!(heard, "spans are already listened to in this process");
            let task = Some(tokio::spawn(send_all(http, url, spans, lost, stop.clone())));
            Ok(Self { stop, task })
        }

        /// Sends the waiting spans and ends.
        pub(crate) async fn stop(self) {
            self.stop.cancel();
            if let Some(task) = self.task
                && let Err(error) = task.await
            {
                tracing::error!(%error, "the task that sends spans failed");
            }
        }
    }

    async fn send_all(
        http: reqwest::Client,
        url: reqwest::Url,
        mut spans: Receiver<Span>,
        lost: Arc<AtomicU64>,
        stop: CancellationToken,
    ) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            // Cancel safe: a cancelled `recv_many` took nothing.
            let taken = stop.run_until_cancelled(spans.recv_many(&mut batch, BATCH_MAX)).await;
            if taken.is_none() {
                spans.close();
                spans.recv_many(&mut batch, BATCH_MAX).await;
            } else if batch.len() < BATCH_MAX {
                stop.run_until_cancelled(tokio::time::sleep(LINGER)).await;
                while batch.len() < BATCH_MAX {
                    let Ok(span) = spans.try_recv() else { break };
                    batch.push(span);
                }
            }
            if batch.is_empty() {
                return;
            }
            let request = http.post(url.clone()).header("content-type", "application/json");
            let sent = request.body(body(&batch).to_string()).send().await;
            match sent.and_then(reqwest::Response::error_for_status) {
                Ok(_) => {}
                Err(error) => {
                    let error = error.without_url();
                    tracing::warn!(%error, spans = batch.len(), "spans were not taken by the collector");
                }
            }
            let lost = lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                tracing::warn!(spans = lost, "spans were lost: more came than the collector takes");
            }
            batch.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::trace::TraceParent;

    #[test]
    fn a_span_is_written_as_otlp_json() {
        let parent = TraceParent::parse(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        let own = parent.child(0xabc);
        let ended_with = |status| Span {
            kind: SpanKind::Webhook,
            own,
            parent,
            began_ms: 1_767_225_600_123,
            ended_ms: 1_767_225_600_200,
            status,
            events: 3,
        };
        let json = body(&[ended_with(Some(200)), ended_with(None)]);
        let spans = &json["resourceSpans"][0]["scopeSpans"][0]["spans"];
        assert_eq!(spans[0]["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(
            (&spans[0]["spanId"], &spans[0]["parentSpanId"]),
            (&json!("0000000000000abc"), &json!("00f067aa0ba902b7"))
        );
        assert_eq!(spans[0]["startTimeUnixNano"], "1767225600123000000");
        assert_eq!((&spans[0]["kind"], &spans[0]["status"]), (&json!(3), &json!({})));
        assert_eq!(
            spans[0]["attributes"][2],
            json!({"key": "http.response.status_code", "value": {"intValue": "200"}})
        );
        assert_eq!(spans[1]["status"]["code"], 2);
        let refused = |status| body(&[Span { kind: SpanKind::Produce, ..ended_with(Some(status)) }]);
        let span = |status| refused(status)["resourceSpans"][0]["scopeSpans"][0]["spans"][0].clone();
        assert_eq!((&span(400)["status"], &span(503)["status"]), (&json!({}), &json!({ "code": 2 })));
    }
}
