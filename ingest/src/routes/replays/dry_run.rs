//! Counting what a replay would deliver.

use crate::contexts::ReplaysContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use http::StatusCode;
use serde_json::json;
use sluice_catalogue::directory::CustomerEntry;
use sluice_history::replay::{self, HistoryWindow};
use sluice_model::Subscription;
use sluice_selector::{MatchScratch, Selector};

/// Events that a dry run looks at. With more of them its answer says that it is not complete.
const EVENTS_MAX: u64 = 200_000;

pub(super) async fn count(
    context: &ReplaysContext,
    customer: &CustomerEntry,
    subscription: &Subscription,
    start_ms: u64,
    end_ms: u64,
) -> Result<ApiReply, ApiError> {
    let selector = Selector::parse(&subscription.selector)
        .map_err(|error| ApiError::conflict(format!("the stored selector is not valid: {error}")))?;
    let Ok(_turn) = context.trials.try_acquire() else {
        return Err(ApiError::overloaded("too many dry runs are under way"));
    };
    let lanes: Vec<_> = customer.state().customer.lanes_ever(context.lanes).collect();
    let mut scratch = MatchScratch::default();
    let (mut scanned, mut matching, mut complete) = (0, 0, true);
    for lane in lanes {
        let mut after = None;
        loop {
            if scanned >= EVENTS_MAX {
                complete = false;
                break;
            }
            let window = HistoryWindow { customer: customer.id(), lane, after, start_ms, end_ms };
            let page = replay::read_page(&*context.store, window, &selector, &mut scratch).await?;
            scanned += page.scanned;
            matching += page.matched.iter().map(|matched| matched.events.len() as u64).sum::<u64>();
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
