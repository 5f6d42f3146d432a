//! A header that a customer wants sent with each webhook.

use serde::{Deserialize, Serialize};

/// A header of a subscription. The API checks its name and value. The value is as secret as
/// a signing secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookHeader {
    /// The header's name in lower case.
    pub name: String,
    /// The header's value.
    pub value: String,
}

impl std::fmt::Debug for WebhookHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookHeader").field("name", &self.name).finish_non_exhaustive()
    }
}
