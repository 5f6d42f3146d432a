//! `GET /v1/inbox`.

use crate::contexts::EventsContext;
use crate::cursor::{self, CursorBinding};
use crate::error::ApiError;
use crate::inbox::{EventFilter, PageBudget, PageQuery, StatusFilter, read};
use crate::reply::{ApiReply, json_bytes};
use crate::request::{ApiRequest, QueryParams};
use http::StatusCode;
use sluice_model::clock::rfc3339_string;
use sluice_model::{CustomerId, EventId, Lane};
use sluice_ports::event_store::{Direction, Horizons};
use std::io::Write;

const PARAMETERS: [&str; 11] = [
    "status",
    "event_type",
    "source",
    "tag",
    "start_time",
    "end_time",
    "since",
    "until",
    "limit",
    "cursor",
    "order",
];

/// A page of the customer's events.
pub(super) async fn list(context: &EventsContext, request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    let customer = request.customer()?;
    let query = request.query(&PARAMETERS)?;
    let filter = filter(&query)?;
    let direction = match query.text("order") {
        None | Some("asc") => Direction::Ascending,
        Some("desc") => Direction::Descending,
        Some(_) => return Err(ApiError::invalid("order", "must be asc or desc")),
    };
    let limit = query.limit(100)?;
    let binding = binding(customer.id(), &filter, direction);
    let positions = match query.text("cursor") {
        None => Vec::new(),
        Some(text) => open(&binding, text)?,
    };
    let _turn = context.reads.lock(customer.id()).await;
    let horizons = context.store.horizons().await?;
    let lanes: Vec<Lane> = customer.state().customer.lanes_ever(context.lanes).collect();
    let readable_ms = readable_until(&horizons, &lanes);
    let page_query = PageQuery {
        customer: customer.id(),
        lanes,
        positions,
        horizons,
        not_before_ms: 0,
        direction,
        filter: &filter,
        budget: PageBudget::for_page(limit),
    };
    let page = read(&*context.store, page_query).await?;
    let mut out = Vec::with_capacity(page.items.len() + 2048);
    out.extend_from_slice(b"{\"events\":[");
    out.extend_from_slice(&page.items);
    let cursor = binding.seal(&cursor::write_positions(page.positions.into_iter()));
    write!(out, "],\"total\":{},\"cursor\":\"{cursor}\",\"has_more\":{}", page.count, page.has_more)
        .expect("a vector accepts every byte");
    if let Some(ms) = readable_ms {
        write!(out, ",\"readable_until\":\"{}\"", rfc3339_string(ms)).expect("a vector accepts every byte");
    }
    out.push(b'}');
    Ok(json_bytes(StatusCode::OK, out.into()))
}

/// The time up to which all of the lanes can be read; `None` if there is no such limit.
fn readable_until(horizons: &Horizons, lanes: &[Lane]) -> Option<u64> {
    let lowest = lanes.iter().map(|lane| horizons.of(*lane)).min();
    lowest.filter(|_| !horizons.is_everything())
}

fn filter(query: &QueryParams<'_>) -> Result<EventFilter, ApiError> {
    let status = |text: &str| {
        StatusFilter::parse(text).ok_or_else(|| {
            let text = "must be pending, delivered, failed, unmatched, acknowledged or any";
            ApiError::invalid("status", text)
        })
    };
    let text = |name| query.text(name).map(str::to_owned);
    let range = query.range()?;
    Ok(EventFilter {
        status: query.text("status").map(status).transpose()?.unwrap_or_default(),
        event_type: text("event_type"),
        source: text("source"),
        tag: text("tag"),
        start_ms: range.start_ms,
        end_ms: range.end_ms,
    })
}

fn binding(customer: CustomerId, filter: &EventFilter, direction: Direction) -> CursorBinding {
    let order: &[u8] = match direction {
        Direction::Ascending => b"inbox asc",
        Direction::Descending => b"inbox desc",
    };
    CursorBinding::new(&[&customer.to_bytes(), &filter.binding(), order])
}

fn open(binding: &CursorBinding, text: &str) -> Result<Vec<EventId>, ApiError> {
    let positions = binding.open(text).and_then(|payload| cursor::read_positions(&payload));
    positions.ok_or_else(|| ApiError::invalid("cursor", "is not a cursor of this query"))
}
