//! A wrapper that seals the webhook secrets of any catalogue.

use super::{SealError, Sealer};
use async_trait::async_trait;
use sluice_model::{AuditEntry, AuditId, Subscription, SubscriptionId};
use sluice_ports::PortError;
use sluice_ports::catalogue::{
    AuditNote, AuditQuery, AuditRetention, Catalogue, CatalogueChange, CatalogueError, ChangeContext,
    Changes, Revision,
};
use std::sync::Arc;
use std::time::Duration;

/// Why the secrets of a catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A secret does not open.
    #[error("the webhook secret of subscription {subscription}: {source}")]
    Secret {
        /// The subscription.
        subscription: SubscriptionId,
        /// The cause.
        source: SealError,
    },
    /// The catalogue failed.
    #[error("seal the webhook secrets: {0}")]
    Catalogue(#[from] CatalogueError),
}

impl From<PortError> for OpenError {
    fn from(error: PortError) -> Self {
        Self::Catalogue(error.into())
    }
}

/// Seals the secrets of rows that go in, opens those of rows that come out.
pub struct SealedCatalogue {
    inner: Arc<dyn Catalogue>,
    sealer: Sealer,
}

impl SealedCatalogue {
    /// Wraps a catalogue. Every stored secret must open; those that the first
    /// key did not seal are sealed with it before this returns.
    ///
    /// # Errors
    /// If a secret does not open, or the catalogue fails.
    pub async fn open(inner: Arc<dyn Catalogue>, sealer: Sealer) -> Result<Self, OpenError> {
        let catalogue = Self { inner, sealer };
        let mut sealed = 0_usize;
        for stored in catalogue.inner.changes(Revision::default()).await?.subscriptions {
            let stale = catalogue.sealer.is_stale(&stored);
            let plain = catalogue.opened(stored)?;
            if stale {
                sealed += usize::from(catalogue.seal_anew(plain).await?);
            }
        }
        if sealed > 0 {
            tracing::info!(subscriptions = sealed, "webhook secrets were sealed with the first key");
        }
        Ok(catalogue)
    }

    /// Returns whether the secrets were sealed; if another process changed the row meanwhile,
    /// that process sealed them.
    async fn seal_anew(&self, plain: Subscription) -> Result<bool, OpenError> {
        let next = Subscription { version: plain.version + 1, ..plain };
        match self.put_subscription(&next).await {
            Ok(()) => Ok(true),
            Err(CatalogueError::Conflict(_) | CatalogueError::NotFound) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn opened(&self, stored: Subscription) -> Result<Subscription, OpenError> {
        let subscription = stored.id;
        self.sealer.opened(stored).map_err(|source| OpenError::Secret { subscription, source })
    }
}

#[async_trait]
impl Catalogue for SealedCatalogue {
    fn propagation(&self) -> Duration {
        self.inner.propagation()
    }

    async fn changes(&self, since: Revision) -> Result<Changes, PortError> {
        let mut changes = self.inner.changes(since).await?;
        let opened = std::mem::take(&mut changes.subscriptions).into_iter().map(|stored| self.opened(stored));
        changes.subscriptions = opened.collect::<Result<Vec<_>, OpenError>>().map_err(|error| {
            PortError::Damaged { attempted: "open webhook secrets".into(), detail: error.to_string() }
        })?;
        Ok(changes)
    }

    async fn change(&self, change: CatalogueChange, context: ChangeContext) -> Result<(), CatalogueError> {
        let change = match change {
            CatalogueChange::PutSubscription(subscription) if self.sealer.seals() => {
                let sealed = self.sealer.sealed(&subscription).map_err(|error| {
                    let attempted = format!("seal the secrets of subscription {}", subscription.id);
                    PortError::unavailable(attempted, error)
                })?;
                CatalogueChange::PutSubscription(sealed)
            }
            other => other,
        };
        self.inner.change(change, context).await
    }

    async fn note(&self, note: AuditNote) -> Result<AuditId, CatalogueError> {
        self.inner.note(note).await
    }

    async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>, PortError> {
        self.inner.audit(query).await
    }

    async fn trim_audit(&self, retention: AuditRetention) -> Result<u64, PortError> {
        self.inner.trim_audit(retention).await
    }
}
