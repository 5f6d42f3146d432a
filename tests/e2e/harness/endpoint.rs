//! A webhook endpoint that answers as a test says and remembers every request.

use parking_lot::Mutex;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Method, target and version.
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) at: Instant,
}

impl Seen {
    /// A header's value, by its name in lower case.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        match self.headers.iter().find(|(known, _)| known == name) {
            Some((_, value)) => value,
            None => panic!("no header {name}: {:?}", self.headers),
        }
    }

    /// The events of the webhook.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<Value> {
        serde_json::from_slice(&self.body).expect("a webhook's body is a JSON array")
    }

    pub(crate) fn event_ids(&self) -> Vec<String> {
        self.events().iter().map(|event| super::customer::text(event, "event_id")).collect()
    }
}

/// The answer to a request: a status, headers, a body.
#[derive(Debug, Clone)]
pub(crate) struct EndpointReply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl EndpointReply {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<String>) -> Self {
        self.body = body.into();
        self
    }
}

type Rule = Box<dyn FnMut(&Seen) -> EndpointReply + Send>;

#[derive(Default)]
struct Shared {
    rule: Mutex<Option<Rule>>,
    seen: Mutex<Vec<Seen>>,
    connections: Mutex<usize>,
    stopped: AtomicBool,
}

/// A running endpoint; it stops when this is dropped.
pub(crate) struct TestEndpoint {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl TestEndpoint {
    /// Answers each request as `rule` says.
    pub(crate) fn start(rule: impl FnMut(&Seen) -> EndpointReply + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listen");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared { rule: Mutex::new(Some(Box::new(rule))), ..Shared::default() });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.stopped.load(Ordering::Relaxed) {
                    return;
                }
                *serving.connections.lock() += 1;
                let shared = serving.clone();
                // The server notices a broken connection itself.
                std::thread::spawn(move || serve(stream, &shared).ok());
            }
        });
        Self { address, shared }
    }

    /// Takes everything.
    pub(crate) fn healthy() -> Self {
        Self::start(|_| EndpointReply::status(200))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers by another rule from now on.
    pub(crate) fn answer(&self, rule: impl FnMut(&Seen) -> EndpointReply + Send + 'static) {
        *self.shared.rule.lock() = Some(Box::new(rule));
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().clone()
    }

    /// How often somebody connected.
    pub(crate) fn connections(&self) -> usize {
        *self.shared.connections.lock()
    }

    /// Waits for this many requests in all.
    #[track_caller]
    pub(crate) fn wait_for(&self, requests: usize) -> Vec<Seen> {
        super::wait_for(&format!("{requests} requests"), || {
            Some(self.seen()).filter(|seen| seen.len() >= requests)
        })
    }
}

impl Drop for TestEndpoint {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener, to see that it is to stop.
        TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).ok();
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    while let Some(seen) = read_request(&mut reader)? {
        let reply = {
            let mut rule = shared.rule.lock();
            shared.seen.lock().push(seen.clone());
            rule.as_mut().map_or_else(|| EndpointReply::status(200), |rule| rule(&seen))
        };
        let mut answer = format!("HTTP/1.1 {} Said\r\n", reply.status);
        for (name, value) in &reply.headers {
            answer.push_str(&format!("{name}: {value}\r\n"));
        }
        answer.push_str(&format!("content-length: {}\r\n\r\n{}", reply.body.len(), reply.body));
        writer.write_all(answer.as_bytes())?;
    }
    Ok(())
}

fn read_request(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Seen>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Seen { line: line.trim_end().to_owned(), headers, body, at: Instant::now() }))
}
