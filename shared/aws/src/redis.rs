//! The connection to Redis that all calls of an ingest process share.

mod login;
mod tls;

use super::config::AwsConfig;
use super::failure;
use super::health::{Dependency, DependencyHealth};
use fred::prelude::{Builder, Client, ClientLike, Error, ErrorKind, LuaInterface, ReconnectPolicy};
use login::RedisLogin;
use sluice_ports::{FailureClass, PortError};
use std::sync::Arc;
use std::time::Duration;

/// The most commands that wait for the connection.
const COMMANDS_MAX: usize = 10_000;
/// How long a command may take.
const COMMAND_WITHIN: Duration = Duration::from_millis(1000);

/// A connection that reconnects by itself. Clones share it.
#[derive(Clone)]
pub struct Redis {
    client: Client,
    health: Arc<DependencyHealth>,
}

impl Redis {
    /// Connects in the background, again and again. While Redis is away, callers are refused.
    ///
    /// # Errors
    /// If the URL is not valid, or a file of the login or of certificates cannot be used.
    pub fn new(config: &AwsConfig, health: Arc<DependencyHealth>) -> Result<Self, PortError> {
        let attempted = "connect to Redis";
        let failed = |error: Error| PortError::unavailable(attempted, error);
        let (login, mut redis) = RedisLogin::new(config)?;
        if let Some(file) = &config.redis_ca_file
            && redis.tls.is_some()
        {
            redis.tls = Some(tls::trusting(file)?);
        }
        redis.credential_provider = login.map(|login| Arc::new(login) as _);
        // A login that is refused at first may be replaced later.
        redis.fail_fast = false;
        let client = Builder::from_config(redis)
            .with_performance_config(|performance| {
                performance.default_command_timeout = COMMAND_WITHIN;
                performance.broadcast_channel_capacity = 8;
            })
            .with_connection_config(|connection| {
                connection.connection_timeout = COMMAND_WITHIN;
                connection.internal_command_timeout = COMMAND_WITHIN;
                connection.max_command_attempts = 1;
                connection.max_command_buffer_len = COMMANDS_MAX;
            })
            .set_policy(ReconnectPolicy::new_exponential(0, 50, 1000, 2))
            .build()
            .map_err(failed)?;
        // The task ends with the last handle; each command returns the errors that it meets.
        drop(client.connect());
        Ok(Self { client, health })
    }

    /// Ends the connection.
    pub async fn close(&self) {
        match tokio::time::timeout(COMMAND_WITHIN, self.client.quit()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the connection to Redis was already closed"),
            Err(_elapsed) => tracing::debug!("Redis does not answer; its connection was not closed"),
        }
    }

    /// Returns once connected, or after the time limit of a command.
    pub async fn connected(&self) {
        let connected = tokio::time::timeout(COMMAND_WITHIN, self.client.wait_for_connect());
        if !matches!(connected.await, Ok(Ok(()))) {
            tracing::warn!("Redis does not answer; requests with an idempotency key are refused meanwhile");
        }
    }

    /// Runs a script. Fails at once if Redis is known to be away, since each command would
    /// else take its whole time limit.
    pub(super) async fn run<R: fred::types::FromValue>(
        &self,
        script: &str,
        key: String,
        args: Vec<String>,
    ) -> Result<R, Error> {
        let answer = if self.client.is_connected() {
            self.client.eval(script, vec![key], args).await
        } else {
            Err(Error::new(ErrorKind::IO, "Redis is not connected"))
        };
        match &answer {
            Ok(_) => self.health.succeeded(Dependency::Redis, "script"),
            Err(error) => self.health.failed(Dependency::Redis, class_of(error), "script", error.details()),
        }
        answer
    }
}

/// The class of a failed command.
fn class_of(error: &Error) -> FailureClass {
    // The server's error begins with a code word.
    match error.details().split_whitespace().next().unwrap_or_default() {
        "NOAUTH" | "WRONGPASS" | "NOPERM" => FailureClass::Denied,
        "OOM" | "BUSY" | "LOADING" | "TRYAGAIN" => FailureClass::Busy,
        "READONLY" | "MASTERDOWN" | "CLUSTERDOWN" => FailureClass::Away,
        _ => match error.kind() {
            ErrorKind::Auth => FailureClass::Denied,
            ErrorKind::Backpressure => FailureClass::Busy,
            ErrorKind::InvalidCommand | ErrorKind::InvalidArgument => FailureClass::Refused,
            // The command may have been done.
            ErrorKind::Timeout => FailureClass::Ambiguous,
            _ => FailureClass::Away,
        },
    }
}

/// The port's error for a failed command, in one line.
pub(super) fn port_error(attempted: &str, error: &Error) -> PortError {
    let words = format!("{} ({:?})", failure::one_line(error.details()), error.kind());
    PortError::failed(class_of(error), format!("{attempted} in Redis"), words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_a_class_and_one_line() {
        let class = |kind, details: &'static str| class_of(&Error::new(kind, details));
        assert_eq!(class(ErrorKind::Unknown, "NOPERM this user has no permissions"), FailureClass::Denied);
        assert_eq!(class(ErrorKind::Auth, "WRONGPASS invalid username-password pair"), FailureClass::Denied);
        assert_eq!(class(ErrorKind::Unknown, "OOM command not allowed"), FailureClass::Busy);
        assert_eq!(class(ErrorKind::Unknown, "READONLY You can't write"), FailureClass::Away);
        assert_eq!(class(ErrorKind::IO, "Redis is not connected"), FailureClass::Away);
        assert_eq!(class(ErrorKind::Timeout, "Request timed out."), FailureClass::Ambiguous);
        let error = port_error("claim an idempotency key", &Error::new(ErrorKind::IO, "first line\nsecond"));
        assert_eq!(error.to_string(), "claim an idempotency key in Redis: away: first line second (IO)");
    }
}
