//! TLS to Redis with certificates of a private authority.

use fred::types::config::{TlsConfig, TlsConnector};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use sluice_ports::{FailureClass, PortError};
use std::path::Path;
use std::sync::Arc;

/// A client that trusts only the certificates in a file.
pub(super) fn trusting(file: &Path) -> Result<TlsConfig, PortError> {
    let refused = |detail: String| {
        let attempted = format!("read aws.redis_ca_file {}", file.display());
        PortError::failed(FailureClass::Denied, attempted, detail)
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| refused(error.to_string()))? {
        let certificate = certificate.map_err(|error| refused(error.to_string()))?;
        roots.add(certificate).map_err(|error| refused(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(refused("it holds no certificate in PEM".to_owned()));
    }
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(client).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let error = |path: &Path| match trusting(path) {
            Ok(_) => panic!("no certificate is in it"),
            Err(error) => error.to_string(),
        };
        assert!(error(&path).contains("aws.redis_ca_file"), "{}", error(&path));
        std::fs::write(&path, "nothing").unwrap();
        assert!(error(&path).contains("no certificate in PEM"), "{}", error(&path));
    }
}
