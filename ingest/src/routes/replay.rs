//! Replays: history delivered again to one subscription.

use super::object::or_default;
use super::{id, rfc3339, time};
use crate::error::ApiError;
use crate::reply::{Reply, json};
use crate::service::Call;
use http::StatusCode;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_catalogue::directory::CustomerEntry;
use sluice_history::replay::{self, RATE_DEFAULT, Replay, ReplayId, ReplayStatus, Window};
use sluice_model::clock::now_ms;
use sluice_model::{Subscription, SubscriptionId, SubscriptionStatus};
use sluice_selector::{MatchScratch, Selector};
use std::sync::Arc;

/// Events that a dry run looks at; of more it says that it did not see all.
const DRY_RUN_EVENTS: u64 = 200_000;

/// Replays of a customer that may run at one time.
const RUNNING_MAX: usize = 16;

const RATE_MAX: u32 = 1_000_000;

/// Tries against the task that moves the replay on.
const TRIES: u32 = 16;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    subscription_id: SubscriptionId,
    /// RFC 3339; from the oldest event where it is absent.
    start_time: Option<String>,
    /// RFC 3339; up to now where it is absent.
    end_time: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    dry_run: bool,
    rate_per_second: Option<u32>,
}

#[derive(Serialize)]
struct View {
    id: String,
    subscription_id: SubscriptionId,
    status: ReplayStatus,
    start_time: String,
    end_time: String,
    rate_per_second: u32,
    scanned: u64,
    queued: u64,
    created_at: String,
    updated_at: String,
}

fn view(of: &Replay) -> View {
    View {
        id: of.id.to_string(),
        subscription_id: of.subscription,
        status: of.status,
        start_time: rfc3339(of.start_ms),
        end_time: rfc3339(of.end_ms),
        rate_per_second: of.rate_per_second,
        scanned: of.scanned,
        queued: of.queued,
        created_at: rfc3339(of.created_at_ms),
        updated_at: rfc3339(of.updated_at_ms),
    }
}

/// `POST /v1/replay`.
pub(super) async fn create(call: &Call<'_>, body: Incoming) -> Result<Reply, ApiError> {
    let wanted: Wanted = call.json(body).await?;
    let customer = call.customer()?;
    let now_ms = now_ms();
    let bound = |text: Option<String>, field| text.map(|text| time(&text, field)).transpose();
    let start_ms = bound(wanted.start_time, "start_time")?.unwrap_or(0);
    let end_ms = bound(wanted.end_time, "end_time")?.unwrap_or(now_ms + 1);
    if start_ms >= end_ms {
        return Err(ApiError::invalid("end_time", "must be after start_time"));
    }
    let rate_per_second = wanted.rate_per_second.unwrap_or(RATE_DEFAULT);
    if !(1..=RATE_MAX).contains(&rate_per_second) {
        return Err(ApiError::invalid("rate_per_second", format!("must be between 1 and {RATE_MAX}")));
    }
    let state = customer.state();
    let subscription =
        state.subscription(wanted.subscription_id).ok_or_else(|| ApiError::not_found("subscription"))?;
    if wanted.dry_run {
        return dry_run(call, &customer, subscription, start_ms, end_ms).await;
    }
    if subscription.status != SubscriptionStatus::Active {
        return Err(ApiError::conflict("the subscription is disabled; enable it first"));
    }
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
    // Held so that two requests at once do not both find room for one more.
    let _one_at_a_time = call.edge.replay_starts.lock().await;
    let known = call.edge.replays.list(customer.id(), None, 1000).await?;
    if known.iter().filter(|of| of.status == ReplayStatus::Running).count() >= RUNNING_MAX {
        let text = format!("{RUNNING_MAX} replays are running, the most there may be");
        return Err(ApiError::new(StatusCode::CONFLICT, "TOO_MANY_REPLAYS", text));
    }
    call.edge.replays.add(&replay).await?;
    Ok(json(StatusCode::ACCEPTED, &view(&replay)))
}

/// Counts what would be delivered.
async fn dry_run(
    call: &Call<'_>,
    customer: &CustomerEntry,
    subscription: &Arc<Subscription>,
    start_ms: u64,
    end_ms: u64,
) -> Result<Reply, ApiError> {
    let selector = Selector::parse(&subscription.selector)
        .map_err(|error| ApiError::conflict(format!("the stored selector is not valid: {error}")))?;
    let Ok(_turn) = call.edge.trials.try_acquire() else {
        return Err(ApiError::overloaded("too many dry runs are under way"));
    };
    let lanes: Vec<_> = customer.state().customer.lanes_ever(call.edge.lanes).collect();
    let mut scratch = MatchScratch::default();
    let (mut scanned, mut matching, mut complete) = (0, 0, true);
    for lane in lanes {
        let mut after = None;
        loop {
            if scanned >= DRY_RUN_EVENTS {
                complete = false;
                break;
            }
            let window = Window { customer: customer.id(), lane, after, start_ms, end_ms };
            let page = replay::read_page(&*call.edge.events, window, &selector, &mut scratch).await?;
            scanned += page.scanned;
            matching += page.matched.iter().map(|of| of.events.len() as u64).sum::<u64>();
            after = page.after;
            if page.exhausted {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let body = json!({ "dry_run": true, "scanned": scanned, "would_match": matching, "complete": complete });
    Ok(json(StatusCode::OK, &body))
}

/// `GET /v1/replay`.
pub(super) async fn list(call: &Call<'_>) -> Result<Reply, ApiError> {
    let query = call.query(&["limit", "cursor"])?;
    let (limit, after) = (query.limit(100)?, query.id::<ReplayId>("cursor")?);
    let mut all = call.edge.replays.list(call.customer()?.id(), after, limit + 1).await?;
    let has_more = all.len() > limit;
    all.truncate(limit);
    let cursor = all.last().filter(|_| has_more).map(|of| of.id.to_string());
    let views: Vec<View> = all.iter().map(view).collect();
    Ok(json(StatusCode::OK, &json!({ "replays": views, "cursor": cursor, "has_more": has_more })))
}

/// `GET /v1/replay/{id}`.
pub(super) async fn get(call: &Call<'_>) -> Result<Reply, ApiError> {
    Ok(json(StatusCode::OK, &view(&find(call).await?)))
}

/// `DELETE /v1/replay/{id}`: nothing more is queued; what is in the queue goes on.
pub(super) async fn cancel(call: &Call<'_>) -> Result<Reply, ApiError> {
    for _ in 0..TRIES {
        let found = find(call).await?;
        if found.status != ReplayStatus::Running {
            return Ok(json(StatusCode::OK, &view(&found)));
        }
        let status = ReplayStatus::Cancelled;
        let cancelled = Replay { status, updated_at_ms: now_ms(), ..found.clone() };
        if call.edge.replays.change(&found, &cancelled).await? {
            return Ok(json(StatusCode::OK, &view(&cancelled)));
        }
    }
    Err(ApiError::conflict("the replay is being changed by others"))
}

async fn find(call: &Call<'_>) -> Result<Replay, ApiError> {
    let id: ReplayId = id(call.params.id, "id")?;
    let found = call.edge.replays.get(call.customer()?.id(), id).await?;
    found.ok_or_else(|| ApiError::not_found("replay"))
}
