//! A subscription prepared for POSTs: once for each version, not for each webhook.

use crate::parking::DeliveryOwner;
use crate::shaping::KeptShape;
use crate::sign::{SignError, Signer};
use http::{HeaderMap, HeaderName, HeaderValue};
use sluice_model::subscription::{DeliveryShape, WebhookBody};
use sluice_model::{Delivery, EventRef, Subscription, SubscriptionId, SubscriptionStatus};
use std::sync::Arc;
use url::Url;

/// A version of a subscription, with its URL parsed and its secrets decoded.
#[derive(Debug)]
pub struct Target {
    subscription: Arc<Subscription>,
    url: Result<Url, url::ParseError>,
    signer: Result<Signer, SignError>,
    id_header: HeaderValue,
    headers: HeaderMap,
    shape: Option<Arc<KeptShape>>,
}

impl Target {
    /// Prepares a version of a subscription. An unusable URL or secret shows only when it is used.
    #[must_use]
    pub fn new(subscription: Arc<Subscription>) -> Self {
        let id = subscription.id.text();
        Self {
            url: Url::parse(&subscription.webhook_url),
            signer: Signer::new(&subscription.secrets),
            id_header: HeaderValue::from_bytes(&id).expect("an id is letters, digits and hyphens"),
            headers: own_headers(&subscription),
            shape: KeptShape::of(&subscription).map(Arc::new),
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

    /// The headers that its customer wants sent with each webhook.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The shape of its webhooks; `None` if they are plain.
    #[must_use]
    pub fn shape(&self) -> Option<Arc<KeptShape>> {
        self.shape.clone()
    }

    /// The shape that new deliveries are pinned to.
    #[must_use]
    pub fn delivery_shape(&self) -> DeliveryShape {
        self.shape.as_ref().map_or(DeliveryShape::Plain, |shape| DeliveryShape::Pinned(shape.id()))
    }

    /// Whether each webhook carries one event.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.subscription.shape.body == WebhookBody::Single
    }

    /// A delivery of these events that was never tried, in the subscription's current shape.
    #[must_use]
    pub fn delivery(&self, events: Vec<EventRef>, now_ms: u64) -> Delivery {
        let shape = self.delivery_shape();
        Delivery { shape, ..DeliveryOwner::new(&self.subscription).delivery(events, now_ms) }
    }

    /// The value of `sluice-subscription-id`.
    #[must_use]
    pub fn id_header(&self) -> HeaderValue {
        self.id_header.clone()
    }
}

/// The headers of a subscription. They were checked when they were stored; a header that cannot be
/// sent is left out.
fn own_headers(subscription: &Subscription) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(subscription.headers.len());
    for header in &subscription.headers {
        match (HeaderName::try_from(&header.name), HeaderValue::try_from(&header.value)) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
            (Err(_), _) | (_, Err(_)) => {
                tracing::warn!(subscription = %subscription.id, "a stored header cannot be sent");
            }
        }
    }
    headers
}
