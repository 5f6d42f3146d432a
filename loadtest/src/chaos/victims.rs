//! Breaks the server, its disk or the receivers for a while, then restores them.

use std::time::Duration;

use super::disk::FillableDisk;
use super::error::ChaosError;
use super::fault::FaultKind;
use super::flow::TrafficFlow;
use super::server::ScenarioServer;
use crate::random::SeededRandom;
use crate::receiver::{Behaviour, ReceiverReply};

/// The server, disk and flows that faults hit.
#[derive(Debug)]
pub(super) struct Victims<'a> {
    pub(super) server: &'a mut ScenarioServer,
    pub(super) disk: Option<&'a FillableDisk>,
    pub(super) flows: &'a [TrafficFlow],
}

impl Victims<'_> {
    /// Injects a fault for `lasting`, then restores normal operation.
    pub(super) async fn suffer(
        &mut self,
        kind: FaultKind,
        lasting: Duration,
        random: &mut SeededRandom,
    ) -> Result<(), ChaosError> {
        match kind {
            FaultKind::Kill => {
                self.server.kill()?;
                tokio::time::sleep(lasting).await;
                self.server.restart().await?;
                // One restart in four is killed too.
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
                let reply = [ReceiverReply::Reset, ReceiverReply::Close, ReceiverReply::Cut]
                    [random.below(3) as usize];
                self.receivers(Behaviour { reply, ..Behaviour::default() }, lasting).await?;
            }
            FaultKind::FailingReceiver => {
                let failing = Behaviour { retry_after_s: Some(1), ..Behaviour::status(503) };
                self.receivers(failing, lasting).await?;
            }
            FaultKind::HangingReceiver => {
                self.receivers(Behaviour { reply: ReceiverReply::Hang, ..Behaviour::default() }, lasting)
                    .await?;
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
