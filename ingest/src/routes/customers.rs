//! Customers, for operators.

use super::{keys, rfc3339};
use crate::error::ApiError;
use crate::reply::{Reply, json};
use crate::service::Call;
use http::StatusCode;
use hyper::body::Incoming;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use sluice_catalogue::secrets::KeyMode;
use sluice_model::clock::now_ms;
use sluice_model::customer::FAN_OUT_MAX;
use sluice_model::{Customer, CustomerId, CustomerStatus};

pub(crate) const NAME_MAX: usize = 200;
/// RFC 5321, 4.5.3.1.3: a path of 256 bytes, less its brackets.
pub(crate) const EMAIL_MAX: usize = 254;
pub(crate) const RATE_MAX: u32 = 10_000_000;
const RATE_DEFAULT: u32 = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    email: Option<String>,
    status: Option<CustomerStatus>,
    rate_limit_per_second: Option<u32>,
    fan_out: Option<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    name: Option<String>,
    /// `null` takes it away.
    #[serde(default, deserialize_with = "present")]
    email: Option<Option<String>>,
    status: Option<CustomerStatus>,
    rate_limit_per_second: Option<u32>,
    fan_out: Option<u16>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[derive(Serialize)]
struct View<'a> {
    id: CustomerId,
    name: &'a str,
    email: Option<&'a str>,
    status: CustomerStatus,
    rate_limit_per_second: u32,
    fan_out: u16,
    created_at: String,
    updated_at: String,
}

fn view(of: &Customer) -> View<'_> {
    View {
        id: of.id,
        name: &of.name,
        email: of.email.as_deref(),
        status: of.status,
        rate_limit_per_second: of.rate_limit_per_second,
        fan_out: of.fan_out,
        created_at: rfc3339(of.created_at_ms),
        updated_at: rfc3339(of.updated_at_ms),
    }
}

/// `POST /admin/customers`.
pub(super) async fn create(call: &Call<'_>, body: Incoming) -> Result<Reply, ApiError> {
    let New { name, email, status, rate_limit_per_second, fan_out } = call.json(body).await?;
    let customer = Customer {
        email,
        status: status.unwrap_or(CustomerStatus::Active),
        rate_limit_per_second: rate_limit_per_second.unwrap_or(RATE_DEFAULT),
        fan_out: fan_out.unwrap_or(1),
        ..blank(name)
    };
    check(call, &customer)?;
    call.edge.directory.put_customer(&customer).await?;
    Ok(json(StatusCode::CREATED, &view(&customer)))
}

/// `GET /admin/customers`.
pub(super) fn list(call: &Call<'_>) -> Result<Reply, ApiError> {
    let query = call.query(&["limit", "cursor"])?;
    let (limit, after) = (query.limit(100)?, query.id::<CustomerId>("cursor")?);
    let all = call.edge.directory.customers();
    let start = after.map_or(0, |after| all.partition_point(|of| of.id() <= after));
    let page = all.get(start..(start + limit).min(all.len())).unwrap_or_default();
    let has_more = start + page.len() < all.len();
    let cursor = has_more.then(|| page.last().map(|of| of.id())).flatten();
    let states: Vec<_> = page.iter().map(|of| of.state()).collect();
    let customers: Vec<_> = states.iter().map(|state| view(&state.customer)).collect();
    let body = json!({ "customers": customers, "total": all.len(), "cursor": cursor, "has_more": has_more });
    Ok(json(StatusCode::OK, &body))
}

/// `GET /admin/customers/{customer}`.
pub(super) fn get(call: &Call<'_>) -> Result<Reply, ApiError> {
    Ok(json(StatusCode::OK, &view(&call.customer()?.state().customer)))
}

/// `PATCH /admin/customers/{customer}`.
pub(super) async fn patch(call: &Call<'_>, body: Incoming) -> Result<Reply, ApiError> {
    let Change { name, email, status, rate_limit_per_second, fan_out } = call.json(body).await?;
    // Two operators at once: the later one's fields, on what the earlier one left.
    let _one_at_a_time = call.edge.customer_changes.lock().await;
    let mut customer = call.customer()?.state().customer.clone();
    customer.name = name.unwrap_or(customer.name);
    customer.email = email.unwrap_or(customer.email);
    customer.status = status.unwrap_or(customer.status);
    customer.rate_limit_per_second = rate_limit_per_second.unwrap_or(customer.rate_limit_per_second);
    customer.fan_out = fan_out.unwrap_or(customer.fan_out);
    customer.fan_out_ever = customer.fan_out_ever.max(customer.fan_out);
    customer.updated_at_ms = now_ms().max(customer.updated_at_ms);
    check(call, &customer)?;
    call.edge.directory.put_customer(&customer).await?;
    Ok(json(StatusCode::OK, &view(&customer)))
}

/// `POST /admin/test-customer`: a customer and its key, in development only.
pub(super) async fn test_customer(call: &Call<'_>) -> Result<Reply, ApiError> {
    if !call.edge.config.is_development() {
        return Err(ApiError::not_found("path"));
    }
    let customer = Customer { rate_limit_per_second: RATE_MAX, ..blank("Test customer".to_owned()) };
    call.edge.directory.put_customer(&customer).await?;
    let key = keys::make(call, customer.id, KeyMode::Test, None).await?;
    Ok(json(StatusCode::CREATED, &json!({ "customer": view(&customer), "api_key": key.text })))
}

fn blank(name: String) -> Customer {
    let now_ms = now_ms();
    Customer {
        id: CustomerId::new(now_ms),
        name,
        email: None,
        status: CustomerStatus::Active,
        rate_limit_per_second: RATE_DEFAULT,
        fan_out: 1,
        fan_out_ever: 1,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
    }
}

fn check(call: &Call<'_>, customer: &Customer) -> Result<(), ApiError> {
    let Customer { name, email, rate_limit_per_second: rate, fan_out, .. } = customer;
    if name.trim().is_empty() || name.len() > NAME_MAX {
        return Err(ApiError::invalid("name", format!("must have 1 to {NAME_MAX} bytes")));
    }
    if email.as_ref().is_some_and(|email| email.len() > EMAIL_MAX || !email.contains('@')) {
        return Err(ApiError::invalid("email", "is not an e-mail address"));
    }
    if !(1..=RATE_MAX).contains(rate) {
        return Err(ApiError::invalid("rate_limit_per_second", format!("must be between 1 and {RATE_MAX}")));
    }
    let fan_out_max = FAN_OUT_MAX.min(call.edge.lanes);
    if !(1..=fan_out_max).contains(fan_out) {
        return Err(ApiError::invalid("fan_out", format!("must be between 1 and {fan_out_max}")));
    }
    Ok(())
}
