//! Budgets: the steps that an evaluation may take.

/// The budget is spent: the evaluation has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exhausted;

/// The steps that all selectors of a customer together may still spend on an event. A step
/// is about one visited JSON node, or 64 compared bytes of a string: 5 to 25 ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatchBudget {
    /// The remaining steps; 0 leaves every selector that looks inside the event undecided.
    pub steps_left: u32,
}

/// The steps that one evaluation may still spend.
#[derive(Debug)]
pub(super) struct StepBudget {
    left: u32,
}

impl StepBudget {
    pub(super) fn new(steps: u32) -> Self {
        Self { left: steps }
    }

    pub(super) fn left(&self) -> u32 {
        self.left
    }

    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Exhausted> {
        let left = u32::try_from(steps).ok().and_then(|steps| self.left.checked_sub(steps));
        self.left = left.unwrap_or(0);
        left.map(|_| ()).ok_or(Exhausted)
    }

    /// Spends the cost of reading `bytes` bytes of a string.
    pub(super) fn spend_bytes(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.spend(1 + bytes / 64)
    }

    /// Leaves at most `steps`. Returns the steps kept back, for [`Self::give_back`].
    pub(super) fn keep_back(&mut self, steps: u32) -> u32 {
        let kept_back = self.left.saturating_sub(steps);
        self.left -= kept_back;
        kept_back
    }

    pub(super) fn give_back(&mut self, kept_back: u32) {
        self.left += kept_back;
    }
}
