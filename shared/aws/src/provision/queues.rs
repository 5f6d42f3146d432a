//! The settings of the queues: the size of messages, how long they are kept and stay
//! invisible, and where those go that were received too often.

use super::difference::{Difference, Thing};
use crate::clients::Clients;
use crate::config::AwsConfig;
use crate::failure;
use crate::queue::{MESSAGE_BYTES_MAX, Queue, QueueSettings, RedriveTarget};
use async_trait::async_trait;
use aws_sdk_sqs::types::QueueAttributeName;
use sluice_ports::{FailureClass, PortError};
use std::collections::HashMap;

const MESSAGE_SIZE: &str = "MaximumMessageSize";
const RETENTION: &str = "MessageRetentionPeriod";
const VISIBILITY: &str = "VisibilityTimeout";
const REDRIVE: &str = "RedrivePolicy";
/// Fourteen days, the longest that SQS keeps a message.
const RETENTION_S: u64 = 1_209_600;

/// What a queue is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QueueRole {
    Deliveries,
    DeadLetters,
}

pub(super) struct QueueThing<'a> {
    clients: &'a Clients,
    config: &'a AwsConfig,
    queue: &'a str,
    role: QueueRole,
}

impl<'a> QueueThing<'a> {
    pub(super) fn deliveries(clients: &'a Clients, config: &'a AwsConfig) -> Self {
        Self { clients, config, queue: &config.queue, role: QueueRole::Deliveries }
    }

    pub(super) fn dead_letters(clients: &'a Clients, config: &'a AwsConfig) -> Self {
        Self { clients, config, queue: &config.dead_letter_queue, role: QueueRole::DeadLetters }
    }

    async fn url(&self) -> Result<Option<String>, PortError> {
        match self.clients.sqs.get_queue_url().queue_name(self.queue).send().await {
            Ok(answer) => Ok(answer.queue_url),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_queue_does_not_exist()) => {
                Ok(None)
            }
            Err(error) => Err(failure::port_error(format!("find {}", self.name()), &error)),
        }
    }

    async fn settings(&self) -> Result<Option<QueueSettings>, PortError> {
        let Some(url) = self.url().await? else { return Ok(None) };
        let request = self.clients.sqs.get_queue_attributes().queue_url(url);
        let asked = request.attribute_names(QueueAttributeName::All).send().await;
        let attempted = || format!("read the settings of {}", self.name());
        let attributes = asked.map_err(|error| failure::port_error(attempted(), &error))?.attributes;
        Ok(Some(QueueSettings::read(&attributes.unwrap_or_default())))
    }

    /// The wanted settings.
    async fn wanted(&self) -> Result<WantedSettings, PortError> {
        let redrive = match self.role {
            QueueRole::DeadLetters => None,
            QueueRole::Deliveries => {
                let target = Queue::open(self.clients.sqs.clone(), &self.config.dead_letter_queue).await?;
                let missing = || {
                    let attempted = format!("describe the queue {}", self.config.dead_letter_queue);
                    PortError::failed(FailureClass::Denied, attempted, "it does not tell its ARN")
                };
                let target_arn = target.settings.arn.ok_or_else(missing)?;
                Some(RedriveTarget { target_arn, receives_max: self.config.receives_max })
            }
        };
        let visibility_s = u64::from(self.config.visibility_s.unsigned_abs());
        Ok(WantedSettings {
            visibility_s: (self.role == QueueRole::Deliveries).then_some(visibility_s),
            redrive,
        })
    }
}

/// The settings that differ from one queue to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
struct WantedSettings {
    visibility_s: Option<u64>,
    redrive: Option<RedriveTarget>,
}

impl WantedSettings {
    /// All settings, as SQS takes them.
    fn attributes(&self) -> HashMap<QueueAttributeName, String> {
        let mut attributes = HashMap::from([
            (QueueAttributeName::MaximumMessageSize, MESSAGE_BYTES_MAX.to_string()),
            (QueueAttributeName::MessageRetentionPeriod, RETENTION_S.to_string()),
        ]);
        attributes.extend(
            self.visibility_s.map(|seconds| (QueueAttributeName::VisibilityTimeout, seconds.to_string())),
        );
        attributes.extend(
            self.redrive.as_ref().map(|redrive| (QueueAttributeName::RedrivePolicy, redrive.policy())),
        );
        attributes
    }

    fn compare(&self, found: &QueueSettings) -> Vec<Difference> {
        let mut differences = Vec::new();
        if let Some(bytes) = found.message_bytes_max.filter(|bytes| *bytes < MESSAGE_BYTES_MAX) {
            differences.push(Difference::mendable(MESSAGE_SIZE, bytes, MESSAGE_BYTES_MAX));
        }
        if let Some(seconds) = found.retention_s.filter(|seconds| *seconds < RETENTION_S) {
            differences.push(Difference::mendable(RETENTION, seconds, RETENTION_S));
        }
        if let (Some(found), Some(wanted)) = (found.visibility_s, self.visibility_s)
            && found != wanted
        {
            differences.push(Difference::mendable(VISIBILITY, found, wanted));
        }
        if let Some(wanted) = self.redrive.as_ref().filter(|wanted| found.redrive.as_ref() != Some(wanted)) {
            let found = found.redrive.as_ref().map_or_else(|| "none".into(), RedriveTarget::policy);
            differences.push(Difference::mendable(REDRIVE, found, wanted.policy()));
        }
        differences
    }
}

#[async_trait]
impl Thing for QueueThing<'_> {
    fn name(&self) -> String {
        format!("queue {}", self.queue)
    }

    async fn make(&self) -> Result<bool, PortError> {
        if self.url().await?.is_some() {
            return Ok(false);
        }
        let attributes = self.wanted().await?.attributes();
        let request = self.clients.sqs.create_queue().queue_name(self.queue);
        let sent = request.set_attributes(Some(attributes)).send().await;
        sent.map_err(|error| failure::port_error(format!("make {}", self.name()), &error))?;
        Ok(true)
    }

    async fn differences(&self) -> Result<Option<Vec<Difference>>, PortError> {
        let Some(found) = self.settings().await? else { return Ok(None) };
        Ok(Some(self.wanted().await?.compare(&found)))
    }

    async fn mend(&self, difference: &Difference) -> Result<(), PortError> {
        let setting = QueueAttributeName::from(difference.setting);
        let attempted = || format!("set {setting} of {}", self.name());
        let missing = || PortError::failed(FailureClass::Denied, attempted(), "the queue is gone");
        let url = self.url().await?.ok_or_else(missing)?;
        let request = self.clients.sqs.set_queue_attributes().queue_url(url);
        let sent = request.attributes(setting.clone(), &difference.wanted).send().await;
        sent.map(drop).map_err(|error| failure::port_error(attempted(), &error))
    }

    async fn is_ready(&self) -> Result<bool, PortError> {
        Ok(self.url().await?.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_cannot_hold_deliveries_differs_in_each_setting() {
        let redrive = RedriveTarget { target_arn: "arn:dead".into(), receives_max: 100 };
        let wanted = WantedSettings { visibility_s: Some(120), redrive: Some(redrive.clone()) };
        let right = QueueSettings {
            arn: None,
            message_bytes_max: Some(1 << 20),
            retention_s: Some(RETENTION_S),
            visibility_s: Some(120),
            redrive: Some(redrive.clone()),
        };
        assert_eq!(wanted.compare(&right), []);
        let wrong = QueueSettings {
            message_bytes_max: Some(262_144),
            retention_s: Some(345_600),
            visibility_s: Some(30),
            redrive: Some(RedriveTarget { receives_max: 3, ..redrive }),
            arn: None,
        };
        let settings: Vec<_> = wanted.compare(&wrong).iter().map(|difference| difference.setting).collect();
        assert_eq!(settings, [MESSAGE_SIZE, RETENTION, VISIBILITY, REDRIVE]);
        let bare = QueueSettings { redrive: None, ..right };
        assert_eq!(wanted.compare(&bare)[0].found, "none");
    }
}
