//! Declaring and deleting event types.

use super::invalid_schema;
use super::wire::{NewEventType, checked_description, checked_name, view};
use crate::contexts::EventTypesContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json, no_content};
use crate::request::ApiRequest;
use crate::trials::on_own_thread;
use http::StatusCode;
use hyper::body::Incoming;
use sluice_catalogue::directory::CustomerState;
use sluice_model::EventType;
use sluice_model::clock::now_ms;
use sluice_ports::catalogue::CatalogueError;
use sluice_schema::EventSchema;

/// `PUT /v1/event-types/{name}`.
pub(super) async fn put(
    context: &EventTypesContext,
    request: &ApiRequest<'_>,
    body: Incoming,
) -> Result<ApiReply, ApiError> {
    let NewEventType { description, schema, enforce } = request.json(body).await?;
    let name = checked_name(request)?.into_owned();
    let customer = request.customer()?;
    let _turn = context.changes.lock(customer.id()).await;
    let limits = context.limits.schema;
    let compiled = on_own_thread(move || EventSchema::compile(schema.get(), &limits).map(|_| schema)).await?;
    let schema = compiled.map_err(invalid_schema)?;
    let now_ms = now_ms();
    let event_type = EventType {
        customer: customer.id(),
        name,
        description: checked_description(description)?,
        schema: schema.get().to_owned(),
        enforce,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
    };
    let state = customer.state();
    check_room(context, &state, &event_type)?;
    let status = match state.event_type(&event_type.name) {
        Some(_) => StatusCode::OK,
        None => StatusCode::CREATED,
    };
    request.directory.put_event_type(&event_type, request.origin()).await.map_err(catalogue_error)?;
    // Compared with the stored type: the same declaration again changes nothing.
    let state = customer.state();
    match state.event_type(&event_type.name) {
        Some(stored) => Ok(json(status, &view(stored)?)),
        None => Ok(json(status, &view(&event_type)?)),
    }
}

/// Refuses a type for which the customer has no room.
fn check_room(
    context: &EventTypesContext,
    state: &CustomerState,
    event_type: &EventType,
) -> Result<(), ApiError> {
    let others = || state.event_types.iter().filter(|known| known.name != event_type.name);
    let (max, bytes_max) = (context.limits.customer_max, context.limits.customer_bytes_max);
    let too_many = |text: String| Err(ApiError::new(StatusCode::CONFLICT, "TOO_MANY_EVENT_TYPES", text));
    if others().count() >= max {
        return too_many(format!("the customer has {max} event types, the most there may be"));
    }
    let bytes = others().map(|known| known.schema.len()).sum::<usize>() + event_type.schema.len();
    if bytes > bytes_max {
        return too_many(format!(
            "the schemas of the customer's event types would have {bytes} bytes together; the limit is {bytes_max}"
        ));
    }
    Ok(())
}

/// `DELETE /v1/event-types/{name}`.
pub(super) async fn delete(
    context: &EventTypesContext,
    request: &ApiRequest<'_>,
) -> Result<ApiReply, ApiError> {
    let name = checked_name(request)?;
    let customer = request.customer()?;
    let _turn = context.changes.lock(customer.id()).await;
    let deleted = request.directory.delete_event_type(customer.id(), &name, request.origin()).await;
    deleted.map(|()| no_content()).map_err(catalogue_error)
}

/// The catalogue's error, which names the event type if it is missing.
fn catalogue_error(error: CatalogueError) -> ApiError {
    match error {
        CatalogueError::NotFound => ApiError::not_found("event type"),
        other => other.into(),
    }
}
