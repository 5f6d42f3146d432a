//! The connection to Redis: one for all that an edge asks of it.

use super::config::AwsConfig;
use super::health::{Dependency, Health};
use fred::prelude::{Builder, Client, ClientLike, Config, Error, ErrorKind, LuaInterface, ReconnectPolicy};
use sluice_ports::{FailureClass, PortError};
use std::sync::Arc;
use std::time::Duration;

/// Commands that wait for the connection.
const COMMANDS_MAX: usize = 10_000;
/// How long a command may take.
const COMMAND_WITHIN: Duration = Duration::from_millis(1000);

/// A connection that comes back by itself. Clones share it.
#[derive(Clone)]
pub struct Redis {
    client: Client,
    health: Arc<Health>,
}

impl Redis {
    /// Connects in the background, again and again: a Redis that is away costs
    /// its callers a refusal, and nothing else.
    ///
    /// # Errors
    /// If the URL is none.
    pub fn new(config: &AwsConfig, health: Arc<Health>) -> Result<Self, PortError> {
        let what = "read aws.redis_url";
        let url = Config::from_url(&config.redis_url).map_err(|error| PortError::unavailable(what, error))?;
        let client = Builder::from_config(url)
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
            .map_err(|error| PortError::unavailable(what, error))?;
        // Its task ends with the last handle; what it meets comes back from each command.
        drop(client.connect());
        Ok(Self { client, health })
    }

    /// Ends the connection.
    pub async fn close(&self) {
        if let Err(error) = self.client.quit().await {
            tracing::debug!(%error, "the connection to Redis was gone already");
        }
    }

    /// Returns once it is connected, or after the time that a command may take.
    pub async fn connected(&self) {
        let connected = tokio::time::timeout(COMMAND_WITHIN, self.client.wait_for_connect());
        if !matches!(connected.await, Ok(Ok(()))) {
            tracing::warn!("Redis does not answer; requests with an idempotency key are refused meanwhile");
        }
    }

    /// Runs a script, unless Redis is known to be away: then each command
    /// would cost its caller all the time that it may take.
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
            Err(error) => {
                self.health.failed(Dependency::Redis, FailureClass::Away, "script", &error.to_string());
            }
        }
        answer
    }
}
