//! One listener's connections: accepts them up to a cap, serves them, ends those that
//! stand still, and drains.

mod listener;
mod protocol;

pub use listener::BindError;
pub(crate) use listener::BoundListener;

use crate::audience::Audience;
use crate::config::{HttpConfig, ms};
use crate::connection::{
    ClientConnection, ConnectionEnd, Connections, CountedSocket, Driven, HttpProtocol, Registered, Socket,
    Timeouts,
};
use crate::routes;
use crate::service::{ListenerService, Session, serve};
use crate::tls::Tls;
use http::StatusCode;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// How often an HTTP/2 connection is pinged, and how long a ping may stay unanswered.
const PING: Duration = Duration::from_secs(20);

/// How long to wait after an accept that failed, perhaps for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// How long operators' requests may take to finish at the end of the process.
const OPERATORS_DRAIN: Duration = Duration::from_millis(500);

/// How long connections that were told to end may take to close.
const KILLED_WITHIN: Duration = Duration::from_secs(1);

/// A listener, and the service that answers its requests.
pub(crate) struct ServedListener {
    pub listener: BoundListener,
    pub service: Arc<ListenerService>,
}

/// Serves both listeners until told to stop, then drains: it accepts no new
/// connection of a customer, and requests in flight finish by the deadline.
/// Operators are served to the end. `draining` is cancelled when the drain begins.
pub(crate) async fn run(
    public: ServedListener,
    admin: ServedListener,
    http: &HttpConfig,
    shutdown: CancellationToken,
    draining: &CancellationToken,
) {
    let admin_stop = CancellationToken::new();
    let (customers, public_tcp) = Server::new(public, http, shutdown);
    let (operators, admin_tcp) = Server::new(admin, http, admin_stop.clone());
    let mut sweeps = JoinSet::new();
    sweeps.spawn(Arc::clone(&customers).sweep());
    sweeps.spawn(Arc::clone(&operators).sweep());
    let operators_accept = tokio::spawn(Arc::clone(&operators).accept(admin_tcp));
    // Returns when told to stop; every accepted connection is registered by then.
    Arc::clone(&customers).accept(public_tcp).await;
    draining.cancel();
    customers.drain(ms(http.drain_ms)).await;
    admin_stop.cancel();
    if let Err(error) = operators_accept.await {
        tracing::error!(%error, "the operators' listener failed");
    }
    operators.drain(OPERATORS_DRAIN).await;
}

/// One listener's connections.
struct Server {
    service: Arc<ListenerService>,
    tls: Option<Arc<Tls>>,
    connections: Arc<Connections>,
    timeouts: Timeouts,
    stop: CancellationToken,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl Server {
    fn new(served: ServedListener, http: &HttpConfig, stop: CancellationToken) -> (Arc<Self>, TcpListener) {
        let ServedListener { listener, service } = served;
        let mut http1 = http1::Builder::new();
        // The sweep enforces the timeout: hyper's own costs a timer a request.
        http1.header_read_timeout(None).max_header_size(http.head_bytes_max);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .max_concurrent_streams(http.streams_max)
            .max_header_list_size(u32::try_from(http.head_bytes_max).unwrap_or(u32::MAX));
        let timeouts = Timeouts {
            head: ms(http.header_timeout_ms),
            body: ms(http.body_timeout_ms),
            idle: ms(http.idle_timeout_ms),
        };
        let connections = Arc::new(Connections::new(listener.connections_max));
        let server = Self { service, tls: listener.tls, connections, timeouts, stop, http1, http2 };
        (Arc::new(server), listener.tcp)
    }

    async fn accept(self: Arc<Self>, tcp: TcpListener) {
        // Cancel safe: a cancelled `accept` loses no connection.
        while let Some(accepted) = self.stop.run_until_cancelled(tcp.accept()).await {
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer.ip()),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn take(self: &Arc<Self>, stream: TcpStream, peer: IpAddr) {
        if !self.connections.has_room() {
            self.service.shared.metrics.connection_refused();
            if self.tls.is_none() {
                // It does not matter if the client has gone.
                stream.try_write(listener::over_the_cap().as_bytes()).ok();
            }
            return;
        }
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection broke at once");
            return;
        }
        let connection = Arc::new(ClientConnection::new(Some(peer.to_canonical())));
        let registered = self.connections.enter(Arc::clone(&connection));
        let server = Arc::clone(self);
        tokio::spawn(async move { server.serve(stream, connection, registered).await });
    }

    /// Serves a connection to its end, when `_registered` leaves the register.
    async fn serve(&self, stream: TcpStream, connection: Arc<ClientConnection>, _registered: Registered) {
        let opened = match &self.tls {
            None => self.open_plain(stream).await,
            // A handshake that the stop cuts short has not asked for anything yet.
            Some(tls) => self.stop.run_until_cancelled(tls.accept(stream)).await.flatten().map(tls_socket),
        };
        let Some((socket, protocol)) = opened else { return };
        connection.speaks(protocol);
        self.service.shared.metrics.connected(protocol);
        let session =
            Arc::new(Session { service: Arc::clone(&self.service), connection: Arc::clone(&connection) });
        let io = TokioIo::new(CountedSocket::new(socket, Arc::clone(&connection)));
        let service = service_fn(move |request| serve(Arc::clone(&session), request));
        let ended = match protocol {
            HttpProtocol::Http1 => Driven::new(self.http1.serve_connection(io, service), connection).await,
            HttpProtocol::Http2 => Driven::new(self.http2.serve_connection(io, service), connection).await,
        };
        match ended {
            ConnectionEnd::Itself(Ok(())) => {}
            ConnectionEnd::Itself(Err(error)) => self.broke(&error),
            ConnectionEnd::Killed => tracing::debug!("a connection was ended"),
        }
    }

    /// Counts bytes that are not HTTP, which hyper refuses by itself. Any other
    /// break is the client's own affair.
    fn broke(&self, error: &hyper::Error) {
        if error.is_parse() {
            self.service.shared.metrics.refused("MALFORMED_REQUEST");
            self.service.shared.metrics.answered(routes::NONE, StatusCode::BAD_REQUEST);
        }
        tracing::debug!(%error, "a connection broke");
    }

    /// A connection without TLS and its protocol, once its first bytes have arrived.
    async fn open_plain(&self, stream: TcpStream) -> Option<(Socket, HttpProtocol)> {
        // Cancel safe: peeking takes nothing from the socket.
        let first =
            tokio::time::timeout(self.timeouts.idle, protocol::first_bytes(&stream, self.timeouts.head));
        let protocol = self.stop.run_until_cancelled(first).await?.ok()??;
        Some((Socket::Plain(stream), protocol))
    }

    async fn sweep(self: Arc<Self>) {
        let metrics = &self.service.shared.metrics;
        let mut ticks = tokio::time::interval(self.timeouts.tick());
        loop {
            ticks.tick().await;
            metrics.connections_timed_out(self.connections.sweep(&self.timeouts, Instant::now()));
            if self.service.audience == Audience::Customers {
                metrics.open_connections(self.connections.len());
            }
        }
    }

    async fn drain(&self, deadline: Duration) {
        self.connections.drain();
        if tokio::time::timeout(deadline, self.connections.empty()).await.is_err() {
            let killed = self.connections.kill();
            tracing::warn!(connections = killed, "connections were cut at the end of the drain");
            // They end at their next poll.
            if tokio::time::timeout(KILLED_WITHIN, self.connections.empty()).await.is_err() {
                tracing::error!("connections are still open after the drain");
            }
        }
    }
}

fn tls_socket((stream, protocol): (Box<TlsStream<TcpStream>>, HttpProtocol)) -> (Socket, HttpProtocol) {
    (Socket::Tls(stream), protocol)
}
