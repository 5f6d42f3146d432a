use super::*;
use aws_sdk_kinesis::config::http::HttpResponse;
use aws_sdk_kinesis::error::{ConnectorError, ErrorMetadata};
use aws_sdk_kinesis::operation::put_records::PutRecordsError;

fn answered(status: u16, code: &str, message: &str) -> SdkError<PutRecordsError> {
    let mut raw = HttpResponse::new(status.try_into().unwrap(), "".into());
    raw.headers_mut().insert("x-amzn-requestid", "r-1");
    let meta = ErrorMetadata::builder().code(code).message(message).build();
    SdkError::service_error(PutRecordsError::generic(meta), raw)
}

#[test]
fn an_answer_is_classified_by_its_code_and_else_by_its_status() {
    use FailureClass::{Ambiguous, Busy, Denied, Refused};
    for (status, code, wanted) in [
        (400, Some("ProvisionedThroughputExceededException"), Busy),
        (400, Some("com.amazonaws.dynamodb.v20120810#ThrottlingException"), Busy),
        (400, Some("AccessDeniedException"), Denied),
        (400, Some("AccessDeniedException:http://internal.amazon.com/coral/"), Denied),
        (400, Some("ExpiredTokenException"), Denied),
        (400, Some("InvalidSignatureException"), Denied),
        (400, Some("UnrecognizedClientException"), Denied),
        (400, Some("ResourceNotFoundException"), Denied),
        (400, Some("com.amazonaws.sqs#QueueDoesNotExist"), Denied),
        (403, None, Denied),
        (400, Some("ValidationException"), Refused),
        (400, Some("com.amazonaws.sqs#BatchRequestTooLong"), Refused),
        (413, None, Refused),
        (429, None, Busy),
        (500, Some("InternalFailure"), Ambiguous),
        (503, None, Ambiguous),
    ] {
        assert_eq!(class_of_answer(code, status), wanted, "{status} {code:?}");
    }
}

#[test]
fn a_call_without_an_answer_was_surely_not_made_only_where_nobody_listens() {
    let broken = |kind| {
        let error = ConnectorError::io(Box::new(io::Error::from(kind)));
        class_of(&SdkError::<PutRecordsError>::dispatch_failure(error))
    };
    assert_eq!(broken(io::ErrorKind::ConnectionRefused), FailureClass::Away);
    assert_eq!(broken(io::ErrorKind::ConnectionReset), FailureClass::Ambiguous);
    let late = SdkError::<PutRecordsError>::timeout_error("5 s");
    assert_eq!(class_of(&late), FailureClass::Ambiguous);
    let nobody = ConnectorError::other("the credential provider was not enabled".into(), None);
    assert_eq!(class_of(&SdkError::<PutRecordsError>::dispatch_failure(nobody)), FailureClass::Denied);
}

#[test]
fn an_error_is_one_line_with_attempt_reason_code_and_request() {
    let error =
        answered(400, "AccessDeniedException", "User x is not\n authorized to perform kinesis:PutRecords");
    let told = port_error("put 3 records into stream s", &error).to_string();
    assert_eq!(
        told,
        "put 3 records into stream s: denied: AccessDeniedException: User x is not authorized to perform \
         kinesis:PutRecords (request r-1)"
    );
    let wall = port_error("x", &answered(500, "InternalFailure", &"word ".repeat(1000))).to_string();
    assert!(wall.len() < 450 && !wall.contains('\n'), "{} bytes", wall.len());
}
