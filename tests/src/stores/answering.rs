//! A server whose responses are defined by a test, for responses that the other stores never send.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

/// A received request.
#[derive(Clone, Debug)]
pub struct ReceivedRequest {
    /// The method, for example `GET`.
    pub method: String,
    /// Path and query, for example `/backups/manifests?list-type=2`.
    pub target: String,
    /// The headers, with names in lower case.
    pub headers: Vec<(String, String)>,
}

impl ReceivedRequest {
    /// Returns whether the request has a header.
    pub fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(header_name, _)| header_name == name)
    }
}

/// Starts a server and returns its port. The server responds until the process ends.
///
/// # Panics
/// No port is available.
pub fn start_responder(respond: impl Fn(&ReceivedRequest) -> (u16, String) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("the listener is bound to a port").port();
    let respond = std::sync::Arc::new(respond);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let respond = std::sync::Arc::clone(&respond);
            std::thread::spawn(move || serve(stream, respond.as_ref()));
        }
    });
    port
}

/// Responds to one request. Returns `None` if the connection ends before the whole request was received.
fn serve(stream: TcpStream, respond: &(impl Fn(&ReceivedRequest) -> (u16, String) + ?Sized)) -> Option<()> {
    let mut input = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    input.read_line(&mut line).ok()?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    input.read_exact(&mut body).ok()?;
    let is_head = method == "HEAD";
    let (status, body) = respond(&ReceivedRequest { method, target, headers });
    let sent = if is_head { "" } else { &body };
    let head = format!(
        "HTTP/1.1 {status} Answer\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\
         Last-Modified: Sat, 01 Aug 2026 00:00:00 GMT\r\nETag: \"1\"\r\nConnection: close\r\n\r\n{sent}",
        sent.len()
    );
    let mut output = stream;
    output.write_all(head.as_bytes()).ok()
}
