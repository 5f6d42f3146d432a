//! Addresses that stay this process's own while nobody listens on them, for servers
//! that are stopped and started again. All others listen on port 0.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST_PORT: u16 = 12_000;

/// A loopback address that no other process gets: its host is this process's own (all
/// of 127/8 is this machine), and each call returns another port. Outgoing connections
/// are from 127.0.0.1, so none of them can occupy it.
pub(crate) fn reserved_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(FIRST_PORT);
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let host = Ipv4Addr::new(127, 64 | (high & 0x3f), middle, low);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(port >= FIRST_PORT, "no port is left of {host}");
        let address = SocketAddr::from((host, port));
        // Another program may listen on this port at all addresses.
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
