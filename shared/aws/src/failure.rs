//! What a failed call means: whether it may have had an effect, and whether to try again.

use super::log::Failure;
use aws_sdk_kinesis::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use sluice_ports::PortError;
use std::error::Error;
use std::io;

/// Codes of refusals that pass.
const THROTTLING: [&str; 9] = [
    "ProvisionedThroughputExceededException",
    "LimitExceededException",
    "KMSThrottlingException",
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
    "RequestThrottled",
    "TransactionConflictException",
    "SlowDown",
];

/// What a failed call means.
pub(super) fn classify<E: ProvideErrorMetadata + Error + Send + Sync + 'static>(
    error: &SdkError<E>,
) -> Failure {
    match error {
        SdkError::ConstructionFailure(_) => Failure::NotSent,
        SdkError::DispatchFailure(failure)
            if failure.as_connector_error().is_some_and(|error| is_refused_connection(error)) =>
        {
            Failure::NotSent
        }
        SdkError::ServiceError(answer) => match answer.err().code() {
            Some(code) if THROTTLING.contains(&code) => Failure::Throttled,
            // An error that the service itself explains, and blames on the request, has changed nothing.
            _ if (400..500).contains(&answer.raw().status().as_u16()) => Failure::Refused,
            _ => Failure::Ambiguous,
        },
        _ => Failure::Ambiguous,
    }
}

fn is_refused_connection(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.kind() == io::ErrorKind::ConnectionRefused;
        }
        cause = error.source();
    }
    false
}

/// The port's error for a failed call: all of them may be tried again.
pub(super) fn unavailable<E: Error + Send + Sync + 'static>(
    what: impl Into<String>,
    error: &SdkError<E>,
) -> PortError
where
    SdkError<E>: Error,
{
    PortError::unavailable(what, DisplayErrorContext(error).to_string())
}

/// The same words for a log line.
pub(super) fn words<E: Error + Send + Sync + 'static>(error: &SdkError<E>) -> String
where
    SdkError<E>: Error,
{
    DisplayErrorContext(error).to_string()
}
