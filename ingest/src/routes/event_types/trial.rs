//! `POST /v1/event-types/{name}/test`: whether a payload fits. Nothing is sent and
//! nothing is stored.

use super::invalid_schema;
use super::read::find;
use super::wire::checked_name;
use crate::contexts::EventTypesContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::ApiRequest;
use crate::trials::on_own_thread;
use http::StatusCode;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sluice_schema::{EventSchema, Misfit, SchemaLimits, SchemaPayload};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventTypeTrial {
    payload: Box<RawValue>,
    /// A schema to try instead of the stored one.
    schema: Option<Box<RawValue>>,
}

/// The result of the test.
#[derive(Serialize)]
struct EventTypeResult {
    valid: bool,
    errors: Vec<Misfit>,
}

pub(super) async fn test(
    context: &EventTypesContext,
    request: &ApiRequest<'_>,
    body: Incoming,
) -> Result<ApiReply, ApiError> {
    let EventTypeTrial { payload, schema } = request.json(body).await?;
    if payload.get().len() > context.event_bytes_max {
        let text = format!(
            "has {} bytes; the limit of an event is {}",
            payload.get().len(),
            context.event_bytes_max
        );
        return Err(ApiError::invalid("payload", text));
    }
    let (text, limits) = match schema {
        Some(draft) => {
            checked_name(request)?;
            (draft.get().to_owned(), context.limits.schema)
        }
        None => (find(request)?.schema.clone(), SchemaLimits::WIDEST),
    };
    let _turn = context.trials.enter(request.customer()?.id())?;
    let checks = context.limits.checks;
    let judged = on_own_thread(move || {
        let schema = EventSchema::compile(&text, &limits).map_err(invalid_schema)?;
        let payload = match SchemaPayload::read(payload.get()) {
            Ok(payload) => payload,
            Err(misfit) => return Ok(vec![misfit]),
        };
        let needed = schema.checks(&payload);
        if needed > checks.event_checks_max {
            let text = format!("would need {needed} checks; the limit is {}", checks.event_checks_max);
            return Err(ApiError::invalid("payload", text));
        }
        Ok(schema.misfits(&payload, checks.misfits_max))
    });
    let errors = judged.await??;
    Ok(json(StatusCode::OK, &EventTypeResult { valid: errors.is_empty(), errors }))
}
