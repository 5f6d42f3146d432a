//! Deleting dead letters.

use super::{FILTER, REQUEST_MAX, STEP, filter};
use crate::contexts::DeadLettersContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::ApiRequest;
use http::StatusCode;
use serde_json::json;
use sluice_model::DeadLetterId;

/// `DELETE /v1/dead-letters/{id}`.
pub(super) async fn one(
    context: &DeadLettersContext,
    request: &ApiRequest<'_>,
) -> Result<ApiReply, ApiError> {
    let customer = request.customer()?.id();
    let id: DeadLetterId = request.path_id()?;
    match context.store.delete_dead_letters(customer, vec![id]).await? {
        0 => Err(ApiError::not_found("dead letter")),
        deleted => Ok(json(StatusCode::OK, &json!({ "deleted": deleted }))),
    }
}

/// `DELETE /v1/dead-letters?…`: those that a filter names, up to a limit.
pub(super) async fn many(
    context: &DeadLettersContext,
    request: &ApiRequest<'_>,
) -> Result<ApiReply, ApiError> {
    let customer = request.customer()?.id();
    let query = request.query(&FILTER)?;
    let filter = filter(&query)?;
    if filter.subscription.is_none() && filter.until_ms.is_none() && filter.since_ms == 0 {
        return Err(ApiError::invalid("workflow_id", "say which dead letters: workflow_id, since or until"));
    }
    let (mut deleted, mut has_more) = (0, true);
    while deleted < REQUEST_MAX && has_more {
        let letters = context.store.dead_letters(customer, filter.clone()).await?;
        has_more = letters.len() == STEP;
        let ids: Vec<_> = letters.iter().map(|letter| letter.id).collect();
        if !ids.is_empty() {
            deleted += context.store.delete_dead_letters(customer, ids).await?;
        }
    }
    Ok(json(StatusCode::OK, &json!({ "deleted": deleted, "has_more": has_more })))
}
