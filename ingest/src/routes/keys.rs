//! API keys, for operators.

use super::{id, rfc3339, time};
use crate::error::ApiError;
use crate::reply::{Reply, json, no_content};
use crate::service::Call;
use http::StatusCode;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_catalogue::secrets::{KeyMode, NewApiKey, new_api_key};
use sluice_model::clock::now_ms;
use sluice_model::{ApiKey, ApiKeyId, CustomerId};
use sluice_ports::catalogue::CatalogueError;

/// Keys of a customer, revoked ones included: they are kept for the record.
const KEYS_MAX: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    mode: Option<KeyMode>,
    /// RFC 3339.
    expires_at: Option<String>,
}

#[derive(Serialize)]
struct View<'a> {
    id: ApiKeyId,
    customer_id: CustomerId,
    hint: &'a str,
    status: &'static str,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    /// In the one answer that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

fn view(of: &ApiKey) -> View<'_> {
    let status = match of.revoked_at_ms {
        Some(_) => "revoked",
        None if of.is_valid(now_ms()) => "active",
        None => "expired",
    };
    View {
        id: of.id,
        customer_id: of.customer,
        hint: &of.hint,
        status,
        created_at: rfc3339(of.created_at_ms),
        expires_at: of.expires_at_ms.map(rfc3339),
        revoked_at: of.revoked_at_ms.map(rfc3339),
        key: None,
    }
}

/// A key just made and stored.
pub(super) struct Made {
    pub text: String,
    stored: ApiKey,
}

/// Makes a key of a customer.
pub(super) async fn make(
    call: &Call<'_>,
    customer: CustomerId,
    mode: KeyMode,
    expires_at_ms: Option<u64>,
) -> Result<Made, ApiError> {
    let NewApiKey { text, hash, hint } = new_api_key(mode);
    let created_at_ms = now_ms();
    let id = ApiKeyId::new(created_at_ms);
    let stored = ApiKey { id, customer, hash, hint, created_at_ms, expires_at_ms, revoked_at_ms: None };
    call.edge.directory.put_key(&stored).await?;
    Ok(Made { text, stored })
}

/// `POST /admin/customers/{customer}/keys`.
pub(super) async fn create(call: &Call<'_>, body: Incoming) -> Result<Reply, ApiError> {
    let New { mode, expires_at } = call.optional_json(body).await?;
    let customer = call.customer()?;
    if customer.state().keys.len() >= KEYS_MAX {
        let text = format!("the customer has {KEYS_MAX} keys, the most there may be");
        return Err(ApiError::new(StatusCode::CONFLICT, "TOO_MANY_KEYS", text));
    }
    let expires_at_ms = expires_at.map(|text| time(&text, "expires_at")).transpose()?;
    if expires_at_ms.is_some_and(|at| at <= now_ms()) {
        return Err(ApiError::invalid("expires_at", "must lie in the future"));
    }
    let made = make(call, customer.id(), mode.unwrap_or(KeyMode::Live), expires_at_ms).await?;
    Ok(json(StatusCode::CREATED, &View { key: Some(&made.text), ..view(&made.stored) }))
}

/// `GET /admin/customers/{customer}/keys`.
pub(super) fn list(call: &Call<'_>) -> Result<Reply, ApiError> {
    let state = call.customer()?.state();
    let keys: Vec<_> = state.keys.iter().map(|key| view(key)).collect();
    Ok(json(StatusCode::OK, &json!({ "keys": keys })))
}

/// `DELETE /admin/customers/{customer}/keys/{id}`.
pub(super) async fn revoke(call: &Call<'_>) -> Result<Reply, ApiError> {
    let customer = call.customer()?;
    let key: ApiKeyId = id(call.params.id, "id")?;
    match call.edge.directory.revoke_key(customer.id(), key).await {
        Ok(()) => Ok(no_content()),
        Err(CatalogueError::NotFound) => Err(ApiError::not_found("key")),
        Err(error) => Err(error.into()),
    }
}
