//! A subscription made ready to be POSTed to: once a version, not once a webhook.

use crate::sign::{SignError, Signer};
use http::HeaderValue;
use sluice_model::{Subscription, SubscriptionId, SubscriptionStatus};
use std::sync::Arc;
use url::Url;

/// A version of a subscription, with its URL parsed and its secrets decoded.
#[derive(Debug)]
pub struct Target {
    subscription: Arc<Subscription>,
    url: Result<Url, url::ParseError>,
    signer: Result<Signer, SignError>,
    id_header: HeaderValue,
}

impl Target {
    /// Prepares a version of a subscription. What is wrong with it shows when it is used.
    #[must_use]
    pub fn new(subscription: Arc<Subscription>) -> Self {
        let id = subscription.id.text();
        Self {
            url: Url::parse(&subscription.webhook_url),
            signer: Signer::new(&subscription.secrets),
            id_header: HeaderValue::from_bytes(&id).expect("an id is letters, digits and hyphens"),
            subscription,
        }
    }

    /// The subscription.
    #[must_use]
    pub fn subscription(&self) -> &Arc<Subscription> {
        &self.subscription
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> SubscriptionId {
        self.subscription.id
    }

    /// Whether it receives events.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.subscription.status == SubscriptionStatus::Active
    }

    /// Where webhooks go.
    ///
    /// # Errors
    /// If the URL is not one.
    pub fn url(&self) -> Result<&Url, url::ParseError> {
        self.url.as_ref().map_err(|error| *error)
    }

    /// What signs them.
    ///
    /// # Errors
    /// If there is no usable secret.
    pub fn signer(&self) -> Result<&Signer, SignError> {
        self.signer.as_ref().map_err(|error| *error)
    }

    /// The value of `sluice-subscription-id`.
    #[must_use]
    pub fn id_header(&self) -> HeaderValue {
        self.id_header.clone()
    }
}
