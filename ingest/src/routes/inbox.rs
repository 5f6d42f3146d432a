//! `GET /v1/inbox`.

use super::Query;
use crate::cursor;
use crate::error::ApiError;
use crate::inbox::{Budget, Filter, Question, read};
use crate::reply::{Reply, json_bytes};
use crate::service::Call;
use crate::status::Status;
use http::StatusCode;
use sluice_model::{CustomerId, EventId};
use sluice_ports::event_store::Direction;
use std::io::Write;

const PARAMETERS: [&str; 9] =
    ["status", "event_type", "source", "tag", "start_time", "end_time", "limit", "cursor", "order"];

/// A page of the customer's events.
pub(super) async fn list(call: &Call<'_>) -> Result<Reply, ApiError> {
    let customer = call.customer()?;
    let query = call.query(&PARAMETERS)?;
    let filter = filter(&query)?;
    let direction = match query.text("order") {
        None | Some("asc") => Direction::Ascending,
        Some("desc") => Direction::Descending,
        Some(_) => return Err(ApiError::invalid("order", "must be asc or desc")),
    };
    let limit = query.limit(100)?;
    let binding = Binding::new(customer.id(), &filter, direction);
    let positions = match query.text("cursor") {
        None => Vec::new(),
        Some(text) => binding.open(text)?,
    };
    let lanes = customer.state().customer.lanes_ever(call.edge.lanes).collect();
    let budget = Budget::of_page(limit);
    let question = Question {
        customer: customer.id(),
        lanes,
        positions,
        not_before_ms: 0,
        direction,
        filter: &filter,
        budget,
    };
    let page = read(&*call.edge.events, question).await?;
    let mut out = Vec::with_capacity(page.items.len() + 2048);
    out.extend_from_slice(b"{\"events\":[");
    out.extend_from_slice(&page.items);
    let cursor = binding.seal(&page.positions);
    write!(out, "],\"total\":{},\"cursor\":\"{cursor}\",\"has_more\":{}}}", page.count, page.has_more)
        .expect("a vector takes all");
    Ok(json_bytes(StatusCode::OK, out.into()))
}

fn filter(query: &Query<'_>) -> Result<Filter, ApiError> {
    let status = |text: &str| {
        Status::parse(text).ok_or_else(|| {
            ApiError::invalid("status", "must be pending, delivered, failed, unmatched or acknowledged")
        })
    };
    let text = |name| query.text(name).map(str::to_owned);
    Ok(Filter {
        status: query.text("status").map(status).transpose()?,
        event_type: text("event_type"),
        source: text("source"),
        tag: text("tag"),
        start_ms: query.time("start_time")?,
        end_ms: query.time("end_time")?,
    })
}

/// What a cursor of the inbox is good for.
struct Binding {
    customer: [u8; 16],
    filter: Vec<u8>,
    order: &'static [u8],
}

impl Binding {
    fn new(customer: CustomerId, filter: &Filter, direction: Direction) -> Self {
        let order = match direction {
            Direction::Ascending => &b"inbox asc"[..],
            Direction::Descending => b"inbox desc",
        };
        Self { customer: customer.to_bytes(), filter: filter.binding(), order }
    }

    fn seal(&self, positions: &[EventId]) -> String {
        let payload = cursor::write_positions(positions.iter().copied());
        cursor::seal(&[&self.customer, &self.filter, self.order], &payload)
    }

    fn open(&self, text: &str) -> Result<Vec<EventId>, ApiError> {
        cursor::open(&[&self.customer, &self.filter, self.order], text)
            .and_then(|payload| cursor::read_positions(&payload))
            .ok_or_else(|| ApiError::invalid("cursor", "is not a cursor of this query"))
    }
}
