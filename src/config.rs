//! The configuration: flags > environment > file > defaults.
//!
//! Every field can be given in the environment as `SLUICE_` and its path with
//! `__` between the parts: `SLUICE_INGEST__LISTEN=0.0.0.0:80`. Unknown keys and
//! absurd values are refused at the start, with an error that names their origin.

mod file;
mod flags;
mod origin;
mod secret_texts;
mod secrets;
pub(crate) mod show;

use crate::cli::{Command, Global, Purpose, ShowConfig};
use crate::development;
use crate::process::NICE_MAX;
use figment::Figment;
use figment::providers::{Env, Serialized};
use file::TomlFile;
use origin::ValueOrigin;
use serde::{Deserialize, Serialize};
use sluice_catalogue::sealing::SealingConfig;
use sluice_demo::mail::config::DemoConfig;
use sluice_embedded::EngineConfig;
use sluice_ingest::IngestConfig;
use sluice_model::config::SecretValue;
use sluice_processor::config::ProcessorConfig;
use sluice_telemetry::TelemetryConfig;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Variables with the prefix that are not configuration of a server; the
/// variables of the tests (`SLUICE_TEST_…`) are not either.
const NOT_CONFIG: [&str; 6] = ["config", "api_key", "url", "admin_url", "ca_file", "webhook_secret"];

/// The most threads of a runtime: more than machines have cores.
const THREADS_MAX: usize = 1024;

/// Everything that can be configured.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The directory of all durable data.
    pub data_dir: PathBuf,
    /// The admin API's token; if there is none, one is made and kept in the data directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_token: Option<SecretValue>,
    /// The previous token, which is accepted too while operators change over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_token_previous: Option<SecretValue>,
    /// A file that holds the token, and on a second line the previous token. It
    /// is read again while the process runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_token_file: Option<PathBuf>,
    /// Threads that serve requests and deliver webhooks; 0 for one a core.
    pub threads: usize,
    /// Threads of the processor if it shares a process with the ingest role, so that
    /// requests cannot keep it from its turns; 0 for one for every two cores.
    pub processor_threads: usize,
    /// What is added to the niceness of the threads that serve requests if both roles
    /// share a process, 0 to 19: where cores do not suffice, the processor goes first.
    pub ingest_nice: u8,
    /// How long the process may take to end once it is told to, in milliseconds:
    /// less than its supervisor grants (ECS and Kubernetes: 30 seconds). Work that is
    /// not done by then is cut off as by a crash, which loses nothing.
    pub drain_ms: u64,
    /// The address at which `sluice processor` answers probes and scrapers.
    pub processor_listen: SocketAddr,
    /// The embedded engine.
    pub engine: EngineConfig,
    /// Whether `up` runs on the distributed engine.
    #[cfg(feature = "aws")]
    pub distributed: bool,
    /// The distributed engine.
    #[cfg(feature = "aws")]
    pub aws: sluice_aws::AwsConfig,

    /// The ingest role.
    pub ingest: IngestConfig,
    /// Matching and delivery.
    pub processor: ProcessorConfig,
    /// The keys that seal webhook secrets.
    pub secrets: SealingConfig,
    /// Logs.
    pub telemetry: TelemetryConfig,
    /// The program of `sluice demo`.
    pub demo: DemoConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("sluice-data"),
            admin_token: None,
            admin_token_previous: None,
            admin_token_file: None,
            threads: 0,
            processor_threads: 0,
            ingest_nice: 5,
            drain_ms: 25_000,
            engine: EngineConfig::default(),
            #[cfg(feature = "aws")]
            distributed: false,
            #[cfg(feature = "aws")]
            aws: sluice_aws::AwsConfig::default(),
            processor_listen: SocketAddr::from(([127, 0, 0, 1], 8082)),
            ingest: IngestConfig::default(),
            processor: ProcessorConfig::default(),
            secrets: SealingConfig::default(),
            telemetry: TelemetryConfig::default(),
            demo: DemoConfig::default(),
        }
    }
}

impl Config {
    /// The addresses of the ingest role, each with its name.
    pub(crate) fn ingest_addresses(&self) -> [(&'static str, SocketAddr); 2] {
        [("ingest.listen", self.ingest.listen), ("ingest.admin_listen", self.ingest.admin_listen)]
    }
}

/// A configuration, and where its values came from.
pub(crate) struct Loaded {
    pub config: Config,
    figment: Figment,
}

/// Puts the configuration together and checks it.
pub(crate) fn load(global: &Global, command: &Command) -> anyhow::Result<Loaded> {
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    if let Some(file) = &global.config {
        figment = figment.merge(TomlFile::read(file)?);
    }
    let environment = Env::prefixed("SLUICE_").ignore(&NOT_CONFIG).filter(|name| !name.starts_with("test_"));
    let environment = environment.split("__").lowercase(true);
    let secret_texts = secret_texts::of(&environment);
    figment = figment.merge(environment);
    for secret in secret_texts {
        figment = figment.merge(secret);
    }
    for flag in flags::of(command) {
        figment = figment.merge(flag);
    }
    let config: Config =
        figment.extract().map_err(|error| anyhow::anyhow!(secrets::told(error)).context("configuration"))?;
    let checks = [
        ("engine", config.engine.validate()),
        #[cfg(feature = "aws")]
        ("aws", config.aws.validate()),
        ("ingest", config.ingest.validate()),
        ("processor", config.processor.validate()),
        ("secrets", config.secrets.validate()),
        ("telemetry", config.telemetry.validate()),
        ("demo", config.demo.validate()),
    ];
    for (section, checked) in checks {
        checked.map_err(|error| {
            let field = format!("{section}.{}", error.field);
            let origin = ValueOrigin::of(&figment, &field);
            anyhow::anyhow!("configuration: {field} (from {origin}): {}", error.problem)
        })?;
    }
    secrets::check(&config, &figment)?;
    let drain_ms = config.drain_ms;
    anyhow::ensure!(
        (100..=3_600_000).contains(&drain_ms),
        "configuration: drain_ms (from {}): {drain_ms} is not between 100 and 3600000",
        ValueOrigin::of(&figment, "drain_ms")
    );
    let at_most = [
        ("threads", config.threads, THREADS_MAX),
        ("processor_threads", config.processor_threads, THREADS_MAX),
        ("ingest_nice", config.ingest_nice.into(), NICE_MAX as usize),
    ];
    for (field, value, most) in at_most {
        anyhow::ensure!(
            value <= most,
            "configuration: {field} (from {}): {value} is not between 0 and {most}",
            ValueOrigin::of(&figment, field)
        );
    }
    if let Command::Up(flags) | Command::Config(ShowConfig { flags, .. }) = command
        && flags.purpose() == Purpose::Development
    {
        development::check_addresses(&config)?;
    }
    let otel = cfg!(feature = "otel") || config.telemetry.otlp_endpoint.is_none();
    anyhow::ensure!(
        otel,
        "configuration: telemetry.otlp_endpoint needs a binary built with `--features otel`"
    );
    Ok(Loaded { config, figment })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a file as the whole configuration, and checks that a configuration that
    /// is accepted can be printed and read again.
    fn config(bytes: &[u8]) {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let Ok(file) = TomlFile::parse(text, "sluice.toml".as_ref()) else { return };
        let figment = Figment::from(Serialized::defaults(Config::default())).merge(file);
        let Ok(config) = figment.extract::<Config>() else { return };
        let sections = [
            config.engine.validate(),
            config.ingest.validate(),
            config.processor.validate(),
            config.secrets.validate(),
            config.telemetry.validate(),
            config.demo.validate(),
        ];
        if sections.iter().all(Result::is_ok) {
            let printed = show::text(&Loaded { config, figment }).expect("a configuration can be printed");
            toml::from_str::<toml::Table>(&printed).expect("what is printed is TOML");
        }
    }

    #[test]
    fn no_error_and_no_print_for_debugging_shows_a_secret() {
        let wrong = |text: &str| {
            let file = TomlFile::parse(text, "sluice.toml".as_ref()).unwrap();
            let figment = Figment::from(Serialized::defaults(Config::default())).merge(file);
            secrets::told(figment.extract::<Config>().unwrap_err())
        };
        let texts = [
            "secrets.keys = \"k1:hush\"",
            "secrets = \"hush\"",
            "[secrets]\nkeys = [{ hush = 1 }]",
            "admin_token = [\"hush\"]",
            "demo.mail.smtp.password = [\"hush\"]",
            "demo = \"hush\"",
        ];
        for text in texts {
            let told = wrong(text);
            assert!(!told.contains("hush") && told.contains("secret"), "{text}: {told}");
        }
        assert!(wrong("threads = \"many\"").contains("many"), "what is no secret is shown");
        for text in ["admin_token = \"hush", "admin_token = hush", "[secrets]\nkeys = [hush"] {
            let error = TomlFile::parse(text, "sluice.toml".as_ref()).err().expect("it is no TOML");
            let told = format!("{error:?} {error:#}");
            assert!(!told.contains("hush") && told.contains("line "), "{told}");
        }
        let config = Config {
            admin_token: Some("hush".into()),
            admin_token_previous: Some("hush".into()),
            secrets: SealingConfig { keys: vec!["k1:hush".into()], keys_file: None },
            telemetry: TelemetryConfig {
                otlp_endpoint: Some("https://me:hush@host".into()),
                ..TelemetryConfig::default()
            },
            ..Config::default()
        };
        assert!(!format!("{config:?}").contains("hush"));
    }

    #[test]
    fn corpora_and_what_is_like_them_do_no_harm() {
        let corpora = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");
        sluice_model::fuzzing::rounds(&[("config", config)], corpora, 1000);
    }
}
