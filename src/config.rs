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
use std::path::PathBuf;

/// Variables of the same prefix that are not configuration.
const NOT_CONFIG: [&str; 4] = ["config", "api_key", "url", "test_node_modules"];

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
    /// The embedded engine.
    pub engine: EngineConfig,
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
    let environment = Env::prefixed("SLUICE_").ignore(&NOT_CONFIG).split("__").lowercase(true);
    let figment = figment.merge(environment);
    let mut config: Config = figment.extract().context("configuration")?;
    match command {
        Command::Up(flags) => apply(flags, &mut config),
        // Its figures are what is to be seen; failures still come through.
        Command::Demo(_) => config.telemetry.log_filter = "warn".into(),
        Command::Config => {}
    }
    let checks = [
        ("engine", config.engine.validate()),
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

/// Prints the configuration as TOML, secrets masked.
#[expect(clippy::print_stdout, reason = "printing is the command's work")]
pub(crate) fn print(config: &Config) -> anyhow::Result<()> {
    let mut shown = config.clone();
    if shown.admin_token.is_some() {
        shown.admin_token = Some("********".into());
    }
    print!("{}", toml::to_string_pretty(&shown).context("write the configuration")?);
    Ok(())
}
