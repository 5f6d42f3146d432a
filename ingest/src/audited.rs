//! Changes outside of the catalogue, each with its entry in the audit log.
//!
//! Such a change and its entry are not one transaction. So the entry comes first,
//! as `begun`: nothing is done that the log does not name. Its outcome is added
//! when the change ended. If the process ends between the two, or the client
//! hangs up, the entry stays `begun`.

use crate::error::ApiError;
use crate::request::ApiRequest;
use serde_json::{Map, Value};
use sluice_model::{AuditAction, AuditDraft, AuditOutcome, CustomerId};
use sluice_ports::catalogue::AuditNote;

/// The entry as it begins, without an outcome.
pub(crate) fn draft(customer: CustomerId, action: AuditAction, subject: Value, details: Value) -> AuditDraft {
    let customer = Some(customer);
    AuditDraft { customer, action, subject: object(subject), changes: Vec::new(), details: object(details) }
}

/// Makes a change and records its outcome; `told` turns the result into the entry's details.
pub(crate) async fn audited<T>(
    request: &ApiRequest<'_>,
    draft: AuditDraft,
    change: impl Future<Output = Result<T, ApiError>>,
    told: impl FnOnce(&T) -> Value,
) -> Result<T, ApiError> {
    let directory = request.directory;
    let id = directory.note(AuditNote::Begin(draft, request.origin())).await?;
    let done = change.await;
    let (outcome, error, details) = match &done {
        Ok(value) => (AuditOutcome::Done, None, object(told(value))),
        Err(error) => (AuditOutcome::Failed, Some(error.code().to_owned()), Map::new()),
    };
    if let Err(error) = directory.note(AuditNote::End { id, outcome, error, details }).await {
        tracing::warn!(audit_id = %id, %error, "the outcome of a change is not in the audit log");
    }
    done
}

/// An object without the fields that are null.
pub(crate) fn present(value: Value) -> Value {
    Value::Object(object(value))
}

/// The fields of an object, without those that are null.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    }
}
