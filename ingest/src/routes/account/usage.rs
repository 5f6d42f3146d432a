//! `GET /v1/usage`.

use crate::contexts::AccountContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::{ApiRequest, QueryParams};
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use sluice_history::usage::{
    Granularity, OTHER_SUBSCRIPTIONS, ReceiptBucket, ReceiptTimes, UsageCounts, UsageGroup, UsageGrouping,
    UsagePeriod, UsageWindow,
};
use sluice_model::clock::{now_ms, rfc3339_string};
use sluice_model::{CustomerId, SubscriptionId};
use std::collections::BTreeMap;

/// The most periods of an answer: a day of minutes, two months of hours.
pub(super) const PERIODS_MAX: u64 = 1500;

const PARAMETERS: [&str; 6] = ["since", "start_time", "until", "end_time", "granularity", "group_by"];

/// A period as the answer shows it; figures that are not known for a group are left out.
#[derive(Serialize)]
struct PeriodView {
    start: String,
    /// `null` for events without a type.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_type: Option<Option<Box<str>>>,
    /// `null` for subscriptions beyond the limit, counted together.
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_id: Option<Option<SubscriptionId>>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    accepted: Option<AcceptedView>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    ended: Option<EndedView>,
}

#[derive(Serialize)]
struct AcceptedView {
    accepted: u64,
    bytes: u64,
    unmatched: u64,
}

#[derive(Serialize)]
struct EndedView {
    delivered: u64,
    failed: u64,
    /// `null` if nothing was delivered, or before this was counted.
    receipt_ms: Option<ReceiptView>,
}

/// The time from acceptance to delivery, in milliseconds.
#[derive(Debug, PartialEq, Serialize)]
struct ReceiptView {
    p50: f64,
    p99: f64,
}

/// The times from acceptance to delivery of a group's events, over the whole range.
#[derive(Serialize)]
struct ReceiptsView {
    /// `null` for subscriptions beyond the limit, counted together.
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_id: Option<Option<SubscriptionId>>,
    events: u64,
    receipt_ms: Option<ReceiptView>,
    buckets: Vec<BucketView>,
}

#[derive(Serialize)]
struct BucketView {
    from_ms: u64,
    below_ms: Option<u64>,
    events: u64,
}

fn receipt_ms(times: &ReceiptTimes) -> Option<ReceiptView> {
    let quantile = |share| times.quantile(share).map(|ms| (ms * 10.0).round() / 10.0);
    Some(ReceiptView { p50: quantile(0.5)?, p99: quantile(0.99)? })
}

/// The receipts of the whole range, by group; those of event types are not known.
fn receipts(periods: &[UsagePeriod]) -> Vec<ReceiptsView> {
    let mut sums: BTreeMap<&UsageGroup, ReceiptTimes> = BTreeMap::new();
    for period in periods.iter().filter(|period| !period.receipts.is_empty()) {
        sums.entry(&period.group).or_default().add(&period.receipts);
    }
    let view = |(group, times): (&UsageGroup, ReceiptTimes)| {
        let workflow_id = match group {
            UsageGroup::Subscription(id) => Some(Some(*id).filter(|id| *id != OTHER_SUBSCRIPTIONS)),
            UsageGroup::Total | UsageGroup::EventType(_) => None,
        };
        let bucket = |one: ReceiptBucket| BucketView {
            from_ms: one.from_ms,
            below_ms: one.below_ms,
            events: one.events,
        };
        ReceiptsView {
            workflow_id,
            events: times.events(),
            receipt_ms: receipt_ms(&times),
            buckets: times.buckets().map(bucket).collect(),
        }
    };
    sums.into_iter().map(view).collect()
}

fn view(period: UsagePeriod) -> PeriodView {
    let UsageCounts { accepted, bytes, unmatched, delivered, failed } = period.counts;
    let receipt_ms = receipt_ms(&period.receipts);
    let (accepted, ended) = (
        Some(AcceptedView { accepted, bytes, unmatched }),
        Some(EndedView { delivered, failed, receipt_ms }),
    );
    let start = rfc3339_string(period.start_ms);
    let total = PeriodView { start, event_type: None, workflow_id: None, accepted, ended };
    match period.group {
        UsageGroup::Total => total,
        UsageGroup::EventType(kind) => {
            PeriodView { event_type: Some(Some(kind).filter(|kind| !kind.is_empty())), ended: None, ..total }
        }
        UsageGroup::Subscription(id) => {
            let id = Some(id).filter(|id| *id != OTHER_SUBSCRIPTIONS);
            PeriodView { workflow_id: Some(id), accepted: None, ..total }
        }
    }
}

/// The customer's usage in a range of time.
pub(super) async fn get(context: &AccountContext, request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    let customer = request.customer()?.id();
    let query = request.query(&PARAMETERS)?;
    let window = window(customer, &query, now_ms())?;
    let _turn = context.reads.lock(customer).await;
    let periods = context.usage.read(&window).await?;
    let receipts = receipts(&periods);
    // Receipts of subscriptions beyond their limit may stand alone.
    let counted = periods.into_iter().filter(|period| !period.counts.is_zero());
    let periods: Vec<PeriodView> = counted.map(view).collect();
    let body = json!({
        "granularity": query.text("granularity").unwrap_or("hour"),
        "group_by": query.text("group_by").unwrap_or("none"),
        "since": rfc3339_string(window.from_ms),
        "until": rfc3339_string(window.until_ms),
        "usage": periods,
        "receipts": receipts,
    });
    Ok(json(StatusCode::OK, &body))
}

fn window(customer: CustomerId, query: &QueryParams<'_>, now_ms: u64) -> Result<UsageWindow, ApiError> {
    let (granularity, usual) = match query.text("granularity") {
        Some("minute") => (Granularity::Minute, 60),
        None | Some("hour") => (Granularity::Hour, 24),
        Some("day") => (Granularity::Day, 30),
        Some(_) => return Err(ApiError::invalid("granularity", "must be minute, hour or day")),
    };
    let grouping = match query.text("group_by") {
        None | Some("none") => UsageGrouping::Total,
        Some("event_type") => UsageGrouping::EventType,
        Some("workflow_id") => UsageGrouping::Subscription,
        Some(_) => return Err(ApiError::invalid("group_by", "must be none, event_type or workflow_id")),
    };
    let (range, length) = (query.range()?, granularity.ms());
    let until_ms = range.end_ms.unwrap_or(now_ms + 1);
    let from_ms = range.start_ms.unwrap_or(until_ms.saturating_sub(usual * length));
    let from_ms = from_ms - from_ms % length;
    if from_ms >= until_ms {
        return Err(ApiError::invalid("until", "must be after since"));
    }
    let periods = (until_ms - from_ms).div_ceil(length);
    if periods > PERIODS_MAX {
        let text = format!(
            "the range has {periods} periods, and an answer at most {PERIODS_MAX}: ask for a shorter range or \
             for longer periods"
        );
        return Err(
            ApiError::invalid("since", text).details(json!({ "field": "since", "limit": PERIODS_MAX }))
        );
    }
    Ok(UsageWindow { customer, granularity, from_ms, until_ms, grouping })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(group: UsageGroup) -> serde_json::Value {
        let counts = UsageCounts { accepted: 1, bytes: 2, unmatched: 3, delivered: 4, failed: 5 };
        let mut receipts = ReceiptTimes::default();
        receipts.count(5, 4);
        serde_json::to_value(view(UsagePeriod { start_ms: 0, group, counts, receipts })).unwrap()
    }

    #[test]
    fn a_group_shows_what_is_known_of_it() {
        let start = "1970-01-01T00:00:00.000Z";
        let receipt = json!({ "p50": 5.0, "p99": 6.0 });
        assert_eq!(
            period(UsageGroup::Total),
            json!({ "start": start, "accepted": 1, "bytes": 2, "unmatched": 3, "delivered": 4, "failed": 5, "receipt_ms": receipt })
        );
        let of_type = |kind: Option<&str>| json!({ "start": start, "event_type": kind, "accepted": 1, "bytes": 2, "unmatched": 3 });
        assert_eq!(period(UsageGroup::EventType("a".into())), of_type(Some("a")));
        assert_eq!(period(UsageGroup::EventType("".into())), of_type(None));
        let of_subscription = |id: Option<SubscriptionId>| json!({ "start": start, "workflow_id": id, "delivered": 4, "failed": 5, "receipt_ms": receipt });
        let id = SubscriptionId::from_u128(7);
        assert_eq!(period(UsageGroup::Subscription(id)), of_subscription(Some(id)));
        assert_eq!(period(UsageGroup::Subscription(OTHER_SUBSCRIPTIONS)), of_subscription(None));
    }
    #[test]
    fn the_receipts_of_a_range_are_added_by_group() {
        let period = |start_ms, id: u128, ms, events| {
            let mut receipts = ReceiptTimes::default();
            receipts.count(ms, events);
            let (group, counts) =
                (UsageGroup::Subscription(SubscriptionId::from_u128(id)), UsageCounts::default());
            UsagePeriod { start_ms, group, counts, receipts }
        };
        let periods = [
            period(0, 7, 5, 50),
            period(0, 0, 1, 0),
            period(60_000, 7, 10, 50),
            period(60_000, 0, 1 << 40, 2),
        ];
        let told = serde_json::to_value(receipts(&periods)).unwrap();
        let other = json!({
            "workflow_id": null, "events": 2, "receipt_ms": { "p50": 1_073_741_824.0, "p99": 1_073_741_824.0 },
            "buckets": [{ "from_ms": 1 << 30, "below_ms": null, "events": 2 }],
        });
        let known = json!({
            "workflow_id": SubscriptionId::from_u128(7), "events": 100, "receipt_ms": { "p50": 6.0, "p99": 11.9 },
            "buckets": [
                { "from_ms": 4, "below_ms": 6, "events": 50 }, { "from_ms": 8, "below_ms": 12, "events": 50 },
            ],
        });
        assert_eq!(told, json!([other, known]));
    }
}
