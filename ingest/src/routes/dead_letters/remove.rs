//! Deleting dead letters.

use super::redrive::named;
use super::{DeadLetterFilter, FILTER, REQUEST_MAX, STEP, filter};
use crate::audited::{audited, draft};
use crate::contexts::DeadLettersContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::ApiRequest;
use http::StatusCode;
use serde_json::json;
use sluice_model::{AuditAction, CustomerId, DeadLetterId};
use sluice_ports::event_store::DeadLetterQuery;

/// `DELETE /v1/dead-letters/{id}`.
pub(super) async fn one(
    context: &DeadLettersContext,
    request: &ApiRequest<'_>,
) -> Result<ApiReply, ApiError> {
    let customer = request.customer()?.id();
    let id: DeadLetterId = request.path_id()?;
    let any = DeadLetterQuery { subscription: None, since_ms: 0, until_ms: None, after: None, limit: 1 };
    if named(context, customer, &any, &[id]).await?.is_empty() {
        return Err(ApiError::not_found("dead letter"));
    }
    let draft = draft(customer, AuditAction::DeadLettersDeleted, json!({ "dead_letter_id": id }), json!({}));
    let work = async {
        match context.store.delete_dead_letters(customer, vec![id]).await? {
            // Another request deleted it first.
            0 => Err(ApiError::not_found("dead letter")),
            deleted => Ok(deleted),
        }
    };
    let deleted = audited(request, draft, work, |deleted| json!({ "deleted": deleted })).await?;
    Ok(json(StatusCode::OK, &json!({ "deleted": deleted })))
}

/// `DELETE /v1/dead-letters?…`: those that a filter names, up to a limit.
pub(super) async fn many(
    context: &DeadLettersContext,
    request: &ApiRequest<'_>,
) -> Result<ApiReply, ApiError> {
    let customer = request.customer()?.id();
    let query = request.query(&FILTER)?;
    query.refuse_empty()?;
    let filter = filter(&query)?;
    let DeadLetterQuery { subscription, since_ms, until_ms, .. } = filter.query;
    if subscription.is_none() && until_ms.is_none() && since_ms == 0 && filter.reason.is_none() {
        let text = "say which dead letters: workflow_id, reason, since or until";
        return Err(ApiError::invalid("workflow_id", text));
    }
    let _turn = context.turns.lock(customer).await;
    let subject = json!({ "workflow_id": subscription });
    let draft = draft(customer, AuditAction::DeadLettersDeleted, subject, json!({ "filter": filter.told() }));
    let work = remove_all(context, customer, &filter);
    let told = |(deleted, has_more): &(usize, bool)| json!({ "deleted": deleted, "has_more": has_more });
    let (deleted, has_more) = audited(request, draft, work, told).await?;
    Ok(json(StatusCode::OK, &json!({ "deleted": deleted, "has_more": has_more })))
}

/// Deletes the dead letters that the filter admits. Returns how many, and whether there may be more.
async fn remove_all(
    context: &DeadLettersContext,
    customer: CustomerId,
    filter: &DeadLetterFilter,
) -> Result<(usize, bool), ApiError> {
    let (mut next, mut looked_at, mut deleted, mut has_more) = (filter.query.clone(), 0, 0, true);
    while looked_at < REQUEST_MAX && has_more {
        let letters = context.store.dead_letters(customer, next.clone()).await?;
        looked_at += letters.len();
        has_more = letters.len() == STEP;
        next.after = letters.last().map(|letter| letter.id).or(next.after);
        let ids: Vec<_> =
            letters.iter().filter(|letter| filter.admits(letter)).map(|letter| letter.id).collect();
        if !ids.is_empty() {
            deleted += context.store.delete_dead_letters(customer, ids).await?;
        }
    }
    Ok((deleted, has_more))
}
