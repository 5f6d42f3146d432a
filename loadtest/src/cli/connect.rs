//! Arguments about connections and headers that several commands share.

use std::path::PathBuf;

use clap::Args;

use sluice_loadtest::tls::{CertificateCheck, TlsSettings};

/// How to trust a server with an https:// URL.
#[derive(Args, Clone, Debug)]
pub(super) struct TlsArgs {
    /// PEM file with certificate authorities to trust, instead of the system's.
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// PEM file with the certificate chain that this client shows.
    #[arg(long, value_name = "FILE", requires = "cert_key")]
    cert: Option<PathBuf>,
    /// PEM file with the private key of --cert.
    #[arg(long, value_name = "FILE", requires = "cert")]
    cert_key: Option<PathBuf>,
    /// Accept any certificate of the server: only for tests against your own.
    #[arg(long)]
    insecure: bool,
}

impl TlsArgs {
    pub(super) fn settings(&self) -> TlsSettings {
        TlsSettings {
            authorities: self.cacert.clone(),
            identity: self.cert.clone().zip(self.cert_key.clone()),
            check: if self.insecure { CertificateCheck::None } else { CertificateCheck::Full },
        }
    }
}

/// Reads `Name: value`.
pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or_else(|| format!("{text:?} is not like 'Name: value'"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}
