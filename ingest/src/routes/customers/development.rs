//! `POST /admin/test-customer`: a customer and its key, in development only.

use super::keys;
use super::wire::{RATE_MAX, view, with_defaults};
use crate::contexts::OperatorsContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::ApiRequest;
use http::StatusCode;
use serde_json::json;
use sluice_catalogue::secrets::KeyMode;
use sluice_model::{Customer, Scopes};

pub(super) async fn test_customer(
    context: &OperatorsContext,
    request: &ApiRequest<'_>,
) -> Result<ApiReply, ApiError> {
    if !context.is_development {
        return Err(ApiError::not_found("path"));
    }
    let customer = Customer { rate_limit_per_second: RATE_MAX, ..with_defaults("Test customer".to_owned()) };
    request.directory.put_customer(&customer, request.origin()).await?;
    let key = keys::make(request, customer.id, KeyMode::Test, None, Scopes::ALL).await?;
    Ok(json(StatusCode::CREATED, &json!({ "customer": view(&customer), "api_key": key.text })))
}
