//! The class ([`FailureClass`]) of each failed SDK call, and its description in one line.

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::RequestId as _;
use sluice_ports::{FailureClass, PortError};
use std::error::Error;
use std::io;

/// Error codes of services that refuse a call for now.
const BUSY: [&str; 11] = [
    "ProvisionedThroughputExceededException",
    "LimitExceededException",
    "KMSThrottlingException",
    "ThrottlingException",
    "Throttling",
    "ThrottledException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "TransactionConflictException",
    "OverLimit",
    "SlowDown",
];

/// Error codes of calls on a stream or table that is being made, changed or deleted:
/// nothing was done, and the same call may succeed later.
const CHANGING: [&str; 2] = ["ResourceInUseException", "TableInUseException"];

/// Error codes of calls that only an operator can mend: the caller's identity, key,
/// clock or rights, or a missing resource.
const DENIED: [&str; 29] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "InvalidSignatureException",
    "KMSAccessDeniedException",
    "KMSDisabledException",
    "KMSInvalidStateException",
    "KMSNotFoundException",
    "KMSOptInRequired",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "OptInRequired",
    "QueueDoesNotExist",
    "AWS.SimpleQueueService.NonExistentQueue",
    "AWS.SimpleQueueService.QueueDeletedRecently",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "ResourceNotFoundException",
    "SignatureDoesNotMatch",
    "TableNotFoundException",
    "UnauthorizedException",
    "UnrecognizedClientException",
];

/// The class of an error answer, by its code, else by its status.
pub(super) fn class_of_answer(code: Option<&str>, status: u16) -> FailureClass {
    // Some services write a namespace before the code and a link behind it.
    let code = code.map(|code| code.rsplit('#').next().unwrap_or(code));
    let code = code.map(|code| code.split(':').next().unwrap_or(code));
    match code {
        Some(code) if BUSY.contains(&code) => FailureClass::Busy,
        Some(code) if DENIED.contains(&code) => FailureClass::Denied,
        Some(code) if CHANGING.contains(&code) => FailureClass::Away,
        _ => match status {
            401 | 403 => FailureClass::Denied,
            429 => FailureClass::Busy,
            // The service blames the call, so the call changed nothing.
            400..=499 => FailureClass::Refused,
            // A 503 may come from a proxy behind which the call was done.
            _ => FailureClass::Ambiguous,
        },
    }
}

/// The class of a call without an answer, by the client's error.
pub(super) fn class_of_silence(error: &(dyn Error + 'static)) -> FailureClass {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && error.kind() == io::ErrorKind::ConnectionRefused
        {
            return FailureClass::Away;
        }
        let text = error.to_string();
        if text.contains("credential") || text.contains("sso token") {
            return FailureClass::Denied;
        }
        // The name did not resolve, so no connection was made.
        if text.contains("dns error") || text.contains("failed to lookup address") {
            return FailureClass::Away;
        }
        cause = error.source();
    }
    FailureClass::Ambiguous
}

/// The class of a failed SDK call.
pub(super) fn class_of<E: ProvideErrorMetadata + Error + Send + Sync + 'static>(
    error: &SdkError<E>,
) -> FailureClass {
    match error {
        SdkError::ServiceError(answer) => {
            class_of_answer(answer.err().code(), answer.raw().status().as_u16())
        }
        SdkError::ConstructionFailure(_) => match class_of_silence(error) {
            FailureClass::Denied => FailureClass::Denied,
            // The SDK itself refused the call and did not send it.
            _ => FailureClass::Refused,
        },
        error => class_of_silence(error),
    }
}

/// Why a call failed, in one line: the service's message, its code and the request's id.
pub(super) fn describe<E: ProvideErrorMetadata + Error + Send + Sync + 'static>(
    error: &SdkError<E>,
) -> String {
    match error {
        SdkError::ServiceError(answer) => {
            let (code, message) = (answer.err().code(), answer.err().message());
            describe_answer(code, answer.raw().status().as_u16(), message, error.request_id())
        }
        SdkError::TimeoutError(_) => "no answer in time".into(),
        error => one_line(&innermost(error)),
    }
}

/// An error answer in one line.
pub(super) fn describe_answer(
    code: Option<&str>,
    status: u16,
    message: Option<&str>,
    request: Option<&str>,
) -> String {
    let code = code.map_or_else(|| format!("status {status}"), str::to_owned);
    let message = message.map(|message| format!(": {message}")).unwrap_or_default();
    let request = request.map(|id| format!(" (request {id})")).unwrap_or_default();
    one_line(&format!("{code}{message}{request}"))
}

/// The innermost cause of an error, which is the system's own message.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

/// A text without line breaks, cut if it is long.
pub(super) fn one_line(text: &str) -> String {
    const CHARS_MAX: usize = 400;
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(CHARS_MAX) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// The port's error for a failed SDK call. `attempted` names the call and the id of its object.
pub(super) fn port_error<E: ProvideErrorMetadata + Error + Send + Sync + 'static>(
    attempted: impl Into<String>,
    error: &SdkError<E>,
) -> PortError {
    PortError::failed(class_of(error), attempted, describe(error))
}

#[cfg(test)]
mod tests;
