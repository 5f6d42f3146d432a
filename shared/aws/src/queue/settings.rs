//! The settings of a queue, as the queue tells them: pure.

use aws_sdk_sqs::types::QueueAttributeName;
use serde::Deserialize;
use std::collections::HashMap;

/// The most bytes of a message: 1 MiB.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// The queue for messages that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedriveTarget {
    pub(crate) target_arn: String,
    pub(crate) receives_max: u32,
}

/// A queue's settings; `None` where the queue did not tell them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct QueueSettings {
    pub(crate) arn: Option<String>,
    pub(crate) message_bytes_max: Option<usize>,
    pub(crate) retention_s: Option<u64>,
    pub(crate) visibility_s: Option<u64>,
    pub(crate) redrive: Option<RedriveTarget>,
}

/// The JSON of a redrive policy. AWS takes and gives its number as a text or as a number.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    dead_letter_target_arn: String,
    max_receive_count: serde_json::Value,
}

impl QueueSettings {
    pub(crate) fn read(attributes: &HashMap<QueueAttributeName, String>) -> Self {
        let number = |name| attributes.get(&name).and_then(|text| text.parse::<u64>().ok());
        Self {
            arn: attributes.get(&QueueAttributeName::QueueArn).cloned(),
            message_bytes_max: number(QueueAttributeName::MaximumMessageSize).map(|bytes| bytes as usize),
            retention_s: number(QueueAttributeName::MessageRetentionPeriod),
            visibility_s: number(QueueAttributeName::VisibilityTimeout),
            redrive: attributes
                .get(&QueueAttributeName::RedrivePolicy)
                .and_then(|text| RedriveTarget::read(text)),
        }
    }
}

impl RedriveTarget {
    fn read(policy: &str) -> Option<Self> {
        let policy: RedrivePolicy = serde_json::from_str(policy).ok()?;
        let receives_max = match policy.max_receive_count {
            serde_json::Value::String(text) => text.parse().ok()?,
            number => u32::try_from(number.as_u64()?).ok()?,
        };
        Some(Self { target_arn: policy.dead_letter_target_arn, receives_max })
    }

    /// The policy as SQS takes it.
    pub(crate) fn policy(&self) -> String {
        let Self { target_arn, receives_max } = self;
        serde_json::json!({ "deadLetterTargetArn": target_arn, "maxReceiveCount": receives_max.to_string() })
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_aws_writes_them() {
        let redrive = RedriveTarget { target_arn: "arn:aws:sqs:eu-west-1:1:dead".into(), receives_max: 100 };
        let attributes = HashMap::from([
            (QueueAttributeName::MaximumMessageSize, "262144".to_owned()),
            (QueueAttributeName::MessageRetentionPeriod, "345600".to_owned()),
            (QueueAttributeName::VisibilityTimeout, "30".to_owned()),
            (QueueAttributeName::RedrivePolicy, redrive.policy()),
        ]);
        let settings = QueueSettings::read(&attributes);
        assert_eq!(settings.message_bytes_max, Some(262_144));
        assert_eq!((settings.retention_s, settings.visibility_s), (Some(345_600), Some(30)));
        assert_eq!(settings.redrive, Some(redrive.clone()));
        let with_number = redrive.policy().replace("\"100\"", "100");
        assert_eq!(RedriveTarget::read(&with_number), Some(redrive));
        assert_eq!(QueueSettings::read(&HashMap::new()), QueueSettings::default());
    }
}
