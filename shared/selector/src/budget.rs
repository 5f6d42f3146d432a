//! The budget of one evaluation.

/// The budget is spent: the evaluation has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exhausted;

/// Steps left. A step is about one JSON node looked at, or 64 bytes of a
/// string: a few nanoseconds.
#[derive(Debug)]
pub(super) struct Budget {
    left: u32,
}

impl Budget {
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

    /// Spends what reading this many bytes of a string costs.
    pub(super) fn spend_bytes(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.spend(1 + bytes / 64)
    }
}
