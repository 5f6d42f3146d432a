//! Making and changing customers.

use super::wire::{CustomerChange, NewCustomer, check, view};
use crate::contexts::OperatorsContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::ApiRequest;
use http::StatusCode;
use hyper::body::Incoming;

/// `POST /admin/customers`.
pub(super) async fn create(
    context: &OperatorsContext,
    request: &ApiRequest<'_>,
    body: Incoming,
) -> Result<ApiReply, ApiError> {
    let customer = request.json::<NewCustomer>(body).await?.into_customer();
    check(&customer, context.lanes)?;
    request.directory.put_customer(&customer, request.origin()).await?;
    Ok(json(StatusCode::CREATED, &view(&customer)))
}

/// `PATCH /admin/customers/{customer_id}`.
pub(super) async fn patch(
    context: &OperatorsContext,
    request: &ApiRequest<'_>,
    body: Incoming,
) -> Result<ApiReply, ApiError> {
    let change: CustomerChange = request.json(body).await?;
    let entry = request.customer()?;
    // Locked so that the later of two concurrent changes applies to the result of the earlier.
    let _lock = context.changes.lock(entry.id()).await;
    let customer = change.onto(entry.state().customer.clone());
    check(&customer, context.lanes)?;
    request.directory.put_customer(&customer, request.origin()).await?;
    Ok(json(StatusCode::OK, &view(&customer)))
}
