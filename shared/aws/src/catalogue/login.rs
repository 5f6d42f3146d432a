//! The login at Postgres, which may change while the process runs.
//!
//! The files of the login are read again every `secrets_poll_ms` while connections are
//! asked for, and at once when the server refuses a login. New connections use the
//! changed login; an open connection is closed when it comes back to the pool, so none
//! outlives the old password for long.

use crate::config::AwsConfig;
use crate::secret::SecretSource;
use parking_lot::Mutex;
use sluice_ports::{FailureClass, PortError};
use sqlx::postgres::PgConnectOptions;
use std::str::FromStr;
use std::time::Duration;
use tokio::time::Instant;

/// The time limit of a statement, which bounds the cost of a lost server.
const STATEMENT_WITHIN: &str = "3000";

/// The contents of a login.
#[derive(Clone, PartialEq, Eq)]
struct LoginText {
    url: String,
    password: Option<String>,
}

impl LoginText {
    fn options(&self) -> Result<PgConnectOptions, PortError> {
        let options = PgConnectOptions::from_str(&self.url)
            .map_err(|error| refused("aws.postgres_url", &error.to_string()))?
            .options([("statement_timeout", STATEMENT_WITHIN), ("lock_timeout", STATEMENT_WITHIN)]);
        Ok(match &self.password {
            Some(password) => options.password(password),
            None => options,
        })
    }
}

struct LoginState {
    text: LoginText,
    /// When the files were last read.
    looked: Instant,
    /// When their contents last changed.
    changed: Instant,
}

/// The login and the files it is read from.
pub(super) struct PostgresLogin {
    url: SecretSource,
    password: Option<SecretSource>,
    poll: Duration,
    state: Mutex<LoginState>,
}

impl PostgresLogin {
    /// Reads the login for the first time.
    pub(super) fn new(config: &AwsConfig) -> Result<(Self, PgConnectOptions), PortError> {
        let url = SecretSource::of(&config.postgres_url, config.postgres_url_file.as_deref());
        let url = url.ok_or_else(|| refused("aws.postgres_url", "it is empty"))?;
        let password = SecretSource::of(&config.postgres_password, config.postgres_password_file.as_deref());
        let text = read(&url, password.as_ref())?;
        let options = text.options()?;
        let now = Instant::now();
        let state = Mutex::new(LoginState { text, looked: now, changed: now });
        let poll = Duration::from_millis(config.secrets_poll_ms);
        Ok((Self { url, password, poll, state }, options))
    }

    /// Whether the files should be read again by now.
    pub(super) fn is_due(&self) -> bool {
        self.may_change() && self.state.lock().looked.elapsed() >= self.poll
    }

    fn may_change(&self) -> bool {
        self.url.is_file() || self.password.as_ref().is_some_and(SecretSource::is_file)
    }

    /// Reads the files again. Returns the new options if the login changed.
    pub(super) fn read_again(&self) -> Result<Option<PgConnectOptions>, PortError> {
        if !self.may_change() {
            return Ok(None);
        }
        self.state.lock().looked = Instant::now();
        let text = read(&self.url, self.password.as_ref())?;
        if self.state.lock().text == text {
            return Ok(None);
        }
        let options = text.options()?;
        let mut state = self.state.lock();
        (state.text, state.changed) = (text, Instant::now());
        Ok(Some(options))
    }

    /// Whether the login changed at `time` or later.
    pub(super) fn has_changed_since(&self, time: Instant) -> bool {
        self.state.lock().changed >= time
    }

    /// Whether a connection of this age was made with the current login.
    pub(super) fn is_current(&self, age: Duration) -> bool {
        age <= self.state.lock().changed.elapsed()
    }
}

fn read(url: &SecretSource, password: Option<&SecretSource>) -> Result<LoginText, PortError> {
    let url = url.read().map_err(|error| refused("aws.postgres_url_file", &error.to_string()))?;
    let password = password.map(SecretSource::read).transpose();
    let password = password.map_err(|error| refused("aws.postgres_password_file", &error.to_string()))?;
    Ok(LoginText { url, password })
}

fn refused(field: &str, detail: &str) -> PortError {
    PortError::failed(FailureClass::Denied, format!("read {field}"), detail.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::postgres::PgSslMode;

    fn config(url: &str) -> AwsConfig {
        AwsConfig { postgres_url: url.into(), ..AwsConfig::default() }
    }

    #[test]
    fn the_options_of_rds_are_read_from_the_url() {
        let url = "postgres://sluice@db.example:5432/sluice?sslmode=verify-full&sslrootcert=/etc/rds.pem";
        let (_, options) = PostgresLogin::new(&config(url)).unwrap();
        assert!(matches!(options.get_ssl_mode(), PgSslMode::VerifyFull));
        let url = "postgres://sluice@db.example/sluice?sslmode=verify-fulll";
        let error = PostgresLogin::new(&config(url)).err().expect("no such mode").to_string();
        assert!(error.contains("aws.postgres_url") && error.contains("verify-fulll"), "{error}");
    }

    #[tokio::test]
    async fn a_login_is_new_once_for_each_change_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        std::fs::write(&path, "one\n").unwrap();
        let config = AwsConfig { postgres_password_file: Some(path.clone()), ..config("postgres://a@b/c") };
        let (login, _) = PostgresLogin::new(&config).unwrap();
        assert!(login.read_again().unwrap().is_none(), "nothing changed");
        std::fs::write(&path, "two\n").unwrap();
        assert!(login.read_again().unwrap().is_some());
        assert!(login.read_again().unwrap().is_none());
        assert!(!login.is_current(Duration::from_secs(3600)), "made with the old password");
        assert!(login.is_current(Duration::ZERO));
        std::fs::remove_file(&path).unwrap();
        let error = login.read_again().unwrap_err().to_string();
        assert!(error.contains("aws.postgres_password_file") && error.contains("password"), "{error}");
    }
}
