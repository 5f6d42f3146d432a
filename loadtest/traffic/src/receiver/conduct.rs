//! The behaviour of a receiver at each moment: constant, or a pattern in time.

use std::time::Instant;

use super::behaviour::{Behaviour, BehaviourPhase};

/// Most phases of a pattern.
const PHASES_MAX: usize = 1000;

/// A behaviour, or several that follow one another in a cycle.
#[derive(Debug)]
pub(super) struct ReceiverConduct {
    behaviour: Behaviour,
    phases: Vec<BehaviourPhase>,
    since: Instant,
}

impl ReceiverConduct {
    /// Behaves by `phases` if there are any. The error names the rule that a
    /// behaviour breaks.
    pub(super) fn new(behaviour: Behaviour, phases: Vec<BehaviourPhase>) -> Result<Self, &'static str> {
        let faults = phases.iter().map(|phase| phase.behaviour.fault());
        faults.chain([behaviour.fault()]).flatten().next().map_or(Ok(()), Err)?;
        if phases.len() > PHASES_MAX || phases.iter().any(|phase| phase.for_ms == 0) {
            return Err("a pattern has at most 1000 phases, none of them of 0 ms");
        }
        Ok(Self { behaviour, phases, since: Instant::now() })
    }

    pub(super) fn now(&self) -> Behaviour {
        // Most receivers have no pattern and need no clock.
        if self.phases.is_empty() { self.behaviour } else { self.at(self.since.elapsed().as_millis() as u64) }
    }

    fn at(&self, elapsed_ms: u64) -> Behaviour {
        let total: u64 = self.phases.iter().map(|phase| phase.for_ms).sum();
        let mut left = elapsed_ms.checked_rem(total).unwrap_or(0);
        for phase in &self.phases {
            if left < phase.for_ms {
                return phase.behaviour;
            }
            left -= phase.for_ms;
        }
        self.behaviour
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_follow_one_another_and_come_back() {
        let phase = |for_ms, status| BehaviourPhase { for_ms, behaviour: Behaviour::status(status) };
        let phases = vec![phase(100, 200), phase(50, 500), phase(10, 410)];
        let conduct = ReceiverConduct::new(Behaviour::status(204), phases).expect("valid");
        for (ms, status) in [(0, 200), (99, 200), (100, 500), (149, 500), (150, 410), (160, 200), (320, 200)]
        {
            assert_eq!(conduct.at(ms), Behaviour::status(status), "{ms}");
        }
        let plain = ReceiverConduct::new(Behaviour::status(204), Vec::new()).expect("valid");
        assert_eq!(plain.now(), Behaviour::status(204));
    }

    #[test]
    fn a_phase_is_read_from_json_with_defaults() {
        let phase: BehaviourPhase =
            serde_json::from_str(r#"{"for_ms":5,"reply":"reset","delay_ms":1}"#).expect("valid");
        let reset = super::super::ReceiverReply::Reset;
        assert_eq!(phase.behaviour, Behaviour { reply: reset, delay_ms: 1, ..Behaviour::default() });
        assert!(
            ReceiverConduct::new(Behaviour::default(), vec![BehaviourPhase { for_ms: 0, ..phase }]).is_err()
        );
    }
}
