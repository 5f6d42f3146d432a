//! The sample customer of the demo, its key and its subscriptions. In a data
//! directory that is kept they are found again at the next start.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use sluice_catalogue::directory::Directory;
use sluice_catalogue::secrets::{KeyMode, hash_api_key, new_api_key, new_signing_secret};
use sluice_model::clock::now_ms;
use sluice_model::{
    ApiKey, ApiKeyId, AuditOrigin, BatchPolicy, Customer, CustomerId, CustomerStatus, RetryPolicy, Scopes,
    SignatureScheme, Subscription, SubscriptionId, SubscriptionStatus, subscription::SigningSecret,
};
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

const FILE: &str = "sample.json";

/// The state that the next start needs, in a file that only its owner can read.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct SampleState {
    customer_id: Option<String>,
    api_key: Option<String>,
    /// Subscriptions by the receiver's name.
    subscriptions: BTreeMap<String, SampleSubscription>,
}

#[derive(Serialize, Deserialize)]
struct SampleSubscription {
    workflow_id: Option<String>,
    secret: String,
}

impl SampleState {
    /// Reads the state of an earlier start, if there was one.
    pub(super) fn load(directory: &Path) -> anyhow::Result<Self> {
        let path = directory.join(FILE);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .with_context(|| format!("make {}", directory.display()))?;
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("read {}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }

    /// Writes the state, and returns the customer's API key.
    pub(super) fn store(&self, directory: &Path) -> anyhow::Result<String> {
        let (path, hidden) = (directory.join(FILE), directory.join(".sample.part"));
        let write = || -> anyhow::Result<()> {
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&hidden)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            Ok(std::fs::rename(&hidden, &path)?)
        };
        write().with_context(|| format!("write {}", path.display()))?;
        self.api_key.clone().context("the sample customer has a key")
    }

    /// The secret that signs a receiver's webhooks.
    pub(super) fn secret(&mut self, name: &str) -> String {
        let new =
            || SampleSubscription { workflow_id: None, secret: new_signing_secret(SignatureScheme::V1) };
        self.subscriptions.entry(name.to_owned()).or_insert_with(new).secret.clone()
    }
}

/// Makes the missing parts of the sample.
pub(super) struct DemoSample<'a> {
    pub(super) directory: &'a Arc<Directory>,
    pub(super) state: SampleState,
}

impl DemoSample<'_> {
    /// Makes the customer and its key, if they are missing.
    pub(super) async fn customer(&mut self, rate: u32) -> anyhow::Result<()> {
        let rate = rate.saturating_mul(2).max(1000);
        let known = self.state.customer_id.as_deref().and_then(|id| id.parse().ok());
        let known = known.and_then(|id| self.directory.customer(id));
        let mut customer = match known {
            Some(entry) => entry.state().customer.clone(),
            None => customer(),
        };
        customer.rate_limit_per_second = rate;
        customer.updated_at_ms = now_ms();
        self.directory
            .put_customer(&customer, AuditOrigin::SYSTEM)
            .await
            .context("make the sample customer")?;
        self.state.customer_id = Some(customer.id.to_string());
        let key =
            self.state.api_key.as_deref().and_then(|key| self.directory.key(&hash_api_key(key.as_bytes())));
        if !key.is_some_and(|key| key.is_valid()) {
            let new = new_api_key(KeyMode::Test);
            let now = now_ms();
            let key = ApiKey {
                id: ApiKeyId::new(now),
                customer: customer.id,
                hash: new.hash,
                hint: new.hint,
                created_at_ms: now,
                expires_at_ms: None,
                revoked_at_ms: None,
                scopes: Scopes::ALL,
            };
            self.directory.put_key(&key, AuditOrigin::SYSTEM).await.context("make the sample key")?;
            self.state.api_key = Some(new.text);
        }
        Ok(())
    }

    /// A subscription that sends to `url`: the subscription of an earlier start, or a new one.
    pub(super) async fn subscribe(
        &mut self,
        name: &str,
        title: &str,
        selector: &str,
        url: &str,
        events_max: Option<u32>,
    ) -> anyhow::Result<String> {
        let secret = self.state.secret(name);
        let customer: CustomerId = self
            .state
            .customer_id
            .as_deref()
            .and_then(|id| id.parse().ok())
            .context("the sample customer")?;
        let known =
            self.state.subscriptions.get(name).and_then(|known| known.workflow_id.as_ref()?.parse().ok());
        let entry = self.directory.customer(customer).context("the sample customer")?;
        let known = known.and_then(|id| entry.state().subscription(id).cloned());
        let id = match known {
            Some(known) => {
                let mut moved = Subscription::clone(&known);
                url.clone_into(&mut moved.webhook_url);
                moved.version += 1;
                moved.updated_at_ms = now_ms();
                self.directory
                    .put_subscription(&moved, AuditOrigin::SYSTEM)
                    .await
                    .context("move a sample subscription")?;
                moved.id
            }
            None => {
                let mut new = subscription(customer, title, selector, url, secret);
                if let Some(events_max) = events_max {
                    new.batch.max_events = events_max;
                }
                self.directory
                    .activate(new, AuditOrigin::SYSTEM)
                    .await
                    .context("make a sample subscription")?
                    .id
            }
        };
        if let Some(known) = self.state.subscriptions.get_mut(name) {
            known.workflow_id = Some(id.to_string());
        }
        Ok(id.to_string())
    }
}

fn customer() -> Customer {
    let now = now_ms();
    Customer {
        id: CustomerId::new(now),
        name: "Sample shop".into(),
        email: None,
        status: CustomerStatus::Active,
        rate_limit_per_second: 1000,
        fan_out: 1,
        fan_out_ever: 1,
        created_at_ms: now,
        updated_at_ms: now,
    }
}

fn subscription(
    customer: CustomerId,
    title: &str,
    selector: &str,
    url: &str,
    secret: String,
) -> Subscription {
    let now = now_ms();
    Subscription {
        id: SubscriptionId::new(now),
        customer,
        version: 1,
        selector: selector.into(),
        webhook_url: url.into(),
        batch: BatchPolicy::default(),
        retry: RetryPolicy::default(),
        ordered: false,
        description: Some(title.into()),
        status: SubscriptionStatus::Active,
        secrets: vec![SigningSecret { text: secret, expires_at_ms: None }],
        headers: Vec::new(),
        rate_limit_per_second: None,
        shape: Default::default(),
        effective_at_ms: now,
        created_at_ms: now,
        updated_at_ms: now,
    }
}
