//! Reporting the outcomes of the SDKs' calls to [`DependencyHealth`].

use super::failure::{class_of_answer, class_of_silence, describe_answer, innermost, one_line};
use super::health::{Dependency, DependencyHealth};
use aws_sdk_kinesis::config::http::{HttpRequest, HttpResponse};
use aws_sdk_kinesis::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_kinesis::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_kinesis::error::BoxError;
use sluice_ports::FailureClass;
use std::sync::Arc;

/// Fields of a request that name its table, stream or queue.
const RESOURCES: [&str; 5] = ["TableName", "StreamName", "StreamARN", "QueueUrl", "QueueName"];

/// Watches the calls of one service's client.
#[derive(Debug)]
pub(super) struct CallWatch {
    pub(super) dependency: Dependency,
    pub(super) health: Arc<DependencyHealth>,
}

impl Intercept for CallWatch {
    fn name(&self) -> &'static str {
        "SluiceDependencyHealth"
    }

    /// Runs after the last attempt of a call.
    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let status = context.response().map(|response| response.status().as_u16());
        if status.is_some_and(|status| (200..300).contains(&status)) {
            if self.health.is_troubled(self.dependency) {
                self.health.succeeded(self.dependency, &operation(context.request()));
            }
            return Ok(());
        }
        let (class, reason) = match (context.response(), context.output_or_error()) {
            (Some(response), _) => answered(response),
            (None, Some(Err(error))) => (class_of_silence(error), one_line(&innermost(error))),
            // The caller dropped the call before it ended.
            (None, _) => return Ok(()),
        };
        self.health.failed(self.dependency, class, &operation(context.request()), &reason);
        Ok(())
    }
}

/// The class of an error answer, and a line with its reason.
fn answered(response: &HttpResponse) -> (FailureClass, String) {
    let body = response.body().bytes().and_then(|body| serde_json::from_slice(body).ok());
    let body: serde_json::Value = body.unwrap_or_default();
    let field = |names: [&str; 2]| names.iter().find_map(|name| body.get(name)?.as_str());
    let code = response.headers().get("x-amzn-errortype").or_else(|| field(["__type", "code"]));
    let status = response.status().as_u16();
    let class = class_of_answer(code, status);
    (
        class,
        describe_answer(
            code,
            status,
            field(["message", "Message"]),
            response.headers().get("x-amzn-requestid"),
        ),
    )
}

/// `PutItem sluice-events`: the operation, and its table, stream or queue.
fn operation(request: Option<&HttpRequest>) -> String {
    let Some(request) = request else { return "call".into() };
    let target = request.headers().get("x-amz-target").unwrap_or_default();
    let name = target.rsplit('.').next().unwrap_or(target);
    let body = request.body().bytes().and_then(|body| serde_json::from_slice(body).ok());
    let body: serde_json::Value = body.unwrap_or_default();
    let resource = RESOURCES.iter().find_map(|field| body.get(field)?.as_str());
    let batch = || body.get("RequestItems")?.as_object()?.keys().next().map(String::as_str);
    match resource.or_else(batch) {
        Some(resource) => format!("{name} {}", resource.rsplit('/').next().unwrap_or(resource)),
        None => name.to_owned(),
    }
}
