//! A timer that is exact to a tenth of a millisecond. Tokio's timer rounds up to whole
//! milliseconds, which would be most of the latency that an open loop measures.

use std::io;
use std::time::Duration;

/// A timer for one task.
#[derive(Debug)]
pub struct Ticker(imp::Timer);

impl Ticker {
    /// Must be called within a Tokio runtime.
    pub fn new() -> io::Result<Self> {
        imp::Timer::new().map(Self)
    }

    /// Returns after `wait`. Cancel safe.
    pub async fn sleep(&self, wait: Duration) -> io::Result<()> {
        self.0.sleep(wait).await
    }
}

#[cfg(target_os = "linux")]
mod imp {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use rustix::io::Errno;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    #[derive(Debug)]
    pub(super) struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        #[expect(
            deprecated,
            reason = "its replacement is unsafe, which the workspace forbids; an OwnedFd meets the conditions: it stays the same open descriptor"
        )]
        pub(super) fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            Ok(Self(AsyncFd::with_interest(timer, Interest::READABLE)?))
        }

        pub(super) async fn sleep(&self, wait: Duration) -> io::Result<()> {
            // A time of zero would disarm the timer.
            let wait = wait.max(Duration::from_nanos(1));
            let once = Itimerspec {
                it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
                it_value: Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) },
            };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
            loop {
                let mut ready = self.0.readable().await?;
                let mut expirations = [0; 8];
                match rustix::io::read(self.0.get_ref(), &mut expirations) {
                    Ok(_) => return Ok(()),
                    Err(Errno::AGAIN) => ready.clear_ready(),
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

/// Other systems use Tokio's timer, which is right to a millisecond.
#[cfg(not(target_os = "linux"))]
mod imp {
    use std::io;
    use std::time::Duration;

    pub(super) use CoarseTimer as Timer;

    #[derive(Debug)]
    pub(super) struct CoarseTimer;

    impl CoarseTimer {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self)
        }

        pub(super) async fn sleep(&self, wait: Duration) -> io::Result<()> {
            tokio::time::sleep(wait).await;
            Ok(())
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::time::Instant;

    #[tokio::test]
    async fn waits_are_never_short_and_may_follow_each_other() {
        let ticker = Ticker::new().expect("a timer");
        for wait_us in [0, 100, 1500] {
            let wait = Duration::from_micros(wait_us);
            let start = Instant::now();
            ticker.sleep(wait).await.expect("a wait");
            assert!(start.elapsed() >= wait);
        }
    }
}
