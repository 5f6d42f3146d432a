//! The configuration: flags > environment > file > defaults.
//!
//! Every field can be given in the environment as `SLUICE_` and its path with
//! `__` between the parts: `SLUICE_EDGE__LISTEN=0.0.0.0:80`. Unknown keys and
//! absurd values refuse to start, naming where they came from.

use crate::cli::{Command, Global, Up};
use anyhow::Context;
use figment::providers::{Env, Format, Serialized, Toml};
use figment::{Figment, Source};
use serde::{Deserialize, Serialize};
use sluice_ingest::EdgeConfig;
use sluice_processor::config::ProcessorConfig;
use sluice_shared::config::ConfigError;
use sluice_shared::embedded::EngineConfig;
use sluice_shared::telemetry::TelemetryConfig;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Variables of the same prefix that are not configuration.
const NOT_CONFIG: [&str; 3] = ["config", "api_key", "url"];
/// The tests' own variables.
const TESTS: &str = "test_";

/// Everything that can be configured.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where everything durable is kept.
    pub data_dir: PathBuf,
    /// The admin API's token; made and kept in the data directory where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_token: Option<String>,
    /// Threads that serve requests and deliver webhooks; 0 for one a core.
    pub threads: usize,
    /// Where a processor of its own says how it is.
    pub processor_listen: SocketAddr,
    /// The embedded engine.
    pub engine: EngineConfig,
    /// Whether `up` runs on the distributed engine.
    #[cfg(feature = "aws")]
    pub distributed: bool,
    /// The distributed engine.
    #[cfg(feature = "aws")]
    pub aws: sluice_shared::aws::AwsConfig,

    /// The HTTP edge.
    pub edge: EdgeConfig,
    /// Matching and delivery.
    pub processor: ProcessorConfig,
    /// Logs.
    pub telemetry: TelemetryConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("sluice-data"),
            admin_token: None,
            threads: 0,
            engine: EngineConfig::default(),
            #[cfg(feature = "aws")]
            distributed: false,
            #[cfg(feature = "aws")]
            aws: sluice_shared::aws::AwsConfig::default(),
            processor_listen: SocketAddr::from(([127, 0, 0, 1], 8082)),
            edge: EdgeConfig::default(),
            processor: ProcessorConfig::default(),
            telemetry: TelemetryConfig::default(),
        }
    }
}

/// Puts the configuration together and checks it.
pub(crate) fn load(global: &Global, command: &Command) -> anyhow::Result<Config> {
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    if let Some(file) = &global.config {
        anyhow::ensure!(file.exists(), "--config {}: there is no such file", file.display());
        figment = figment.merge(Toml::file_exact(file));
    }
    let environment = Env::prefixed("SLUICE_").ignore(&NOT_CONFIG);
    let environment = environment.filter(|key| !key.as_str().to_lowercase().starts_with(TESTS));
    let environment = environment.split("__").lowercase(true);
    let figment = figment.merge(environment);
    let mut config: Config = figment.extract().context("configuration")?;
    match command {
        Command::Up(flags) => apply(flags, &mut config),
        // Its figures are what is to be seen; failures still come through.
        Command::Demo(_) => config.telemetry.log_filter = "warn".into(),
        #[cfg(feature = "aws")]
        Command::Ingest(flags) => apply_ingest(flags, &mut config),
        #[cfg(feature = "aws")]
        Command::Processor(flags) => {
            config.processor_listen = flags.listen.unwrap_or(config.processor_listen);
            config.processor.guard.allow_private |= flags.allow_private_webhooks;
        }
        #[cfg(feature = "aws")]
        Command::Provision(_) => {}
        Command::Config | Command::Cost(_) => {}
    }
    let checks = [
        ("engine", config.engine.validate()),
        #[cfg(feature = "aws")]
        ("aws", config.aws.validate()),
        ("edge", config.edge.validate()),
        ("processor", config.processor.validate()),
    ];
    for (section, checked) in checks {
        checked.map_err(|error| refused(&figment, section, &error))?;
    }
    Ok(config)
}

/// Says which value is refused and where it came from.
fn refused(figment: &Figment, section: &str, error: &ConfigError) -> anyhow::Error {
    let field = format!("{section}.{}", error.field);
    let origin = match figment.find_metadata(&field).map(|metadata| &metadata.source) {
        Some(Some(Source::File(file))) => file.display().to_string(),
        Some(None) => format!("SLUICE_{}", field.to_uppercase().replace('.', "__")),
        Some(Some(_)) | None => "the default".to_owned(),
    };
    anyhow::anyhow!("configuration: {field} (from {origin}): {}", error.problem)
}

fn apply(flags: &Up, config: &mut Config) {
    #[cfg(feature = "aws")]
    {
        config.distributed |= flags.distributed;
    }
    if let Some(dir) = &flags.data_dir {
        config.data_dir.clone_from(dir);
    }
    if let Some(listen) = flags.listen {
        config.edge.listen = listen;
    }
    if let Some(listen) = flags.admin_listen {
        config.edge.admin_listen = listen;
    }
    if flags.admin_token.is_some() {
        config.admin_token.clone_from(&flags.admin_token);
    }
    if flags.allow_private_webhooks {
        config.edge.allow_private_webhooks = true;
        config.processor.guard.allow_private = true;
    }
}

#[cfg(feature = "aws")]
fn apply_ingest(flags: &crate::cli::Ingest, config: &mut Config) {
    config.edge.listen = flags.listen.unwrap_or(config.edge.listen);
    config.edge.admin_listen = flags.admin_listen.unwrap_or(config.edge.admin_listen);
    if flags.admin_token.is_some() {
        config.admin_token.clone_from(&flags.admin_token);
    }
    config.edge.allow_private_webhooks |= flags.allow_private_webhooks;
}

/// A URL without its password.
#[cfg(feature = "aws")]
fn masked_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let Some((user, place)) = rest.rsplit_once('@') else { return url.to_owned() };
    match user.split_once(':') {
        Some((name, _password)) => format!("{scheme}://{name}:********@{place}"),
        None => url.to_owned(),
    }
}

/// Prints the configuration as TOML, secrets masked.
#[expect(clippy::print_stdout, reason = "printing is the command's work")]
pub(crate) fn print(config: &Config) -> anyhow::Result<()> {
    let mut shown = config.clone();
    if shown.admin_token.is_some() {
        shown.admin_token = Some("********".into());
    }
    #[cfg(feature = "aws")]
    for url in [&mut shown.aws.postgres_url, &mut shown.aws.redis_url] {
        *url = masked_url(url);
    }
    print!("{}", toml::to_string_pretty(&shown).context("write the configuration")?);
    Ok(())
}
