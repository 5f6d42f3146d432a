//! The admin tokens: given in the configuration, read from a file that may change,
//! or made once and kept in the data directory.

use crate::config::Config;
use anyhow::Context;
use sluice_ingest::AdminTokens;
use sluice_model::config::read_secret;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const MADE: &str = "admin-token";
/// How often the file of tokens is read again.
const READ_EVERY: Duration = Duration::from_secs(5);

/// The tokens, and where they come from.
pub(crate) struct AdminTokenSource {
    tokens: Arc<AdminTokens>,
    file: Option<TokenFile>,
}

/// A file of tokens, and the tokens that were read last.
struct TokenFile {
    path: PathBuf,
    known: Vec<String>,
}

impl AdminTokenSource {
    /// The configured tokens. Without any, a process with a data directory
    /// takes the one that is stored there, or makes one.
    pub(crate) fn load(config: &Config, data_dir: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(path) = &config.admin_token_file {
            let known = read(path)?;
            let tokens = Arc::new(AdminTokens::new(known.iter().map(String::as_str)));
            return Ok(Self { tokens, file: Some(TokenFile { path: path.clone(), known }) });
        }
        let token = match (&config.admin_token, data_dir) {
            (Some(token), _) => token.to_string(),
            (None, Some(data_dir)) => stored_or_new(data_dir)?,
            (None, None) => anyhow::bail!(
                "no admin token: give --admin-token, SLUICE_ADMIN_TOKEN or SLUICE_ADMIN_TOKEN_FILE, the same to \
                 every ingest process"
            ),
        };
        let all = std::iter::once(token.as_str()).chain(config.admin_token_previous.as_deref());
        Ok(Self { tokens: Arc::new(AdminTokens::new(all)), file: None })
    }

    /// The tokens, which change as their file does.
    pub(crate) fn tokens(&self) -> Arc<AdminTokens> {
        Arc::clone(&self.tokens)
    }

    /// Reads the file again and again until told to stop. While it cannot be
    /// used, the tokens stay as they are.
    pub(crate) async fn watch(self, stop: CancellationToken) {
        let Self { tokens, file: Some(mut file) } = self else { return };
        let mut is_good = true;
        while stop.run_until_cancelled(tokio::time::sleep(READ_EVERY)).await.is_some() {
            let path = file.path.clone();
            let outcome = tokio::task::spawn_blocking(move || read(&path)).await;
            match outcome.context("read the file").flatten() {
                Ok(now) if now != file.known => {
                    tokens.replace(now.iter().map(String::as_str));
                    tracing::info!(path = %file.path.display(), tokens = now.len(), "the admin tokens changed");
                    (file.known, is_good) = (now, true);
                }
                Ok(_) => is_good = true,
                Err(error) if is_good => {
                    tracing::error!(error = format!("{error:#}"), "the admin tokens stay as they are");
                    is_good = false;
                }
                Err(_) => {}
            }
        }
    }
}

/// The tokens of a file: the current one, and on a second line the previous one, if it is still accepted.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<String>> {
    let text = read_secret(path)?;
    let tokens: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    anyhow::ensure!(
        tokens.len() <= 2 && tokens.iter().all(|token| !token.is_empty()),
        "{} must hold one admin token, and at most one more on a second line",
        path.display()
    );
    Ok(tokens)
}

/// The token that is kept in the data directory.
fn stored_or_new(data_dir: &Path) -> anyhow::Result<String> {
    let path = data_dir.join(MADE);
    match std::fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(error).with_context(|| format!("read the admin token in {}", path.display()));
        }
    }
    let token = sluice_catalogue::secrets::new_admin_token();
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("keep the admin token in {}", path.display()))?;
    writeln!(file, "{token}")?;
    file.sync_all()?;
    tracing::info!(path = %path.display(), "an admin token was made");
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_a_token_and_perhaps_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        let tokens = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path).map_err(|error| error.to_string())
        };
        assert_eq!(tokens("new\n").unwrap(), ["new"]);
        assert_eq!(tokens("new\r\nold\n\n").unwrap(), ["new", "old"]);
        for wrong in ["a\nb\nc\n", "a\n\nb\n", "\na\n"] {
            let error = tokens(wrong).unwrap_err();
            assert!(error.contains("must hold one admin token"), "{error}");
        }
        assert!(tokens("\n").unwrap_err().contains("empty"));
    }
}
