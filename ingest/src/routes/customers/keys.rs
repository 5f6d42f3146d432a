//! API keys.

use crate::error::ApiError;
use crate::reply::{ApiReply, json, no_content};
use crate::request::{ApiRequest, parse_time};
use http::StatusCode;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_catalogue::secrets::{KeyMode, NewApiKey, new_api_key};
use sluice_model::clock::{now_ms, rfc3339_string};
use sluice_model::{ApiKey, ApiKeyId, CustomerId, Scope, Scopes};
use sluice_ports::catalogue::CatalogueError;

/// The most keys of a customer. Revoked keys count: they are kept for the record.
const KEYS_MAX: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    mode: Option<KeyMode>,
    /// RFC 3339.
    expires_at: Option<String>,
    /// Names of scopes; every scope if absent.
    scopes: Option<Value>,
}

/// A key as answers show it.
#[derive(Serialize)]
pub(in crate::routes) struct KeyView<'a> {
    key_id: ApiKeyId,
    customer_id: CustomerId,
    hint: &'a str,
    status: &'static str,
    scopes: Vec<&'static str>,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    /// The key's text, only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<&'a str>,
}

pub(in crate::routes) fn view(key: &ApiKey) -> KeyView<'_> {
    let status = match key.revoked_at_ms {
        Some(_) => "revoked",
        None if key.is_valid(now_ms()) => "active",
        None => "expired",
    };
    KeyView {
        key_id: key.id,
        customer_id: key.customer,
        hint: &key.hint,
        status,
        scopes: key.scopes.names().collect(),
        created_at: rfc3339_string(key.created_at_ms),
        expires_at: key.expires_at_ms.map(rfc3339_string),
        revoked_at: key.revoked_at_ms.map(rfc3339_string),
        api_key: None,
    }
}

/// A key that was just made and stored.
pub(super) struct MadeKey {
    pub text: String,
    stored: ApiKey,
}

/// Makes a key for a customer.
pub(super) async fn make(
    request: &ApiRequest<'_>,
    customer: CustomerId,
    mode: KeyMode,
    expires_at_ms: Option<u64>,
    scopes: Scopes,
) -> Result<MadeKey, ApiError> {
    let NewApiKey { text, hash, hint } = new_api_key(mode);
    let created_at_ms = now_ms();
    let id = ApiKeyId::new(created_at_ms);
    let revoked_at_ms = None;
    let stored = ApiKey { id, customer, hash, hint, created_at_ms, expires_at_ms, revoked_at_ms, scopes };
    request.directory.put_key(&stored, request.origin()).await?;
    Ok(MadeKey { text, stored })
}

/// `POST /admin/customers/{customer_id}/keys`.
pub(super) async fn create(request: &ApiRequest<'_>, body: Incoming) -> Result<ApiReply, ApiError> {
    let NewKey { mode, expires_at, scopes } = request.optional_json(body).await?;
    let customer = request.customer()?;
    if customer.state().keys.len() >= KEYS_MAX {
        let text = format!("the customer has {KEYS_MAX} keys, the most there may be");
        return Err(ApiError::new(StatusCode::CONFLICT, "TOO_MANY_KEYS", text));
    }
    let expires_at_ms = expires_at.map(|text| parse_time(&text, "expires_at")).transpose()?;
    if expires_at_ms.is_some_and(|ms| ms <= now_ms()) {
        return Err(ApiError::invalid("expires_at", "must lie in the future"));
    }
    let scopes = scopes.map_or(Ok(Scopes::ALL), |names| checked_scopes(&names))?;
    let made = make(request, customer.id(), mode.unwrap_or(KeyMode::Live), expires_at_ms, scopes).await?;
    Ok(json(StatusCode::CREATED, &KeyView { api_key: Some(&made.text), ..view(&made.stored) }))
}

/// The scopes of an array of their names.
fn checked_scopes(names: &Value) -> Result<Scopes, ApiError> {
    let refused = |problem: &str| {
        let known = Scopes::ALL.names().collect::<Vec<_>>().join(", ");
        ApiError::invalid("scopes", format!("{problem}: there are {known}"))
    };
    let Some(names) = names.as_array() else { return Err(refused("is no array of scopes")) };
    if names.is_empty() {
        return Err(refused("is empty; leave it out for every scope"));
    }
    let scope = |name: &Value| {
        let scope = name.as_str().and_then(Scope::parse);
        scope.ok_or_else(|| refused(&format!("{:.60} is no scope", name.to_string())))
    };
    names.iter().map(scope).collect()
}

/// `GET /admin/customers/{customer_id}/keys`.
pub(super) fn list(request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    let state = request.customer()?.state();
    let keys: Vec<_> = state.keys.iter().map(|key| view(key)).collect();
    Ok(json(StatusCode::OK, &json!({ "keys": keys })))
}

/// `DELETE /admin/customers/{customer_id}/keys/{id}`.
pub(super) async fn revoke(request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    let customer = request.customer()?;
    let key: ApiKeyId = request.path_id()?;
    match request.directory.revoke_key(customer.id(), key, request.origin()).await {
        Ok(()) => Ok(no_content()),
        Err(CatalogueError::NotFound) => Err(ApiError::not_found("key")),
        Err(error) => Err(error.into()),
    }
}
