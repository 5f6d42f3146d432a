//! Making and mending resources by their differences from the wanted settings.

use async_trait::async_trait;
use sluice_ports::{FailureClass, PortError};
use std::fmt;
use std::time::Duration;

/// How long to wait until a new or changed resource is ready.
const READY_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Whether a difference may be mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// `sluice provision` mends it.
    Mend,
    /// It may not be mended; the reason, or what to do.
    Forbidden(&'static str),
}

/// A setting with a wrong value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The setting, as the service names it.
    pub setting: &'static str,
    /// Its value.
    pub found: String,
    /// The wanted value.
    pub wanted: String,
    /// Whether it may be mended.
    pub remedy: Remedy,
}

impl Difference {
    pub(super) fn mendable(
        setting: &'static str,
        found: impl fmt::Display,
        wanted: impl fmt::Display,
    ) -> Self {
        let (found, wanted) = (found.to_string(), wanted.to_string());
        Self { setting, found, wanted, remedy: Remedy::Mend }
    }

    pub(super) fn forbidden(
        setting: &'static str,
        found: impl fmt::Display,
        wanted: impl fmt::Display,
        why: &'static str,
    ) -> Self {
        Self { remedy: Remedy::Forbidden(why), ..Self::mendable(setting, found, wanted) }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, not {}", self.setting, self.found, self.wanted)?;
        match self.remedy {
            Remedy::Mend => f.write_str("; `sluice provision` mends it"),
            Remedy::Forbidden(why) => write!(f, "; {why}"),
        }
    }
}

/// What was done about one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProvisionOutcome {
    /// It was made.
    Made,
    /// It existed, and some settings were changed.
    Mended,
    /// It existed, and nothing was changed.
    WasThere,
}

impl ProvisionOutcome {
    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Mended => "mended",
            Self::WasThere => "was there",
        }
    }
}

/// One resource, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvisionStep {
    /// The resource: `stream sluice-events`.
    pub thing: String,
    /// What was done.
    pub outcome: ProvisionOutcome,
    /// The settings that were mended.
    pub mended: Vec<Difference>,
    /// The wrong settings that may not be changed.
    pub left: Vec<Difference>,
}

/// A resource in AWS.
#[async_trait]
pub(super) trait Thing: Sync {
    /// Its kind and its name.
    fn name(&self) -> String;

    /// Makes it if it does not exist. Returns whether it was made.
    async fn make(&self) -> Result<bool, PortError>;

    /// Its wrong settings; `None` if it does not exist.
    async fn differences(&self) -> Result<Option<Vec<Difference>>, PortError>;

    /// Mends a difference that may be mended.
    async fn mend(&self, difference: &Difference) -> Result<(), PortError>;

    /// Whether it can be used.
    async fn is_ready(&self) -> Result<bool, PortError>;
}

pub(super) async fn make_or_mend(thing: &impl Thing) -> Result<ProvisionStep, PortError> {
    let is_made = thing.make().await?;
    wait_until_ready(thing).await?;
    let differences = thing.differences().await?.unwrap_or_default();
    let (mended, left): (Vec<_>, Vec<_>) =
        differences.into_iter().partition(|difference| difference.remedy == Remedy::Mend);
    for difference in &mended {
        thing.mend(difference).await?;
        wait_until_ready(thing).await?;
    }
    let outcome = match (is_made, mended.is_empty()) {
        (true, _) => ProvisionOutcome::Made,
        (false, false) => ProvisionOutcome::Mended,
        (false, true) => ProvisionOutcome::WasThere,
    };
    Ok(ProvisionStep {
        thing: thing.name(),
        outcome,
        mended: if is_made { Vec::new() } else { mended },
        left,
    })
}

pub(super) async fn wait_until_ready(thing: &impl Thing) -> Result<(), PortError> {
    let ready = async {
        while !thing.is_ready().await? {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    };
    let waited = tokio::time::timeout(READY_WITHIN, ready).await;
    waited.unwrap_or_else(|_elapsed| {
        let attempted = format!("make {}", thing.name());
        Err(PortError::failed(FailureClass::Busy, attempted, "it does not become active"))
    })
}
