//! The secrets of the configuration, and the files that may hold them.

use super::Config;
use super::origin::ValueOrigin;
use figment::error::{Actual, Kind};
use figment::{Error, Figment};
use sluice_model::config::read_secret;
use std::path::Path;

/// Fields whose values nobody else may see.
pub(super) const SECRET: [&str; 7] = [
    "admin_token",
    "admin_token_previous",
    "secrets.keys",
    "aws.postgres_password",
    "aws.redis_password",
    "demo.mail.smtp.password",
    "demo.mail.resend.api_key",
];
/// URLs that may have a password.
pub(super) const URLS: [&str; 3] = ["aws.postgres_url", "aws.redis_url", "telemetry.otlp_endpoint"];
/// Secrets that are text: a value in the environment is taken as text even if it
/// looks like a number or a list.
pub(super) const TEXTS: [&str; 6] = [
    "admin_token",
    "admin_token_previous",
    "aws.postgres_password",
    "aws.redis_password",
    "demo.mail.smtp.password",
    "demo.mail.resend.api_key",
];

/// A secret that a file holds.
pub(super) struct SecretInFile<'a> {
    /// The field whose value the file holds.
    pub(super) secret: &'static str,
    /// The field that names the file.
    pub(super) field: &'static str,
    pub(super) file: &'a Path,
}

/// The secrets that files hold.
pub(super) fn in_files(config: &Config) -> Vec<SecretInFile<'_>> {
    let all = [
        ("admin_token", "admin_token_file", &config.admin_token_file),
        ("secrets.keys", "secrets.keys_file", &config.secrets.keys_file),
        ("demo.mail.smtp.password", "demo.mail.smtp.password_file", &config.demo.mail.smtp.password_file),
        ("demo.mail.resend.api_key", "demo.mail.resend.api_key_file", &config.demo.mail.resend.api_key_file),
        #[cfg(feature = "aws")]
        ("aws.postgres_url", "aws.postgres_url_file", &config.aws.postgres_url_file),
        #[cfg(feature = "aws")]
        ("aws.postgres_password", "aws.postgres_password_file", &config.aws.postgres_password_file),
        #[cfg(feature = "aws")]
        ("aws.redis_url", "aws.redis_url_file", &config.aws.redis_url_file),
        #[cfg(feature = "aws")]
        ("aws.redis_password", "aws.redis_password_file", &config.aws.redis_password_file),
    ];
    let mut found = Vec::new();
    for (secret, field, file) in all {
        found.extend(file.as_deref().map(|file| SecretInFile { secret, field, file }));
    }
    found
}

/// The message of a configuration error. If a secret has the wrong type, its value
/// is not shown.
pub(super) fn told(error: Error) -> String {
    let lines: Vec<String> = error.into_iter().map(|error| without_secret(error).to_string()).collect();
    lines.join("\n")
}

fn without_secret(mut error: Error) -> Error {
    let path = error.path.join(".");
    let is_secret =
        SECRET.iter().chain(&URLS).any(|field| field.starts_with(&path) || path.starts_with(field));
    if is_secret {
        let hidden = || Actual::Other("another value, which may be secret".to_owned());
        error.kind = match error.kind {
            Kind::InvalidType(_, expected) => Kind::InvalidType(hidden(), expected),
            Kind::InvalidValue(_, expected) => Kind::InvalidValue(hidden(), expected),
            Kind::Unsupported(_) => Kind::Unsupported(hidden()),
            Kind::UnsupportedKey(_, expected) => Kind::UnsupportedKey(hidden(), expected),
            Kind::UnknownVariant(_, known) => {
                Kind::UnknownVariant("a value that may be secret".to_owned(), known)
            }
            kind => kind,
        };
    }
    error
}

/// Checks the secrets: each is given in one place, and its file can be read.
pub(super) fn check(config: &Config, figment: &Figment) -> anyhow::Result<()> {
    for SecretInFile { secret, field, file } in in_files(config) {
        let origin = ValueOrigin::of(figment, field);
        let given = ValueOrigin::of(figment, secret);
        // Sealing keys of the field and of the file are used together.
        anyhow::ensure!(
            given == ValueOrigin::Default || secret == "secrets.keys",
            "configuration: both {secret} (from {given}) and {field} (from {origin}) are given: give one of them"
        );
        read_secret(file)
            .map_err(|error| anyhow::anyhow!("configuration: {field} (from {origin}): {error}"))?;
    }
    for (field, token) in
        [("admin_token", &config.admin_token), ("admin_token_previous", &config.admin_token_previous)]
    {
        anyhow::ensure!(
            token.as_deref().is_none_or(|token| !token.trim().is_empty()),
            "configuration: {field} (from {}) is empty: anybody could use the admin API",
            ValueOrigin::of(figment, field)
        );
    }
    anyhow::ensure!(
        config.admin_token_previous.is_none() || config.admin_token_file.is_none(),
        "configuration: admin_token_previous (from {}) is given beside admin_token_file: write it on the file's \
         second line",
        ValueOrigin::of(figment, "admin_token_previous")
    );
    if let Some(path) = &config.admin_token_file {
        crate::admin_token::read(path).map_err(|error| {
            let origin = ValueOrigin::of(figment, "admin_token_file");
            anyhow::anyhow!("configuration: admin_token_file (from {origin}): {error:#}")
        })?;
    }
    Ok(())
}
