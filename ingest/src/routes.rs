//! The handlers, and what they have in common: queries, bodies, ids.

mod ack;
mod customers;
mod dead_letters;
mod deliveries;
mod events;
mod health;
mod inbox;
mod keys;
mod object;
pub(crate) mod produce;
mod replay;
mod stream;
mod subscriptions;
mod trial;
mod webhook_url;

use crate::body::{self, BodyLimits};
use crate::error::ApiError;
use crate::reply::Reply;
use crate::router::Route;
use crate::service::Call;
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use hyper::body::Incoming;
use object::object;
use serde::de::DeserializeOwned;
use sluice_catalogue::directory::CustomerEntry;
use sluice_model::CustomerId;
use sluice_model::clock;
use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

/// Limits that the API's description tells.
pub(crate) mod limits {
    pub(crate) use super::ack::IDS_MAX as ACK_IDS_MAX;
    pub(crate) use super::customers::{EMAIL_MAX, NAME_MAX, RATE_MAX};
    pub(crate) use super::subscriptions::DESCRIPTION_MAX;
}

/// The largest body of a request that holds no events.
const SMALL_BODY_MAX: usize = 1 << 20;

/// Handles every request but those with events.
pub(crate) async fn other(route: Route, call: &Call<'_>, body: Incoming) -> Result<Reply, ApiError> {
    match route {
        Route::Produce => produce::produce(call, body).await,
        Route::GetEvent => events::get(call).await,
        Route::AckEvent => ack::one(call).await,
        Route::Inbox => inbox::list(call).await,
        Route::AckInbox => ack::many(call, body).await,
        Route::Stream => stream::open(call),
        Route::CreateSubscription => subscriptions::create(call, body).await,
        Route::ListSubscriptions => subscriptions::list(call),
        Route::GetSubscription => subscriptions::get(call),
        Route::PatchSubscription => subscriptions::patch(call, body).await,
        Route::DeleteSubscription => subscriptions::delete(call).await,
        Route::RotateSecret => subscriptions::rotate_secret(call).await,
        Route::EnableSubscription => subscriptions::enable(call).await,
        Route::TestEvent => trial::run(call, body).await,
        Route::ListDeliveries => deliveries::list(call).await,
        Route::CreateReplay => replay::create(call, body).await,
        Route::ListReplays => replay::list(call).await,
        Route::GetReplay => replay::get(call).await,
        Route::CancelReplay => replay::cancel(call).await,
        Route::ListDeadLetters => dead_letters::list(call).await,
        Route::DeleteDeadLetters => dead_letters::delete_many(call).await,
        Route::DeleteDeadLetter => dead_letters::delete_one(call).await,
        Route::Redrive => dead_letters::redrive(call, body).await,
        Route::CreateCustomer => customers::create(call, body).await,
        Route::ListCustomers => customers::list(call),
        Route::GetCustomer => customers::get(call),
        Route::PatchCustomer => customers::patch(call, body).await,
        Route::CreateKey => keys::create(call, body).await,
        Route::ListKeys => keys::list(call),
        Route::RevokeKey => keys::revoke(call).await,
        Route::TestCustomer => customers::test_customer(call).await,
        Route::TestSubscription => subscriptions::test_subscription(call, body).await,
        Route::Health => Ok(health::health(call)),
        Route::Live => Ok(health::live()),
        Route::Ready => health::ready(call),
        Route::Metrics => Ok(health::metrics(call)),
        Route::OpenApi => Ok(health::openapi(call)),
        Route::None => Err(ApiError::not_found("path")),
    }
}

impl Call<'_> {
    /// The customer whose things are asked for: the key's, or the one that an
    /// operator's path names.
    fn customer(&self) -> Result<Arc<CustomerEntry>, ApiError> {
        if let Some(key) = &self.key {
            return Ok(Arc::clone(key.customer()));
        }
        let id: CustomerId = id(self.params.customer, "customer")?;
        self.edge.directory.customer(id).ok_or_else(|| ApiError::not_found("customer"))
    }

    /// A small JSON body.
    async fn json<T: DeserializeOwned>(&self, body: Incoming) -> Result<T, ApiError> {
        let bytes = self.small_body(body).await?;
        object(&bytes)
    }

    /// A small JSON body; an absent one stands for `{}`.
    async fn optional_json<T: DeserializeOwned>(&self, body: Incoming) -> Result<T, ApiError> {
        let bytes = self.small_body(body).await?;
        let bytes: &[u8] = if bytes.trim_ascii().is_empty() { b"{}" } else { &bytes };
        object(bytes)
    }

    async fn small_body(&self, body: Incoming) -> Result<Bytes, ApiError> {
        if let Some(kind) = self.parts.headers.get(CONTENT_TYPE)
            && !is_media_type(kind.as_bytes(), "application/json")
        {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "UNSUPPORTED_MEDIA_TYPE",
                "the body must be application/json",
            ));
        }
        // Operators' bodies are charged to nobody's share.
        let payer = self.key.as_ref().map_or(CustomerId::from_u128(0), |key| key.customer().id());
        let mut permit = self.edge.admission.permit(payer);
        let limits = BodyLimits { bytes_max: SMALL_BODY_MAX, ..self.edge.event_bodies() };
        body::read(self.connection, &self.parts.headers, body, &mut permit, limits).await
    }

    /// The query's parameters, each of which must be one of `known` and come once.
    fn query(&self, known: &[&str]) -> Result<Query<'_>, ApiError> {
        let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
        let text = self.parts.uri.query().unwrap_or_default();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let text = format!("no such parameter; there are {}", known.join(", "));
                return Err(ApiError::invalid(&name, text));
            }
            if pairs.iter().any(|(of, _)| *of == name) {
                return Err(ApiError::invalid(&name, "the parameter comes twice"));
            }
            pairs.push((name, value));
        }
        Ok(Query(pairs))
    }
}

/// The parameters of a query.
struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl Query<'_> {
    /// A parameter's text; an empty one is an absent one.
    fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(of, _)| of == name)
            .map(|(_, value)| value.as_ref())
            .filter(|text| !text.is_empty())
    }

    /// A time, in RFC 3339 or milliseconds since the Unix epoch.
    fn time(&self, name: &str) -> Result<Option<u64>, ApiError> {
        self.text(name).map(|text| time(text, name)).transpose()
    }

    fn limit(&self, default: usize) -> Result<usize, ApiError> {
        let Some(text) = self.text("limit") else { return Ok(default) };
        match text.parse() {
            Ok(limit @ 1..=1000) => Ok(limit),
            _ => Err(ApiError::invalid("limit", "must be between 1 and 1000")),
        }
    }

    fn id<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        self.text(name).map(|text| id(text, name)).transpose()
    }
}

fn time(text: &str, field: &str) -> Result<u64, ApiError> {
    // A `+` of an offset that was not escaped arrives as a space.
    let parsed = text.parse().ok().or_else(|| clock::parse_rfc3339(&text.replace(' ', "+")));
    parsed.ok_or_else(|| {
        let text = "must be a time such as 2026-01-31T12:00:00Z, or milliseconds since 1970";
        ApiError::invalid(field, text)
    })
}

fn id<T: FromStr>(text: &str, field: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| ApiError::invalid(field, "is not an id: expected a UUID of 36 characters"))
}

/// Whether a `Content-Type` is this one, whatever its parameters.
fn is_media_type(value: &[u8], wanted: &str) -> bool {
    let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
    value[..end].trim_ascii().eq_ignore_ascii_case(wanted.as_bytes())
}

/// A time as the API writes it.
fn rfc3339(ms: u64) -> String {
    clock::rfc3339_string(ms)
}

/// For the fuzz targets.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn query_time_for_fuzzing(text: &str) -> Option<u64> {
    time(text, "time").ok()
}

/// For the fuzz targets.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn webhook_url_for_fuzzing(text: &str) -> Option<String> {
    webhook_url::check(text, false).ok()
}
