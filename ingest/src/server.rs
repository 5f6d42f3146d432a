//! The listeners: accepting, the cap on connections, protocols, the drain.

use crate::config::{EdgeConfig, ms};
use crate::connection::{
    Connection, Connections, Driven, Ended, Io, Protocol, Registered, Stream, Timeouts, Told, last_answer,
};
use crate::edge::Edge;
use crate::request_id;
use crate::router::Route;
use crate::service::{Door, Session, serve};
use crate::tls::Tls;
use http::StatusCode;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use socket2::{Domain, Protocol as SocketProtocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// Operators' connections.
const ADMIN_CONNECTIONS_MAX: usize = 64;

/// HTTP/2: an unanswered ping ends the connection after interval and timeout.
const PING: Duration = Duration::from_secs(20);

/// Told to a connection over the cap; whether it is read is the client's luck.
fn over_the_cap() -> String {
    let message = "too many connections are open";
    last_answer(
        StatusCode::SERVICE_UNAVAILABLE,
        "OVERLOADED",
        message,
        &request_id::new(),
        "retry-after: 1\r\n",
    )
}

/// An address that cannot be listened at.
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

/// A bound listener.
pub(crate) struct Listening {
    tcp: TcpListener,
    address: SocketAddr,
    door: Door,
    connections_max: usize,
    tls: Option<Arc<Tls>>,
}

impl Listening {
    /// The public listener and the operators'.
    pub(crate) fn both(config: &EdgeConfig, tls: Option<&Arc<Tls>>) -> Result<(Self, Self), BindError> {
        let admin_tls = tls.filter(|_| config.tls.on_admin).cloned();
        let one = |field, address, door, connections_max, tls| {
            let tcp = listen(address, config.http.backlog);
            let bound = tcp.and_then(|tcp| Ok((tcp.local_addr()?, tcp)));
            let (address, tcp) = bound.map_err(|source| BindError { field, address, source })?;
            Ok(Self { tcp, address, door, connections_max, tls })
        };
        let (public, admin) = (config.listen, config.admin_listen);
        let public = one("listen", public, Door::Public, config.http.connections_max, tls.cloned())?;
        let admin = one("admin_listen", admin, Door::Admin, ADMIN_CONNECTIONS_MAX, admin_tls)?;
        Ok((public, admin))
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(SocketProtocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}

/// Serves both listeners until told to stop, then drains: no new connections,
/// requests in flight finish by the deadline. Operators are served to the end.
pub(crate) async fn run(edge: &Arc<Edge>, public: Listening, admin: Listening, shutdown: CancellationToken) {
    let http = &edge.config.http;
    let timeouts = Timeouts {
        head: ms(http.header_timeout_ms),
        body: ms(http.body_timeout_ms),
        idle: ms(http.idle_timeout_ms),
    };
    let admin_stop = CancellationToken::new();
    let customers = Server::new(edge, &public, timeouts, shutdown.clone());
    let operators = Server::new(edge, &admin, timeouts, admin_stop.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(Arc::clone(&customers).sweep());
    tasks.spawn(Arc::clone(&operators).sweep());
    let operators_accept = tokio::spawn(Arc::clone(&operators).accept(admin.tcp));
    // It returns when told to stop; a connection it took is registered by then.
    Arc::clone(&customers).accept(public.tcp).await;
    edge.draining.store(true, Ordering::Relaxed);
    edge.drain.cancel();
    customers.drain(ms(http.drain_ms)).await;
    admin_stop.cancel();
    if let Err(error) = operators_accept.await {
        tracing::error!(%error, "the operators' listener failed");
    }
    operators.drain(Duration::from_millis(500)).await;
}

/// One listener's connections.
struct Server {
    edge: Arc<Edge>,
    door: Door,
    tls: Option<Arc<Tls>>,
    connections: Arc<Connections>,
    timeouts: Timeouts,
    stop: CancellationToken,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl Server {
    fn new(
        edge: &Arc<Edge>,
        listening: &Listening,
        timeouts: Timeouts,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let config = &edge.config.http;
        let mut http1 = http1::Builder::new();
        // The sweep keeps the time: hyper's own timeout costs a timer a request.
        http1.header_read_timeout(None).max_header_size(config.head_bytes_max);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .max_concurrent_streams(config.streams_max)
            .max_header_list_size(u32::try_from(config.head_bytes_max).unwrap_or(u32::MAX));
        Arc::new(Self {
            edge: Arc::clone(edge),
            door: listening.door,
            tls: listening.tls.clone(),
            connections: Arc::new(Connections::new(listening.connections_max)),
            timeouts,
            stop,
            http1,
            http2,
        })
    }

    async fn accept(self: Arc<Self>, tcp: TcpListener) {
        // Cancelling `accept` loses no connection: it is cancel safe.
        while let Some(accepted) = self.stop.run_until_cancelled(tcp.accept()).await {
            match accepted {
                Ok((stream, _)) => self.take(stream),
                // A connection that broke before it was taken, or no descriptors:
                // let some connections end first.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }

    fn take(self: &Arc<Self>, stream: TcpStream) {
        if !self.connections.has_room() {
            self.edge.metrics.connection_refused();
            // It may be gone already; it is refused either way.
            if self.tls.is_none() {
                stream.try_write(over_the_cap().as_bytes()).ok();
            }
            return;
        }
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection broke at once");
            return;
        }
        let connection = Arc::new(Connection::new());
        let registered = self.connections.enter(Arc::clone(&connection));
        let server = Arc::clone(self);
        tokio::spawn(async move { server.serve(stream, connection, registered).await });
    }

    /// Serves a connection to its end; `_registered` leaves the register then.
    async fn serve(&self, stream: TcpStream, connection: Arc<Connection>, _registered: Registered) {
        let opened = match &self.tls {
            None => self.open_plain(stream).await,
            // A handshake that is cut short by the stop has asked for nothing yet.
            Some(tls) => self.stop.run_until_cancelled(tls.accept(stream)).await.flatten().map(tls_stream),
        };
        let Some((stream, protocol)) = opened else { return };
        connection.speaks(protocol);
        self.edge.metrics.connected(protocol);
        let session = Arc::new(Session {
            edge: Arc::clone(&self.edge),
            connection: Arc::clone(&connection),
            door: self.door,
        });
        let io = TokioIo::new(Io::new(stream, Arc::clone(&connection)));
        let service = service_fn(move |request| serve(Arc::clone(&session), request));
        let served = Arc::clone(&connection);
        let ended = match protocol {
            Protocol::Http1 => Driven::new(self.http1.serve_connection(io, service), served).await,
            Protocol::Http2 => Driven::new(self.http2.serve_connection(io, service), served).await,
        };
        if let Some(Told { status, code, request_id, .. }) = connection.refusal.told() {
            self.edge.metrics.refused(code);
            self.edge.metrics.answered(Route::None, *status);
            let request_id = request_id.to_str().unwrap_or_default();
            tracing::debug!(request_id, status = status.as_u16(), code, "refused: not HTTP");
        }
        match ended {
            Ended::Itself(Ok(())) => {}
            // Clients that go away or talk nonsense: their own affair.
            Ended::Itself(Err(error)) => tracing::debug!(%error, "a connection broke"),
            Ended::Killed => tracing::debug!("a connection was ended"),
        }
    }

    /// A connection and its protocol, once it has said something.
    async fn open_plain(&self, stream: TcpStream) -> Option<(Stream, Protocol)> {
        // Cancelling the look at the first bytes takes nothing from the socket.
        let first = tokio::time::timeout(self.timeouts.idle, first_bytes(&stream, self.timeouts.head));
        let protocol = self.stop.run_until_cancelled(first).await?.ok()??;
        Some((Stream::Plain(stream), protocol))
    }

    async fn sweep(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(self.timeouts.tick());
        loop {
            ticks.tick().await;
            let late = self.connections.sweep(&self.timeouts, Instant::now());
            self.edge.metrics.connections_timed_out(late);
            if self.door == Door::Public {
                self.edge.metrics.gauges(
                    self.connections.len(),
                    self.edge.admission.bytes(),
                    self.edge.producer.lanes().bytes(),
                    self.edge.streams.len(),
                );
            }
        }
    }

    async fn drain(&self, deadline: Duration) {
        self.connections.drain();
        if tokio::time::timeout(deadline, self.connections.empty()).await.is_err() {
            let killed = self.connections.kill();
            tracing::warn!(connections = killed, "connections were cut at the end of the drain");
            // They end at their next poll.
            if tokio::time::timeout(Duration::from_secs(1), self.connections.empty()).await.is_err() {
                tracing::error!("connections are still open after the drain");
            }
        }
    }
}

fn tls_stream((stream, protocol): (Box<TlsStream<TcpStream>>, Protocol)) -> (Stream, Protocol) {
    (Stream::Tls(stream), protocol)
}

/// The protocol of a connection by its first bytes, left in the socket;
/// nothing where it ends before. `PRI ` can only begin HTTP/2 (RFC 9113, 3.4).
async fn first_bytes(stream: &TcpStream, patience: Duration) -> Option<Protocol> {
    const HTTP2: &[u8; 4] = b"PRI ";
    let mut begun_at: Option<Instant> = None;
    loop {
        let mut bytes = [0; 4];
        let len = stream.peek(&mut bytes).await.ok()?;
        match bytes.get(..len)? {
            [] => return None,
            first if first == HTTP2 => return Some(Protocol::Http2),
            first if !HTTP2.starts_with(first) => return Some(Protocol::Http1),
            // `P` or `PR`, which a peek answers again at once: look a little later.
            _ if begun_at.get_or_insert_with(Instant::now).elapsed() > patience => return None,
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}
