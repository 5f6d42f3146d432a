//! The login at Redis, which may change while the process runs: it is read for each new
//! connection, and the open connection logs in again every `secrets_poll_ms`.

use crate::config::AwsConfig;
use crate::secret::SecretSource;
use async_trait::async_trait;
use fred::prelude::{Config, Error, ErrorKind};
use fred::types::config::{CredentialProvider, Server};
use sluice_ports::{FailureClass, PortError};
use std::time::Duration;

/// A user's name and password, if they are given.
type Credentials = (Option<String>, Option<String>);

/// The files that the login is read from.
#[derive(Debug, Clone)]
pub(super) struct RedisLogin {
    url: SecretSource,
    password: Option<SecretSource>,
    poll: Duration,
}

impl RedisLogin {
    /// How to connect, and the login if it may change.
    pub(super) fn new(config: &AwsConfig) -> Result<(Option<Self>, Config), PortError> {
        let url = SecretSource::of(&config.redis_url, config.redis_url_file.as_deref());
        let url = url.ok_or_else(|| refused("aws.redis_url", &"it is empty"))?;
        let password = SecretSource::of(&config.redis_password, config.redis_password_file.as_deref());
        let text = url.read().map_err(|error| refused("aws.redis_url_file", &error))?;
        let mut redis = parse(&text)?;
        let login = Self { url, password, poll: Duration::from_millis(config.secrets_poll_ms) };
        (redis.username, redis.password) = login.read()?;
        let may_change = login.url.is_file() || login.password.as_ref().is_some_and(SecretSource::is_file);
        Ok((may_change.then_some(login), redis))
    }

    fn read(&self) -> Result<Credentials, PortError> {
        let url = self.url.read().map_err(|error| refused("aws.redis_url_file", &error))?;
        let url = parse(&url)?;
        let password = self.password.as_ref().map(SecretSource::read).transpose();
        let password = password.map_err(|error| refused("aws.redis_password_file", &error))?;
        Ok((url.username, password.or(url.password)))
    }
}

#[async_trait]
impl CredentialProvider for RedisLogin {
    async fn fetch(&self, _server: Option<&Server>) -> Result<Credentials, Error> {
        let login = self.clone();
        let read = tokio::task::spawn_blocking(move || login.read()).await;
        let failed = |error: String| Error::new(ErrorKind::Auth, error);
        read.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))
    }

    fn refresh_interval(&self) -> Option<Duration> {
        Some(self.poll)
    }
}

/// Parses a URL, since the client library would take any scheme.
fn parse(url: &str) -> Result<Config, PortError> {
    if !url.starts_with("redis") {
        return Err(refused("aws.redis_url", &"it begins with neither redis:// nor rediss://"));
    }
    Config::from_url(url).map_err(|error| refused("aws.redis_url", &error.details()))
}

fn refused(field: &str, detail: &dyn std::fmt::Display) -> PortError {
    PortError::failed(FailureClass::Denied, format!("read {field}"), detail.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_stands_in_place_of_the_url_s() {
        let config = |url: &str, password: &str| AwsConfig {
            redis_url: url.into(),
            redis_password: password.into(),
            ..AwsConfig::default()
        };
        let login = |url: &str, password: &str| {
            let (may_change, redis) = RedisLogin::new(&config(url, password)).unwrap();
            assert!(may_change.is_none(), "no file, no change");
            (redis.username, redis.password)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(login("redis://a:b@h:1", ""), (some("a"), some("b")));
        assert_eq!(login("redis://a:b@h:1", "c"), (some("a"), some("c")));
        assert_eq!(login("redis://h:1", "c"), (None, some("c")));
        assert!(RedisLogin::new(&config("http://h", "")).is_err());
    }

    #[tokio::test]
    async fn a_file_is_read_for_each_login() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        std::fs::write(&path, "one\n").unwrap();
        let config = AwsConfig {
            redis_url: "redis://a@h:1".into(),
            redis_password_file: Some(path.clone()),
            ..AwsConfig::default()
        };
        let (login, _) = RedisLogin::new(&config).unwrap();
        let login = login.expect("it may change");
        assert_eq!(login.fetch(None).await.unwrap().1.as_deref(), Some("one"));
        std::fs::write(&path, "two\n").unwrap();
        assert_eq!(login.fetch(None).await.unwrap().1.as_deref(), Some("two"));
        std::fs::remove_file(&path).unwrap();
        let error = login.fetch(None).await.unwrap_err();
        assert!(error.details().contains("aws.redis_password_file"), "{error}");
    }
}
