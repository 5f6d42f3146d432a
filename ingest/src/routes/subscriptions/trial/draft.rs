//! `POST /v1/subscriptions/judge`: judging events by a selector that is not stored yet.

use super::LAST_MAX;
use super::judge::{judge_by, judged};
use crate::contexts::SubscriptionsContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::{ApiRequest, only_object};
use crate::routes::subscriptions::checked_selector;
use crate::trials::on_own_thread;
use http::StatusCode;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use sluice_model::clock;
use sluice_model::wire::envelope::{self, EnvelopeParts};
use sluice_model::{CustomerId, EventId, Lane};
use sluice_selector::{MatchScratch, Selector};

/// How many of the newest events are judged, unless the request says so.
const LAST_DEFAULT: usize = 20;

/// The id of an event that is not stored.
const NO_EVENT: EventId = EventId::new(0, Lane::new(0).expect("a lane"), 0, 0);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JudgeRequest {
    event_selector: Box<RawValue>,
    /// How many of the newest events to judge.
    last: Option<usize>,
    /// An event that is not stored, to be judged instead.
    #[serde(default, deserialize_with = "only_object")]
    event: Option<DraftEvent>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DraftEvent {
    event_type: Option<String>,
    payload: Box<RawValue>,
}

pub(super) async fn judge(
    context: &SubscriptionsContext,
    request: &ApiRequest<'_>,
    body: Incoming,
) -> Result<ApiReply, ApiError> {
    let customer = request.customer()?;
    let JudgeRequest { event_selector, last, event } = request.json(body).await?;
    let selector = Selector::parse(&checked_selector(&event_selector)?)
        .map_err(|error| ApiError::invalid("event_selector", error.to_string()))?;
    let Some(event) = event else {
        let last = last.unwrap_or(LAST_DEFAULT);
        if !(1..=LAST_MAX).contains(&last) {
            return Err(ApiError::invalid("last", format!("must be between 1 and {LAST_MAX}")));
        }
        return judge_by(context, &customer, selector, None, last).await;
    };
    if last.is_some() {
        return Err(ApiError::invalid("last", "is for stored events, without `event`"));
    }
    let _trial = context.trials.enter(customer.id())?;
    let id = customer.id();
    let verdict = on_own_thread(move || {
        let (kind, envelope) = (event.event_type.clone().unwrap_or_default(), event.envelope(id));
        let mut scratch = MatchScratch::default();
        judged(&selector, &mut scratch, None, &kind, &envelope, false)
    })
    .await?;
    let matching = usize::from(verdict.matches);
    let body = json!({
        "looked_at": 1, "complete": true, "matching": matching, "effective_at": null, "events": [verdict],
    });
    Ok(json(StatusCode::OK, &body))
}

impl DraftEvent {
    /// The event as a webhook would carry it.
    fn envelope(&self, customer: CustomerId) -> Vec<u8> {
        let event_type = self.event_type.as_ref().map(|kind| serde_json::to_vec(kind).expect("text is JSON"));
        let parts = EnvelopeParts {
            customer: &customer.text(),
            event_type: event_type.as_deref(),
            source: None,
            tags: None,
            metadata: None,
            payload: self.payload.get().as_bytes(),
            timestamp: &clock::rfc3339(clock::now_ms()),
        };
        let mut body = Vec::new();
        envelope::write(&parts, &mut body);
        envelope::stamp(&NO_EVENT.text(), &mut body);
        body
    }
}
