//! The listeners of a process that is still opening its engine. `/healthz` says
//! that the process lives, `/readyz` says what it waits for, and every other path is
//! 503, so an orchestrator neither kills the process nor sends it traffic.

use crate::probe_listener::{ListenerAnswer, ListenerAnswers, ProbeListener};
use http::StatusCode;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Answers requests while the process is not ready.
pub(crate) struct WaitingRoom {
    waits_for: Arc<Mutex<String>>,
    stop: CancellationToken,
    listeners: JoinSet<()>,
}

impl WaitingRoom {
    /// Listens at the addresses of a role, each with its name in the
    /// configuration. An address with port 0 is left out: nobody knows it yet.
    pub(crate) async fn open(addresses: &[(&str, SocketAddr)]) -> anyhow::Result<Self> {
        let mut bound = Vec::new();
        for (name, address) in addresses.iter().filter(|(_, address)| address.port() != 0) {
            bound.push(ProbeListener::bind(name, *address).await?);
        }
        let waits_for = Arc::new(Mutex::new("the process is starting".to_owned()));
        let (stop, mut listeners) = (CancellationToken::new(), JoinSet::new());
        for listener in bound {
            listeners.spawn(listener.run(answers(Arc::clone(&waits_for)), stop.clone()));
        }
        Ok(Self { waits_for, stop, listeners })
    }

    /// Notes the reason why the process is not ready.
    pub(crate) fn waits_for(&self, reason: String) {
        *self.waits_for.lock() = reason;
    }

    /// Frees the addresses for the role.
    pub(crate) async fn close(self) {
        let Self { stop, mut listeners, .. } = self;
        stop.cancel();
        while let Some(ended) = listeners.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a listener of the start failed");
            }
        }
    }
}

fn answers(waits_for: Arc<Mutex<String>>) -> ListenerAnswers {
    Arc::new(move |path| {
        let reason = waits_for.lock().clone();
        match path {
            "/healthz" => ListenerAnswer::json(StatusCode::OK, r#"{"status":"alive"}"#.to_owned()),
            "/readyz" | "/health" => {
                let body = serde_json::json!({ "ready": false, "status": "starting", "reason": reason });
                ListenerAnswer::json(StatusCode::SERVICE_UNAVAILABLE, body.to_string())
            }
            _ => {
                let message = format!("the process is starting: {reason}");
                let body = serde_json::json!({ "error": { "code": "STARTING", "message": message } });
                ListenerAnswer::json(StatusCode::SERVICE_UNAVAILABLE, body.to_string())
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_process_that_starts_is_alive_not_ready_and_says_why() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let room =
            WaitingRoom::open(&[("ingest.listen", free), ("ingest.admin_listen", unknown)]).await.unwrap();
        room.waits_for("Postgres gives no answer".to_owned());
        assert!(get(free, "/healthz").await.starts_with("HTTP/1.1 200"));
        let ready = get(free, "/readyz").await;
        assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("Postgres gives no answer"), "{ready}");
        let event = get(free, "/v1/events").await;
        assert!(
            event.contains("503") && event.contains("retry-after: 1") && event.contains("STARTING"),
            "{event}"
        );
        room.close().await;
        TcpListener::bind(free).await.expect("the address is free again");
    }
}
