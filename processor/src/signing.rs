//! Signing webhooks without delaying others.
//!
//! Signing takes about a millisecond for each megabyte. A huge body is signed on a thread of its
//! own, one at a time, so that many of them leave the runtime's threads to other webhooks.

use crate::attempt::Job;
use crate::client::Prepared;
use crate::sign::SignError;
use tokio::sync::Semaphore;

/// The largest body that is signed in the attempt's own task.
const INLINE_BYTES_MAX: usize = 1 << 20;

/// Signs webhooks.
#[derive(Debug)]
pub struct SigningDesk {
    /// The right to sign a huge body now.
    huge: Semaphore,
}

impl Default for SigningDesk {
    fn default() -> Self {
        Self { huge: Semaphore::new(1) }
    }
}

impl SigningDesk {
    /// Signs a webhook. Cancel safe: nothing is left behind.
    ///
    /// # Errors
    /// If the subscription has no usable secret.
    pub async fn sign(&self, job: &Job, now_ms: u64) -> Result<Prepared, SignError> {
        let bytes: usize = job.chunks.iter().map(|chunk| chunk.len()).sum();
        if bytes <= INLINE_BYTES_MAX {
            return Prepared::sign(job, now_ms);
        }
        // The semaphore is never closed.
        let _turn = self.huge.acquire().await;
        let job = job.clone();
        let signed = tokio::task::spawn_blocking(move || Prepared::sign(&job, now_ms)).await;
        signed.expect("signing does not panic, and nobody aborts it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Target;
    use crate::testing::{delivery, subscription};
    use bytes::Bytes;
    use futures_util::future::join_all;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    fn job(bytes: usize) -> Job {
        let body: Arc<[Bytes]> = Arc::new([Bytes::from(vec![b'x'; bytes])]);
        Job::new(&delivery(1, 1), Arc::new(Target::new(Arc::new(subscription(1)))), body)
    }

    #[tokio::test]
    async fn huge_bodies_are_signed_the_same_way() {
        for bytes in [10, INLINE_BYTES_MAX + 1] {
            let job = job(bytes);
            let signed = SigningDesk::default().sign(&job, 7).await.unwrap();
            let expected = Prepared::sign(&job, 7).unwrap();
            assert_eq!(signed.headers(), expected.headers());
        }
    }

    #[tokio::test]
    async fn many_huge_bodies_leave_the_thread_to_others() {
        let (desk, jobs) = (SigningDesk::default(), vec![job(8 << 20); 24]);
        let others = async {
            let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
            loop {
                tokio::time::sleep(Duration::from_millis(1)).await;
                longest = longest.max(last.elapsed());
                last = Instant::now();
                LONGEST_MS.store(longest.as_millis() as u64, std::sync::atomic::Ordering::Relaxed);
            }
        };
        let began = Instant::now();
        tokio::select! {
            _all = join_all(jobs.iter().map(|job| desk.sign(job, 7))) => {}
            () = others => {}
        }
        let (all, longest) = (began.elapsed(), LONGEST_MS.load(std::sync::atomic::Ordering::Relaxed));
        println!("24 bodies of 8 MiB signed in {all:?}; others waited {longest} ms at the longest");
        assert!(u128::from(longest) < all.as_millis() / 3, "others waited {longest} ms of {all:?}");
    }

    static LONGEST_MS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
}
