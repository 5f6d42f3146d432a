//! Flags as a source of configuration, each named in errors.

use crate::cli::{Command, IngestFlags, Logs, Up};
use figment::providers::Serialized;
use figment::value::{Dict, Map, Value};
use figment::{Error, Metadata, Profile, Provider};
use serde::Serialize;

/// The beginning of the name of a source that is a flag.
pub(super) const FLAG: &str = "flag ";

/// The fields that let webhooks go to this machine. The ingest role delivers too: it
/// sends the test events that customers ask for.
const PRIVATE_WEBHOOKS: [&str; 2] = ["ingest.allow_private_webhooks", "processor.guard.allow_private"];

/// One field that a flag sets.
pub(super) struct Flag {
    name: &'static str,
    field: &'static str,
    value: Result<Value, Error>,
}

impl Provider for Flag {
    fn metadata(&self) -> Metadata {
        Metadata::named(format!("{FLAG}{}", self.name))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Serialized::default(self.field, self.value.clone()?).data()
    }
}

/// The flags that were given.
struct GivenFlags(Vec<Flag>);

impl GivenFlags {
    fn set(&mut self, name: &'static str, field: &'static str, value: Option<impl Serialize>) {
        if let Some(value) = value {
            self.0.push(Flag { name, field, value: Value::serialize(value) });
        }
    }

    fn switch(&mut self, name: &'static str, fields: &[&'static str], is_given: bool) {
        for &field in fields {
            self.set(name, field, is_given.then_some(true));
        }
    }

    fn up(&mut self, flags: &Up) {
        #[cfg(feature = "aws")]
        self.switch("--distributed", &["distributed"], flags.distributed);
        self.set("--data-dir", "data_dir", flags.data_dir.as_ref());
        if flags.dev {
            self.development();
        }
        self.ingest(&flags.ingest);
    }

    fn development(&mut self) {
        self.set("--dev", "ingest.environment", Some("development"));
        self.set("--dev", "ingest.cors_origins", Some(["*"]));
        self.switch("--dev", &PRIVATE_WEBHOOKS, true);
    }

    fn ingest(&mut self, flags: &IngestFlags) {
        self.set("--listen", "ingest.listen", flags.listen);
        self.set("--admin-listen", "ingest.admin_listen", flags.admin_listen);
        self.set("--admin-token", "admin_token", flags.admin_token.as_ref());
        self.set("--admin-token-file", "admin_token_file", flags.admin_token_file.as_ref());
        self.set("--tls-cert", "ingest.tls.cert_file", flags.tls_cert.as_ref());
        self.set("--tls-key", "ingest.tls.key_file", flags.tls_key.as_ref());
        self.switch("--allow-private-webhooks", &PRIVATE_WEBHOOKS, flags.allow_private_webhooks);
        self.logs(&flags.logs);
    }

    fn logs(&mut self, flags: &Logs) {
        self.set("--log-format", "telemetry.log_format", flags.log_format.as_ref());
        self.set("--log-filter", "telemetry.log_filter", flags.log_filter.as_ref());
    }
}

/// The fields that a command's flags set.
pub(super) fn of(command: &Command) -> Vec<Flag> {
    let mut given = GivenFlags(Vec::new());
    match command {
        Command::Up(flags) => given.up(flags),
        Command::Config(options) => given.up(&options.flags),
        // The demo shows figures instead of logs; failures are still logged.
        Command::Demo(_) => given.set("demo", "telemetry.log_filter", Some("warn")),
        #[cfg(feature = "aws")]
        Command::Ingest(flags) => given.ingest(flags),
        #[cfg(feature = "aws")]
        Command::Processor(flags) => {
            given.set("--listen", "processor_listen", flags.listen);
            let private = ["processor.guard.allow_private"];
            given.switch("--allow-private-webhooks", &private, flags.allow_private_webhooks);
            given.logs(&flags.logs);
        }
        #[cfg(feature = "aws")]
        Command::Provision(_) => {}
        Command::Remote(_)
        | Command::Healthcheck(_)
        | Command::Completions { .. }
        | Command::Man { .. }
        | Command::Cost(_) => {}
        #[cfg(feature = "aws")]
        Command::Leases(_) => given.set("leases", "telemetry.log_filter", Some("warn")),
    }
    given.0
}
