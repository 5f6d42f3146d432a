//! The plan of a run, which all its workers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::config::RunConfig;
use super::raw::RawWriter;
use crate::ledger::LedgerWriter;
use crate::request::RequestShape;
use crate::target::SendTarget;

/// The part of a run that is measured, from its start.
#[derive(Clone, Copy, Debug)]
pub(super) struct MeasuredWindow {
    pub(super) from: Duration,
    pub(super) to: Option<Duration>,
}

/// The plan of a run, which all its workers share.
#[derive(Debug)]
pub(super) struct RunPlan {
    pub(super) config: RunConfig,
    pub(super) shape: RequestShape,
    pub(super) target: Arc<SendTarget>,
    pub(super) run_id: u64,
    pub(super) started: Instant,
    pub(super) window: MeasuredWindow,
    pub(super) ledger: Option<Mutex<LedgerWriter>>,
    pub(super) raw: Option<Mutex<RawWriter>>,
    pub(super) quota: Arc<RequestQuota>,
    pub(super) stop: CancellationToken,
}

/// How many requests the run may still start.
#[derive(Debug)]
pub(super) struct RequestQuota {
    left: Option<AtomicU64>,
    used_up: CancellationToken,
}

impl RequestQuota {
    /// A budget of `requests` requests; unlimited without them.
    pub(super) fn new(requests: Option<u64>) -> Arc<Self> {
        Arc::new(Self { left: requests.map(AtomicU64::new), used_up: CancellationToken::new() })
    }

    /// Takes one request; returns false if none is left.
    pub(super) fn take(&self) -> bool {
        let Some(left) = &self.left else { return true };
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if !matches!(taken, Ok(2..)) {
            self.used_up.cancel();
        }
        taken.is_ok()
    }

    /// Waits until the last request was taken. Cancel safe.
    pub(super) async fn used_up(&self) {
        self.used_up.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_quota_gives_as_many_requests_as_it_has() {
        let quota = RequestQuota::new(Some(3));
        assert_eq!((0..5).filter(|_| quota.take()).count(), 3);
        quota.used_up().await;
        assert!((0..1000).all(|_| RequestQuota::new(None).take()));
    }
}
