//! A connection to a server that can be cut or made silent.

use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Bytes go through.
    Open,
    /// Connections break, and new ones break at once.
    Cut,
    /// Connections stay, but no bytes go through.
    Silent,
}

/// Forwards connections to a server.
pub(super) struct Cable {
    pub(super) address: SocketAddr,
    mode: watch::Sender<Mode>,
}

impl Cable {
    pub(super) async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, modes) = watch::channel(Mode::Open);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, server.clone(), modes.clone()));
            }
        });
        Self { address, mode }
    }

    pub(super) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn forward(mut client: TcpStream, server: String, mut modes: watch::Receiver<Mode>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    loop {
        let mode = *modes.borrow_and_update();
        // Silence may cut an answer in the middle; nothing uses the connection again.
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut client, &mut server), if mode == Mode::Open => return,
            changed = modes.changed(), if mode != Mode::Cut => {
                if changed.is_err() {
                    return;
                }
            }
            else => return,
        }
    }
}
