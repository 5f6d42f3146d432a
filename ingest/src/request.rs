//! A request whose credentials were checked, as handlers see it.

mod field_change;
mod object;
mod origin;
mod query;
mod range;

pub(crate) use field_change::FieldChange;
pub(crate) use object::{only_object, or_default};
pub(crate) use query::{QueryParams, parse_time};
pub(crate) use range::{TimeRange, either, parse_id};

use crate::audience::Audience;
use crate::body::BodyIntake;
use crate::connection::ClientConnection;
use crate::error::ApiError;
use crate::media_type::{check_charset, is_media_type};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use sluice_catalogue::directory::{CustomerEntry, Directory, KeyEntry};
use sluice_model::CustomerId;
use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

/// The largest body of a request that holds no events.
const SMALL_BODY_BYTES_MAX: usize = 1 << 20;

/// Whose credentials a request carries.
pub(crate) enum Principal {
    /// Nobody's: the route is open.
    Anybody,
    /// A customer's key.
    Customer(Arc<KeyEntry>),
    /// The operators' token.
    Operator,
}

/// The values that a path holds; empty where its route has no such parameter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PathParams<'p> {
    pub customer: &'p str,
    pub id: &'p str,
    pub name: &'p str,
}

/// A request whose credentials were checked.
pub(crate) struct ApiRequest<'a> {
    pub parts: &'a Parts,
    pub params: PathParams<'a>,
    pub request_id: &'a HeaderValue,
    /// The audience of the listener that took the request.
    pub audience: Audience,
    pub principal: Principal,
    pub connection: &'a Arc<ClientConnection>,
    pub started: Instant,
    pub intake: &'a BodyIntake,
    pub directory: &'a Directory,
}

impl ApiRequest<'_> {
    /// The customer that the request is about: the key's, or the one that an
    /// operator's path names.
    pub(crate) fn customer(&self) -> Result<Arc<CustomerEntry>, ApiError> {
        if let Principal::Customer(key) = &self.principal {
            return Ok(Arc::clone(key.customer()));
        }
        let id: CustomerId = parse_id(self.params.customer, "customer_id")?;
        self.directory.customer(id).ok_or_else(|| ApiError::not_found("customer"))
    }

    /// The id that the path names.
    pub(crate) fn path_id<T: FromStr>(&self) -> Result<T, ApiError> {
        parse_id(self.params.id, "id")
    }

    /// The name in the path, without its percent-encoding.
    pub(crate) fn path_name(&self) -> Result<Cow<'_, str>, ApiError> {
        percent_decode_str(self.params.name)
            .decode_utf8()
            .map_err(|_invalid| ApiError::invalid("name", "is not UTF-8 in percent-encoding"))
    }

    /// The query's parameters. Each must be one of `known` and come once.
    pub(crate) fn query(&self, known: &[&str]) -> Result<QueryParams<'_>, ApiError> {
        QueryParams::parse(self.parts.uri.query().unwrap_or_default(), known)
    }

    /// The body of a request without events, as a value.
    pub(crate) async fn json<T: DeserializeOwned>(&self, body: Incoming) -> Result<T, ApiError> {
        object::parse(&self.small_body(body).await?)
    }

    /// The body like [`Self::json`], where an absent body stands for `{}`.
    pub(crate) async fn optional_json<T: DeserializeOwned>(&self, body: Incoming) -> Result<T, ApiError> {
        let bytes = self.small_body(body).await?;
        object::parse(if bytes.trim_ascii().is_empty() { b"{}" } else { &bytes })
    }

    async fn small_body(&self, body: Incoming) -> Result<Bytes, ApiError> {
        let headers = &self.parts.headers;
        if let Some(content_type) = headers.get(CONTENT_TYPE) {
            if !is_media_type(content_type.as_bytes(), "application/json") {
                return Err(ApiError::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "UNSUPPORTED_MEDIA_TYPE",
                    "the body must be application/json",
                ));
            }
            check_charset(content_type.as_bytes())?;
        }
        let payer = match &self.principal {
            Principal::Customer(key) => key.customer().id(),
            // No customer's share pays for operators' bodies.
            Principal::Operator | Principal::Anybody => CustomerId::from_u128(0),
        };
        let mut permit = self.intake.permit(payer);
        let limits = self.intake.limits_up_to(SMALL_BODY_BYTES_MAX);
        crate::body::read(self.connection, headers, body, &mut permit, limits).await
    }
}
