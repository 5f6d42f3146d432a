//! Free ports that stay free while a server is down between two runs.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the range from which the system takes the ports of outgoing
/// connections (32768 on): none of those can take a stopped server's port.
const FIRST: u32 = 12_000;
const COUNT: u32 = 20_000;

/// A loopback address that nobody listens on.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Processes that run at the same time start far from each other.
    let offset = std::process::id().wrapping_mul(641);
    for _ in 0..COUNT {
        let nth = offset.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + nth % COUNT).expect("below 2^16");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no free port from {FIRST} on");
}
