//! `GET /v1/me`.

use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::{ApiRequest, Principal};
use crate::routes::customers;
use http::StatusCode;
use serde_json::json;

/// The customer, and the key that the request carries. An operator's request carries none.
pub(super) fn get(request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    let state = request.customer()?.state();
    let key = match &request.principal {
        Principal::Customer(entry) => state.keys.iter().find(|key| key.id == entry.id()),
        Principal::Operator | Principal::Anybody => None,
    };
    let body = json!({
        "customer": customers::view(&state.customer),
        "key": key.map(|key| customers::key_view(key)),
        "version": env!("CARGO_PKG_VERSION"),
    });
    Ok(json(StatusCode::OK, &body))
}
