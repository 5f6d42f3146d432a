//! What can be broken, for a while.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ChaosError;
use super::disk::Disk;
use super::flow::Flow;
use super::server::Server;
use crate::random::Random;
use crate::receiver::{Behaviour, Reply};

/// A kind of fault.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// `kill -9`, then a new start on the same data.
    Kill,
    /// SIGSTOP, then SIGCONT.
    Pause,
    /// No room on the data's disk.
    FullDisk,
    /// Receivers answer late.
    SlowReceiver,
    /// Receivers reset connections or break off answers.
    CutReceiver,
    /// Receivers answer 503.
    FailingReceiver,
    /// Receivers never answer.
    HangingReceiver,
}

/// A fault that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fault {
    /// When, from the start of the traffic, in seconds.
    pub at_s: f64,
    /// Which.
    pub what: FaultKind,
    /// How long, the way back included, in seconds.
    pub lasted_s: f64,
}

/// What faults are done to.
#[derive(Debug)]
pub(super) struct Victims<'a> {
    pub(super) server: &'a mut Server,
    pub(super) disk: Option<&'a Disk>,
    pub(super) flows: &'a [Flow],
}

impl Victims<'_> {
    /// Breaks something for `lasting`, then mends it.
    pub(super) async fn suffer(
        &mut self,
        kind: FaultKind,
        lasting: Duration,
        random: &mut Random,
    ) -> Result<(), ChaosError> {
        match kind {
            FaultKind::Kill => {
                self.server.kill()?;
                tokio::time::sleep(lasting).await;
                self.server.restart().await?;
                // Now and then a start is struck as well.
                if random.below(4) == 0 {
                    self.server.kill()?;
                    self.server.restart().await?;
                }
            }
            FaultKind::Pause => {
                self.server.pause(true)?;
                tokio::time::sleep(lasting).await;
                self.server.pause(false)?;
            }
            FaultKind::FullDisk => {
                let Some(disk) = self.disk else { return Ok(()) };
                disk.fill().map_err(ChaosError::Disk)?;
                tokio::time::sleep(lasting).await;
                disk.clear().map_err(ChaosError::Disk)?;
            }
            FaultKind::SlowReceiver => {
                let slow = Behaviour { delay_ms: 200, delay_max_ms: Some(1000), ..Behaviour::default() };
                self.receivers(slow, lasting).await?;
            }
            FaultKind::CutReceiver => {
                let reply = [Reply::Reset, Reply::Close, Reply::Cut][random.below(3) as usize];
                self.receivers(Behaviour { reply, ..Behaviour::default() }, lasting).await?;
            }
            FaultKind::FailingReceiver => {
                let failing = Behaviour { retry_after_s: Some(1), ..Behaviour::status(503) };
                self.receivers(failing, lasting).await?;
            }
            FaultKind::HangingReceiver => {
                self.receivers(Behaviour { reply: Reply::Hang, ..Behaviour::default() }, lasting).await?;
            }
        }
        Ok(())
    }

    async fn receivers(&self, behaviour: Behaviour, lasting: Duration) -> Result<(), ChaosError> {
        self.flows.iter().try_for_each(|flow| flow.receiver.set_behaviour(behaviour))?;
        tokio::time::sleep(lasting).await;
        self.flows.iter().try_for_each(|flow| flow.receiver.set_behaviour(flow.config.receiver))?;
        Ok(())
    }
}
