//! Things that are made or mended, and how they differ from what they should be.

use async_trait::async_trait;
use sluice_ports::{FailureClass, PortError};
use std::fmt;
use std::time::Duration;

/// How long to wait until a thing that was made or changed is ready.
const READY_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Whether a difference may be mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// `sluice provision` mends it.
    Mend,
    /// It may not, and why, or what to do.
    Forbidden(&'static str),
}

/// A setting that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The setting, in the service's own word.
    pub setting: &'static str,
    /// Its value.
    pub found: String,
    /// The value that it should have.
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

/// What was done about one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProvisionOutcome {
    /// It was made.
    Made,
    /// It was there, and some of it was changed.
    Mended,
    /// It was there, and nothing was changed.
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

/// One thing, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvisionStep {
    /// The thing: `stream sluice-events`.
    pub thing: String,
    /// What was done.
    pub outcome: ProvisionOutcome,
    /// What was mended.
    pub mended: Vec<Difference>,
    /// What is wrong and may not be changed.
    pub left: Vec<Difference>,
}

/// A thing in AWS.
#[async_trait]
pub(super) trait Thing: Sync {
    /// Its kind and its name.
    fn name(&self) -> String;

    /// Makes it where it is not; returns whether it was made.
    async fn make(&self) -> Result<bool, PortError>;

    /// How it differs from what it should be; nothing where it does not exist.
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
        let what = format!("make {}", thing.name());
        Err(PortError::failed(FailureClass::Busy, what, "it does not become active"))
    })
}
