//! `POST /v1/subscriptions/{id}/transform/test`: shows the webhook of one event, or why
//! there is none. Nothing is sent and nothing is stored.

use super::read::find;
use super::shape::TransformField;
use super::trial::test_webhook;
use crate::contexts::SubscriptionsContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::ApiRequest;
use crate::trials::on_own_thread;
use http::StatusCode;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sluice_model::subscription::{WebhookBody, WebhookShape};
use sluice_model::{CustomerId, EventId};
use sluice_shape::{ShapeLimits, ShapedBody, TransformError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TransformTrial {
    /// A stored event; else one is made up.
    event_id: Option<EventId>,
    /// The type of the made-up event.
    event_type: Option<String>,
    /// The payload of the made-up event.
    payload: Option<Box<RawValue>>,
    /// A template to try instead of the stored one.
    template: Option<Box<RawValue>>,
    /// The form of the body to try instead of the stored one.
    body: Option<WebhookBody>,
}

/// The result of the test.
#[derive(Serialize)]
struct TransformAnswer {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<TransformProblem>,
}

/// Where a template failed, and why.
#[derive(Serialize)]
struct TransformProblem {
    message: String,
    pointer: String,
    line: Option<usize>,
}

pub(super) async fn test(
    context: &SubscriptionsContext,
    request: &ApiRequest<'_>,
    body: Incoming,
) -> Result<ApiReply, ApiError> {
    let trial: TransformTrial = request.optional_json(body).await?;
    let subscription = find(request)?;
    let envelopes = envelopes(context, subscription.customer, &trial).await?;
    let stored = &subscription.shape;
    let given = trial.template.map(|template| TransformField { template }.template.get().to_owned());
    let template = given.or_else(|| stored.template.clone());
    let shape = WebhookShape { body: trial.body.unwrap_or(stored.body), template };
    let _turn = context.trials.enter(subscription.customer)?;
    let limits = context.transform;
    let made = on_own_thread(move || made(&shape, envelopes, limits)).await?;
    Ok(json(StatusCode::OK, &made))
}

/// The plain body of a webhook with the event that is tried.
async fn envelopes(
    context: &SubscriptionsContext,
    customer: CustomerId,
    trial: &TransformTrial,
) -> Result<Vec<u8>, ApiError> {
    let Some(id) = trial.event_id else {
        let event_type = trial.event_type.as_deref();
        return test_webhook(customer, event_type, trial.payload.as_deref()).map(|(_id, body)| body);
    };
    if trial.payload.is_some() || trial.event_type.is_some() {
        return Err(ApiError::invalid("event_id", "is a stored event, which has a type and a payload"));
    }
    let stored = context.store.get(customer, id.batch()).await?;
    let found = stored.filter(|stored| id.index() < stored.batch.len());
    let stored = found.ok_or_else(|| ApiError::not_found("event"))?;
    Ok([b"[", &stored.batch.envelope(id.index())[..], b"]"].concat())
}

fn made(shape: &WebhookShape, envelopes: Vec<u8>, limits: ShapeLimits) -> TransformAnswer {
    let made = ShapedBody::compile(shape, limits).and_then(|shaped| shaped.make(envelopes));
    let failed = |error: TransformError| {
        let TransformError { pointer, line, message } = error;
        TransformAnswer {
            ok: false,
            body: None,
            bytes: None,
            error: Some(TransformProblem { message, pointer, line }),
        }
    };
    match made {
        Err(error) => failed(error),
        Ok(body) => {
            let bytes = Some(body.len());
            let body = String::from_utf8(body).ok().and_then(|text| RawValue::from_string(text).ok());
            TransformAnswer { ok: true, body, bytes, error: None }
        }
    }
}
