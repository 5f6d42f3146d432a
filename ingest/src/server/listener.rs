//! Binding a listener.

use crate::config::IngestConfig;
use crate::request_id::{self, REQUEST_ID};
use crate::tls::Tls;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// The most connections of operators.
const ADMIN_CONNECTIONS_MAX: usize = 64;

/// An address at which this process cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("{field} {address}: {source}")]
pub struct BindError {
    /// The field of the configuration.
    pub field: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// The cause.
    pub source: io::Error,
}

/// A listener that is bound and accepts nothing yet.
pub(crate) struct BoundListener {
    pub(super) tcp: TcpListener,
    pub(super) connections_max: usize,
    pub(super) tls: Option<Arc<Tls>>,
    address: SocketAddr,
}

impl BoundListener {
    /// Binds the customers' listener.
    pub(crate) fn public(config: &IngestConfig, tls: Option<&Arc<Tls>>) -> Result<Self, BindError> {
        Self::bind("listen", config.listen, config, config.http.connections_max, tls.cloned())
    }

    /// Binds the operators' listener.
    pub(crate) fn admin(config: &IngestConfig, tls: Option<&Arc<Tls>>) -> Result<Self, BindError> {
        let tls = tls.filter(|_| config.tls.on_admin).cloned();
        Self::bind("admin_listen", config.admin_listen, config, ADMIN_CONNECTIONS_MAX, tls)
    }

    fn bind(
        field: &'static str,
        address: SocketAddr,
        config: &IngestConfig,
        connections_max: usize,
        tls: Option<Arc<Tls>>,
    ) -> Result<Self, BindError> {
        let bound = listen(address, config.http.backlog).and_then(|tcp| Ok((tcp.local_addr()?, tcp)));
        let (address, tcp) = bound.map_err(|source| BindError { field, address, source })?;
        Ok(Self { tcp, connections_max, tls, address })
    }

    /// Where it listens: the port is the real one even if 0 was asked for.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}

/// The answer to a connection over the cap, written before its request is read.
pub(super) fn over_the_cap() -> String {
    let id = request_id::generate();
    let id = request_id::text(&id);
    let body = format!(
        r#"{{"error":{{"code":"OVERLOADED","message":"too many connections are open","request_id":"{id}"}}}}"#
    );
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n\
         {REQUEST_ID}: {id}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
