//! Resolving names to addresses that the guard allows.
//!
//! `getaddrinfo` blocks a thread until the name server answers, so each name has one lookup at a time,
//! and the number of lookups is limited.

use crate::guard::{AddressGuard, Forbidden};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::collections::HashMap;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// The most threads that lookups may block. Tokio has 512, which storage needs as well.
const LOOKUPS_MAX: usize = 64;

/// A lookup that is older than this is not joined, since its answer may be stale.
const JOIN_WITHIN: Duration = Duration::from_secs(5);

type FoundAddresses = Result<Arc<[SocketAddr]>, Arc<std::io::Error>>;
type Lookup = Shared<BoxFuture<'static, FoundAddresses>>;

/// Finds the addresses of a name. It may block.
type Finder = Arc<dyn Fn(&str) -> std::io::Result<Vec<SocketAddr>> + Send + Sync>;

/// Resolves names through the operating system; gives out only addresses that the guard allows.
pub struct GuardedResolver {
    guard: AddressGuard,
    finder: Finder,
    threads: Arc<Semaphore>,
    running: Arc<Mutex<HashMap<Box<str>, (Instant, Lookup)>>>,
}

impl std::fmt::Debug for GuardedResolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuardedResolver").field("guard", &self.guard).finish_non_exhaustive()
    }
}

impl GuardedResolver {
    /// A resolver behind this guard.
    #[must_use]
    pub fn new(guard: AddressGuard) -> Self {
        Self::with(guard, Arc::new(|host| Ok((host, 0).to_socket_addrs()?.collect())))
    }

    fn with(guard: AddressGuard, finder: Finder) -> Self {
        let threads = Arc::new(Semaphore::new(LOOKUPS_MAX));
        Self { guard, finder, threads, running: Arc::default() }
    }

    fn lookup(&self, host: &str) -> Lookup {
        let mut running = self.running.lock();
        if let Some((began, lookup)) = running.get(host)
            && began.elapsed() < JOIN_WITHIN
        {
            return lookup.clone();
        }
        let lookup = blocking_lookup(host.into(), Arc::clone(&self.finder), Arc::clone(&self.threads))
            .boxed()
            .shared();
        running.insert(host.into(), (Instant::now(), lookup.clone()));
        lookup
    }
}

async fn blocking_lookup(host: String, finder: Finder, threads: Arc<Semaphore>) -> FoundAddresses {
    let permit = threads.acquire_owned().await.map_err(|closed| Arc::new(std::io::Error::other(closed)))?;
    let looked_up = tokio::task::spawn_blocking(move || {
        // Held until the thread is free again, even if nobody waits any more.
        let _permit = permit;
        finder(&host).map(Arc::from)
    });
    looked_up.await.map_err(std::io::Error::other).flatten().map_err(Arc::new)
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host: Box<str> = name.as_str().into();
        let lookup = self.lookup(&host);
        let (running, guard) = (Arc::clone(&self.running), self.guard.clone());
        Box::pin(async move {
            let found = lookup.await;
            running.lock().remove(&host);
            Ok(allowed(&guard, &found?)?)
        })
    }
}

/// The addresses that may be dialled; an error if all of them are refused.
fn allowed(guard: &AddressGuard, found: &[SocketAddr]) -> Result<Addrs, Forbidden> {
    let mut refused = None;
    let mut passed = Vec::with_capacity(found.len());
    for address in found {
        match guard.check_address(address.ip()) {
            Ok(()) => passed.push(*address),
            Err(forbidden) => refused = Some(forbidden),
        }
    }
    match refused {
        Some(forbidden) if passed.is_empty() => Err(forbidden),
        _ => Ok(Box::new(passed.into_iter())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::GuardPolicy;

    async fn resolve(policy: GuardPolicy, name: &str) -> Result<Vec<SocketAddr>, String> {
        let resolver = GuardedResolver::new(AddressGuard::new(policy));
        let found = resolver.resolve(name.parse().unwrap()).await;
        found.map(Iterator::collect).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_name_of_a_refused_address_is_refused() {
        let error = resolve(GuardPolicy::default(), "localhost").await.unwrap_err();
        assert!(error.contains("loopback"), "{error}");
    }

    #[tokio::test]
    async fn an_allowed_one_resolves() {
        let policy = GuardPolicy { allow_private: true, ..GuardPolicy::default() };
        assert!(resolve(policy, "localhost").await.unwrap().iter().all(|address| address.ip().is_loopback()));
    }

    #[tokio::test]
    async fn a_name_that_is_bound_anew_is_judged_anew() {
        let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let answers = ["1.1.1.1:0", "127.0.0.1:0", "[::ffff:169.254.169.254]:0", "1.0.0.1:0"];
        let finder = move |_: &str| {
            let nth = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Ok(vec![answers[nth].parse().unwrap()])
        };
        let resolver = GuardedResolver::with(AddressGuard::default(), Arc::new(finder));
        for (nth, public) in [true, false, false, true].into_iter().enumerate() {
            let found = resolver.resolve("rebinds.example".parse().unwrap()).await;
            // The checked addresses are dialled, without a second lookup.
            let found: Option<Vec<SocketAddr>> = found.ok().map(Iterator::collect);
            assert_eq!(found, public.then(|| vec![answers[nth].parse().unwrap()]), "{nth}");
        }
    }

    #[test]
    fn refused_addresses_are_left_out() {
        let found = ["127.0.0.1:0".parse().unwrap(), "1.1.1.1:0".parse().unwrap()];
        let passed: Vec<_> = allowed(&AddressGuard::default(), &found).unwrap().collect();
        assert_eq!(passed, &found[1..]);
    }
}
