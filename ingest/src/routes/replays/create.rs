//! `POST /v1/replay`.

use super::{dry_run, view};
use crate::audited::{audited, draft};
use crate::contexts::ReplaysContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json as json_reply};
use crate::request::{ApiRequest, TimeRange, either, or_default};
use crate::routes::subscriptions::check_active;
use http::StatusCode;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;
use sluice_history::replay::{RATE_DEFAULT, Replay, ReplayId, ReplayStatus};
use sluice_model::clock::{now_ms, rfc3339_string};
use sluice_model::{AuditAction, CustomerId, SubscriptionId};

/// Replays of a customer that may run at a time.
const RUNNING_MAX: usize = 16;

/// The most replays that are read to count the running ones.
const KNOWN_MAX: usize = 1000;

const RATE_MAX: u32 = 1_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplayRequest {
    workflow_id: Option<SubscriptionId>,
    /// Another name of `workflow_id`.
    subscription_id: Option<SubscriptionId>,
    /// By default the oldest event's time.
    start_time: Option<String>,
    since: Option<String>,
    /// By default now.
    end_time: Option<String>,
    until: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    dry_run: bool,
    rate_per_second: Option<u32>,
}

impl ReplayRequest {
    fn subscription(&self) -> Result<SubscriptionId, ApiError> {
        let found = either(("workflow_id", self.workflow_id), ("subscription_id", self.subscription_id))?;
        found.map(|(_, id)| id).ok_or_else(|| ApiError::invalid("workflow_id", "is missing"))
    }

    /// The range of times, its end excluded.
    fn range_ms(&self, now_ms: u64) -> Result<(u64, u64), ApiError> {
        let range = TimeRange::read(|name| match name {
            "start_time" => self.start_time.as_deref(),
            "since" => self.since.as_deref(),
            "end_time" => self.end_time.as_deref(),
            _ => self.until.as_deref(),
        })?;
        let (start_ms, end_ms) = (range.start_ms.unwrap_or(0), range.end_ms.unwrap_or(now_ms + 1));
        if start_ms >= end_ms {
            return Err(ApiError::invalid("end_time", "must be after start_time"));
        }
        Ok((start_ms, end_ms))
    }

    fn rate(&self) -> Result<u32, ApiError> {
        let rate = self.rate_per_second.unwrap_or(RATE_DEFAULT);
        if !(1..=RATE_MAX).contains(&rate) {
            return Err(ApiError::invalid("rate_per_second", format!("must be between 1 and {RATE_MAX}")));
        }
        Ok(rate)
    }
}

/// Starts a replay, or counts what it would deliver.
pub(super) async fn create(
    context: &ReplaysContext,
    request: &ApiRequest<'_>,
    body: Incoming,
) -> Result<ApiReply, ApiError> {
    let wanted: ReplayRequest = request.json(body).await?;
    let customer = request.customer()?;
    let now_ms = now_ms();
    let (start_ms, end_ms) = wanted.range_ms(now_ms)?;
    let rate_per_second = wanted.rate()?;
    let state = customer.state();
    let subscription =
        state.subscription(wanted.subscription()?).ok_or_else(|| ApiError::not_found("subscription"))?;
    if wanted.dry_run {
        return dry_run::count(context, &customer, subscription, start_ms, end_ms).await;
    }
    check_active(subscription)?;
    let replay = Replay {
        id: ReplayId::new(now_ms),
        customer: customer.id(),
        subscription: subscription.id,
        start_ms,
        end_ms,
        rate_per_second,
        status: ReplayStatus::Running,
        lane: 0,
        after: None,
        scanned: 0,
        queued: 0,
        next_ms: 0,
        owner: 0,
        owned_until_ms: 0,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
    };
    // Held so that two requests at once do not both find room for one more replay.
    let _lock = context.starts.lock(customer.id()).await;
    check_running(context, customer.id()).await?;
    let subject = json!({ "replay_id": replay.id.to_string(), "workflow_id": replay.subscription });
    let (from, until) = (rfc3339_string(start_ms), rfc3339_string(end_ms));
    let details = json!({ "start_time": from, "end_time": until, "rate_per_second": rate_per_second });
    let draft = draft(customer.id(), AuditAction::ReplayCreated, subject, details);
    let add = async { Ok(context.replays.add(&replay).await?) };
    audited(request, draft, add, |()| json!({})).await?;
    Ok(json_reply(StatusCode::ACCEPTED, &view(&replay)))
}

async fn check_running(context: &ReplaysContext, customer: CustomerId) -> Result<(), ApiError> {
    let known = context.replays.list(customer, None, KNOWN_MAX).await?;
    if known.iter().filter(|replay| replay.status == ReplayStatus::Running).count() >= RUNNING_MAX {
        let text = format!("{RUNNING_MAX} replays are running, the most there may be");
        return Err(ApiError::new(StatusCode::CONFLICT, "TOO_MANY_REPLAYS", text));
    }
    Ok(())
}
