//! A subscription made ready to be POSTed to: once for each version, not for each webhook.

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
    /// Prepares a version of a subscription. An unusable URL or secret shows when it is used.
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

    /// Whether the subscription receives events.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.subscription.status == SubscriptionStatus::Active
    }

    /// The URL that webhooks go to.
    ///
    /// # Errors
    /// If the subscription's text is not a URL.
    pub fn url(&self) -> Result<&Url, url::ParseError> {
        self.url.as_ref().map_err(|error| *error)
    }

    /// The signer of webhooks.
    ///
    /// # Errors
    /// If the subscription has no usable secret.
    pub fn signer(&self) -> Result<&Signer, SignError> {
        self.signer.as_ref().map_err(|error| *error)
    }

    /// The value of `sluice-subscription-id`.
    #[must_use]
    pub fn id_header(&self) -> HeaderValue {
        self.id_header.clone()
    }
}
