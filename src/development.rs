//! `sluice up --dev`: a customer whose key everybody knows, on loopback only.

use crate::config::Config;
use anyhow::Context;
use sluice_catalogue::directory::Directory;
use sluice_catalogue::secrets::hash_api_key;
use sluice_model::{ApiKey, ApiKeyId, AuditOrigin, Customer, CustomerId, CustomerStatus, Scopes, clock};
use std::net::SocketAddr;

/// The key of the development customer.
pub(crate) const API_KEY: &str = "test-api-key-12345";

/// The development customer and its key keep their ids over restarts.
const CUSTOMER: CustomerId = CustomerId::from_u128(0x0190_0000_0000_7000_8000_0000_0000_d001);
const KEY: ApiKeyId = ApiKeyId::from_u128(0x0190_0000_0000_7000_8000_0000_0000_d002);

/// The customer's rate limit in events a second: more than a laptop sends.
const RATE: u32 = 1_000_000;

/// Refuses an address that other machines reach, since they could use the key.
pub(crate) fn check_addresses(config: &Config) -> anyhow::Result<()> {
    for (field, address) in config.ingest_addresses() {
        anyhow::ensure!(
            address.ip().is_loopback(),
            "--dev: {field} is {address}, which is not a loopback address: everybody who reaches it could use \
             the key {API_KEY}; listen on 127.0.0.1 or [::1], or run without --dev"
        );
    }
    Ok(())
}

/// Makes the development customer and its key if they are missing or the key was revoked.
pub(crate) async fn open(directory: &Directory) -> anyhow::Result<()> {
    let now_ms = clock::now_ms();
    if directory.customer(CUSTOMER).is_none() {
        directory
            .put_customer(&customer(now_ms), AuditOrigin::SYSTEM)
            .await
            .context("make the development customer")?;
    }
    if !directory.key(&hash()).is_some_and(|key| key.is_valid()) {
        directory.put_key(&key(now_ms), AuditOrigin::SYSTEM).await.context("make the development key")?;
    }
    Ok(())
}

/// Revokes the key, if an earlier `up --dev` on the same data made it.
pub(crate) async fn close(directory: &Directory) -> anyhow::Result<()> {
    if directory.key(&hash()).is_some_and(|key| key.is_valid()) {
        tracing::warn!(key = API_KEY, "revoking the key that `up --dev` made: everybody knows it");
        directory
            .revoke_key(CUSTOMER, KEY, AuditOrigin::SYSTEM)
            .await
            .context("revoke the development key")?;
    }
    Ok(())
}

/// The text that tells a developer how to begin, for the terminal.
pub(crate) fn introduction(url: &str, admin: SocketAddr) -> String {
    format!(
        "development, on this machine only: customer {CUSTOMER}, key {API_KEY}, admin API at http://{admin}\n\
         try: curl {url}/v1/events -H 'X-API-Key: {API_KEY}' --json '{{\"event_type\":\"order.created\",\"payload\":{{}}}}'"
    )
}

fn hash() -> [u8; 32] {
    hash_api_key(API_KEY.as_bytes())
}

fn customer(now_ms: u64) -> Customer {
    Customer {
        id: CUSTOMER,
        name: "Development".into(),
        email: None,
        status: CustomerStatus::Active,
        rate_limit_per_second: RATE,
        fan_out: 1,
        fan_out_ever: 1,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
    }
}

fn key(now_ms: u64) -> ApiKey {
    ApiKey {
        id: KEY,
        customer: CUSTOMER,
        hash: hash(),
        hint: "test-api-key".into(),
        created_at_ms: now_ms,
        expires_at_ms: None,
        revoked_at_ms: None,
        scopes: Scopes::ALL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_taken() {
        let listening = |public: &str, admin: &str| {
            let mut config = Config::default();
            config.ingest.listen = public.parse().unwrap();
            config.ingest.admin_listen = admin.parse().unwrap();
            check_addresses(&config).map_err(|error| error.to_string())
        };
        for good in ["127.0.0.1:1", "127.8.9.1:0", "[::1]:1"] {
            assert_eq!(listening(good, "127.0.0.1:2"), Ok(()));
        }
        for bad in ["0.0.0.0:80", "192.168.0.1:80", "[::]:80", "[2001:db8::1]:80"] {
            assert!(listening(bad, "127.0.0.1:2").unwrap_err().contains("ingest.listen"), "{bad}");
            assert!(listening("127.0.0.1:2", bad).unwrap_err().contains("ingest.admin_listen"), "{bad}");
        }
    }
}
