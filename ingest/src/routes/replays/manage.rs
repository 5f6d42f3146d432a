//! Listing, finding and cancelling replays.

use super::{ReplayView, view};
use crate::audited::{audited, draft};
use crate::contexts::ReplaysContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::ApiRequest;
use http::StatusCode;
use serde_json::json;
use sluice_history::replay::{Replay, ReplayId, ReplayStatus};
use sluice_model::AuditAction;
use sluice_model::clock::now_ms;

/// How often a cancellation is tried while the replay moves on.
const TRIES: u32 = 16;

/// `GET /v1/replay`.
pub(super) async fn list(context: &ReplaysContext, request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    let query = request.query(&["limit", "cursor"])?;
    let (limit, after) = (query.limit(100)?, query.id::<ReplayId>("cursor")?);
    let mut replays = context.replays.list(request.customer()?.id(), after, limit + 1).await?;
    let has_more = replays.len() > limit;
    replays.truncate(limit);
    let cursor = replays.last().filter(|_| has_more).map(|last| last.id.to_string());
    let views: Vec<ReplayView> = replays.iter().map(view).collect();
    Ok(json(StatusCode::OK, &json!({ "replays": views, "cursor": cursor, "has_more": has_more })))
}

/// `GET /v1/replay/{id}`.
pub(super) async fn get(context: &ReplaysContext, request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    Ok(json(StatusCode::OK, &view(&find(context, request).await?)))
}

/// `DELETE /v1/replay/{id}`: queues nothing more. Deliveries in the queue go on.
pub(super) async fn cancel(context: &ReplaysContext, request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    let found = find(context, request).await?;
    if found.status != ReplayStatus::Running {
        return Ok(json(StatusCode::OK, &view(&found)));
    }
    let subject = json!({ "replay_id": found.id.to_string(), "workflow_id": found.subscription });
    let draft = draft(found.customer, AuditAction::ReplayCancelled, subject, json!({}));
    let told = |replay: &Replay| json!({ "status": replay.status, "queued": replay.queued });
    let replay = audited(request, draft, cancel_running(context, request), told).await?;
    Ok(json(StatusCode::OK, &view(&replay)))
}

async fn cancel_running(context: &ReplaysContext, request: &ApiRequest<'_>) -> Result<Replay, ApiError> {
    for _ in 0..TRIES {
        let found = find(context, request).await?;
        if found.status != ReplayStatus::Running {
            return Ok(found);
        }
        let status = ReplayStatus::Cancelled;
        let cancelled = Replay { status, updated_at_ms: now_ms(), ..found.clone() };
        if context.replays.change(&found, &cancelled).await? {
            return Ok(cancelled);
        }
    }
    Err(ApiError::conflict("the replay is being changed by others"))
}

async fn find(context: &ReplaysContext, request: &ApiRequest<'_>) -> Result<Replay, ApiError> {
    let id: ReplayId = request.path_id()?;
    let found = context.replays.get(request.customer()?.id(), id).await?;
    found.ok_or_else(|| ApiError::not_found("replay"))
}
