//! `POST /v1/subscriptions/{id}/test`: sends a test event, or says which of the newest
//! events the subscription matches and why it does not match the others.

mod draft;
mod judge;
mod send;

pub(super) use send::test_webhook;

use super::read::find;
use crate::contexts::SubscriptionsContext;
use crate::error::ApiError;
use crate::reply::ApiReply;
use crate::request::ApiRequest;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The most events that one request looks at.
const LAST_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrialRequest {
    /// How many of the newest events to judge, instead of sending a test event.
    last: Option<usize>,
    /// The payload of the test event.
    payload: Option<Box<RawValue>>,
}

pub(super) async fn judge_draft(
    context: &SubscriptionsContext,
    request: &ApiRequest<'_>,
    body: Incoming,
) -> Result<ApiReply, ApiError> {
    draft::judge(context, request, body).await
}

pub(super) async fn run(
    context: &SubscriptionsContext,
    request: &ApiRequest<'_>,
    body: Incoming,
) -> Result<ApiReply, ApiError> {
    let TrialRequest { last, payload } = request.optional_json(body).await?;
    let subscription = find(request)?;
    match last {
        None => send::send(context, subscription, payload.as_deref()).await,
        Some(_) if payload.is_some() => {
            Err(ApiError::invalid("payload", "is for a test event that is sent, without `last`"))
        }
        Some(last @ 1..=LAST_MAX) => judge::judge(context, request, &subscription, last).await,
        Some(_) => Err(ApiError::invalid("last", format!("must be between 1 and {LAST_MAX}"))),
    }
}
