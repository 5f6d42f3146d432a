//! The last deliveries, kept whole for people and tests to inspect, bounded in number
//! and in bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

/// How many deliveries are kept, and of what size.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeepLimits {
    /// Most deliveries; 0 keeps none.
    pub deliveries: usize,
    /// Most bytes of headers and bodies of all of them.
    pub bytes: usize,
    /// Most bytes of one body; of a longer one the beginning is kept.
    pub body_bytes: usize,
}

impl Default for KeepLimits {
    fn default() -> Self {
        Self { deliveries: 0, bytes: 256 << 20, body_bytes: 64 << 20 }
    }
}

/// The verdict on the signature of a delivery.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SignatureVerdict {
    /// No secret is known, so the signature was not checked.
    NotChecked,
    /// One of the known secrets has signed it.
    Good,
    /// The signature is not valid; the text says why.
    Bad(String),
}

/// A delivery as it came.
#[derive(Clone, Debug)]
pub struct KeptDelivery {
    /// Its number among the deliveries of its receiver, from 1.
    pub number: u64,
    /// When its body was read, Unix time in ns.
    pub received_ns: u64,
    /// Path and query.
    pub path: String,
    /// Names in lower case, in the order received.
    pub headers: Vec<(String, String)>,
    /// The body, or its beginning.
    pub body: Vec<u8>,
    /// Bytes of the whole body.
    pub body_bytes: usize,
    /// The verdict on its signature.
    pub signature: SignatureVerdict,
    /// The status answered; `None` if it hung or the connection was closed.
    pub answered: Option<u16>,
    /// The body of the answer.
    pub answer: Vec<u8>,
}

impl KeptDelivery {
    /// The first header of this name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.path.len() + headers + self.body.len() + self.answer.len()
    }
}

/// The last deliveries, the oldest first.
#[derive(Debug)]
pub struct KeptDeliveries {
    limits: KeepLimits,
    inner: Mutex<KeptState>,
}

#[derive(Debug, Default)]
struct KeptState {
    all: VecDeque<Arc<KeptDelivery>>,
    bytes: usize,
    last_number: u64,
}

impl KeptDeliveries {
    /// An empty store with these limits.
    pub fn new(limits: KeepLimits) -> Self {
        Self { limits, inner: Mutex::default() }
    }

    /// How many are kept, and of what size.
    pub fn limits(&self) -> KeepLimits {
        self.limits
    }

    /// Numbers a delivery, cuts its body and keeps it in place of the oldest ones.
    pub fn push(&self, mut delivery: KeptDelivery) {
        let mut kept = self.inner.lock();
        kept.last_number += 1;
        delivery.number = kept.last_number;
        delivery.body.truncate(self.limits.body_bytes);
        kept.bytes += delivery.bytes();
        kept.all.push_back(Arc::new(delivery));
        while kept.all.len() > self.limits.deliveries || kept.bytes > self.limits.bytes {
            let Some(oldest) = kept.all.pop_front() else { return };
            kept.bytes -= oldest.bytes();
        }
    }

    /// All that are kept, the oldest first.
    pub fn all(&self) -> Vec<Arc<KeptDelivery>> {
        self.inner.lock().all.iter().cloned().collect()
    }

    /// How many deliveries are kept, and how many were dropped.
    pub fn count(&self) -> (usize, u64) {
        let kept = self.inner.lock();
        (kept.all.len(), kept.last_number - kept.all.len() as u64)
    }

    /// The delivery with this number, if it is still kept.
    pub fn find(&self, number: u64) -> Option<Arc<KeptDelivery>> {
        let kept = self.inner.lock();
        let first = kept.all.front()?.number;
        let place = usize::try_from(number.checked_sub(first)?).ok()?;
        kept.all.get(place).cloned()
    }

    /// Forgets all that are kept; numbers go on.
    pub fn clear(&self) {
        let mut kept = self.inner.lock();
        kept.all.clear();
        kept.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(bytes: usize) -> KeptDelivery {
        KeptDelivery {
            number: 0,
            received_ns: 0,
            path: String::new(),
            headers: Vec::new(),
            body: vec![b'x'; bytes],
            body_bytes: bytes,
            signature: SignatureVerdict::NotChecked,
            answered: Some(200),
            answer: Vec::new(),
        }
    }

    #[test]
    fn the_newest_are_kept_within_their_number_and_their_bytes() {
        let kept = KeptDeliveries::new(KeepLimits { deliveries: 3, bytes: 100, body_bytes: 60 });
        for bytes in [10, 20, 30, 40] {
            kept.push(delivery(bytes));
        }
        let numbers =
            |kept: &KeptDeliveries| -> Vec<u64> { kept.all().iter().map(|one| one.number).collect() };
        assert_eq!(numbers(&kept), [2, 3, 4]);
        kept.push(delivery(500));
        assert_eq!(numbers(&kept), [4, 5], "40 and the 60 that are kept of 500");
        let cut = kept.find(5).expect("kept");
        assert_eq!((cut.body.len(), cut.body_bytes), (60, 500));
        assert!(kept.find(3).is_none() && kept.find(6).is_none());
        assert_eq!(kept.count(), (2, 3));
        kept.clear();
        kept.push(delivery(1));
        assert_eq!((numbers(&kept), kept.inner.lock().bytes), (vec![6], 1));
    }

    #[test]
    fn a_receiver_that_keeps_none_keeps_none() {
        let kept = KeptDeliveries::new(KeepLimits::default());
        kept.push(delivery(5));
        assert!(kept.all().is_empty() && kept.inner.lock().bytes == 0);
    }
}
