//! The certificate in use, and its exchange for the one in the files.

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a certificate is not used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file holds no PEM of its kind.
    #[error("{path} holds no {expected} in PEM: {detail}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// The kind of PEM that it should hold.
        expected: &'static str,
        /// The fault.
        detail: String,
    },
    /// The key does not belong to the certificate, or has an unusable kind.
    #[error("{path}: {source}")]
    Unusable {
        /// The key's file.
        path: PathBuf,
        /// The cause.
        source: rustls::Error,
    },
}

/// The contents of the two files.
#[derive(Debug, PartialEq, Eq)]
struct Files {
    chain: Vec<u8>,
    key: Vec<u8>,
}

/// The certificate in use.
pub(super) struct Certificate {
    cert_file: PathBuf,
    key_file: PathBuf,
    current: ArcSwap<CertifiedKey>,
    /// The contents that were tried last, good or bad, so that bad ones are reported once.
    tried: Mutex<Files>,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("cert_file", &self.cert_file).finish_non_exhaustive()
    }
}

impl Certificate {
    pub(super) fn load(cert_file: PathBuf, key_file: PathBuf) -> Result<Self, CertificateError> {
        let files = read(&cert_file, &key_file)?;
        let current = ArcSwap::from_pointee(parse(&files, &cert_file, &key_file)?);
        Ok(Self { cert_file, key_file, current, tried: Mutex::new(files) })
    }

    /// Reads the files; returns whether another certificate is now in use. With
    /// `again`, contents that were tried before are tried again.
    pub(super) fn look(&self, again: bool) -> Result<bool, CertificateError> {
        let files = read(&self.cert_file, &self.key_file)?;
        let mut tried = self.tried.lock();
        if *tried == files && !again {
            return Ok(false);
        }
        *tried = files;
        let parsed = parse(&tried, &self.cert_file, &self.key_file)?;
        self.current.store(Arc::new(parsed));
        Ok(true)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn read(cert_file: &Path, key_file: &Path) -> Result<Files, CertificateError> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|source| CertificateError::Read { path: path.to_owned(), source })
    };
    Ok(Files { chain: read(cert_file)?, key: read(key_file)? })
}

fn parse(files: &Files, cert_file: &Path, key_file: &Path) -> Result<CertifiedKey, CertificateError> {
    let bad = |path: &Path, expected, detail: String| CertificateError::Pem {
        path: path.to_owned(),
        expected,
        detail,
    };
    let chain = CertificateDer::pem_slice_iter(&files.chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| bad(cert_file, "certificate", error.to_string()))?;
    if chain.is_empty() {
        return Err(bad(cert_file, "certificate", "no such section".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(&files.key)
        .map_err(|error| bad(key_file, "private key", error.to_string()))?;
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|source| CertificateError::Unusable { path: key_file.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::generate_simple_self_signed;

    fn write(dir: &Path) -> Vec<u8> {
        let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        made.cert.der().to_vec()
    }

    fn in_use(certificate: &Certificate) -> Vec<u8> {
        certificate.current.load().cert[0].to_vec()
    }

    #[test]
    fn a_new_certificate_is_used_and_a_bad_one_is_refused_once() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        let first = write(dir.path());
        let certificate = Certificate::load(cert.clone(), key).unwrap();
        assert_eq!(in_use(&certificate), first);
        assert!(!certificate.look(false).unwrap());

        let second = write(dir.path());
        assert!(certificate.look(false).unwrap());
        assert_eq!(in_use(&certificate), second);

        let good = std::fs::read(&cert).unwrap();
        for bad in [&b"nonsense"[..], b"", &good[..good.len() / 2]] {
            std::fs::write(&cert, bad).unwrap();
            certificate.look(false).unwrap_err();
            assert!(!certificate.look(false).unwrap(), "complained of twice");
            certificate.look(true).unwrap_err();
            assert_eq!(in_use(&certificate), second);
        }
        std::fs::remove_file(&cert).unwrap();
        certificate.look(false).unwrap_err();
        assert_eq!(in_use(&certificate), second);
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(dir.path());
        write(other.path());
        let error = Certificate::load(dir.path().join("cert.pem"), other.path().join("key.pem")).unwrap_err();
        assert!(matches!(error, CertificateError::Unusable { .. }), "{error}");
    }
}
