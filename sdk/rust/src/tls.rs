//! The certificates that a server is checked against: those of this machine.

use crate::error::SdkError;
use std::sync::Arc;

/// TLS with a provider of its own, so that the process may have another, or none. Certificates
/// are looked for only if the server is `https`.
pub(crate) fn tls_config(is_secure: bool) -> Result<rustls::ClientConfig, SdkError> {
    let roots = if is_secure { roots()? } else { rustls::RootCertStore::empty() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SdkError::Setting(format!("no version of TLS: {error}")))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn roots() -> Result<rustls::RootCertStore, SdkError> {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        return Err(SdkError::Setting(format!(
            "this machine has no root certificates: {}",
            reasons.join("; ")
        )));
    }
    Ok(roots)
}
