//! A proxy between a store and its client. The proxy records requests and injects faults: it closes
//! connections, responds instead of the store, or delays responses.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The store does not receive the request; the proxy responds with this status.
    Status(u16),
    /// The connection is cut after half of the request.
    CutInRequest,
    /// The store performs the request, and its response is lost.
    ResponseLost,
    /// The connection is cut after this number of bytes of the body of the response.
    CutInResponse(usize),
    /// The response is delayed by this number of milliseconds.
    Slow(u64),
    /// The response is delayed until [`Proxy::fail`] is called again.
    Held,
}

/// An injected fault.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The HTTP method.
    pub method: &'static str,
    /// The text that path and query must contain, or, if the text ends with `$`, with which they must end.
    pub target: &'static str,
    /// How the request fails.
    pub trouble: Trouble,
    /// The number of matching requests that succeed before the first failure.
    pub after: usize,
    /// The number of times that the request fails.
    pub times: usize,
}

impl Fault {
    /// Creates a fault that makes every request of this method and target fail.
    pub fn always(method: &'static str, target: &'static str, trouble: Trouble) -> Self {
        Self { method, target, trouble, after: 0, times: usize::MAX }
    }

    /// Creates a fault that makes only the first request of this method and target fail.
    pub fn once(method: &'static str, target: &'static str, trouble: Trouble) -> Self {
        Self { times: 1, ..Self::always(method, target, trouble) }
    }

    /// Lets this number of matching requests succeed before the first failure.
    #[must_use]
    pub fn after(self, after: usize) -> Self {
        Self { after, ..self }
    }
}

/// A request that the proxy received.
#[derive(Clone, Debug)]
pub struct ProxiedRequest {
    /// The HTTP method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The index of the request in the order of arrival.
    pub number: usize,
}

/// A proxy for a store.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store_port: u16,
    /// Changes a line of a request's head; `None` removes the line.
    rewrite: fn(&str) -> Option<&str>,
    state: Mutex<State>,
    is_stopped: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// The number of times that the faults were set.
    fault_changes: u32,
    faults: Vec<Fault>,
    requests: Vec<ProxiedRequest>,
}

impl Proxy {
    /// Starts a proxy for the store that listens on a port of this machine.
    pub fn before(store_port: u16) -> Self {
        Self::rewriting(store_port, unchanged)
    }

    /// Starts a proxy that also changes the lines of each request's head.
    pub fn rewriting(store_port: u16, rewrite: fn(&str) -> Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let state = Mutex::default();
        let shared = Arc::new(Shared { store_port, rewrite, state, is_stopped: AtomicBool::new(false) });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.is_stopped.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                // Errors of the connection are ignored here, because the client and the store detect them.
                std::thread::spawn(move || shared.serve(client));
            }
        });
        Self { port, shared }
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Replaces the injected faults with these, and clears the list of received requests.
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        let faults = faults.into_iter().collect();
        let mut state = self.shared.lock();
        *state = State { fault_changes: state.fault_changes + 1, faults, requests: Vec::new() };
    }

    /// Returns the received requests of a method whose path and query contain `target`. If `target` ends with
    /// `$`, path and query must end with the text before `$`.
    pub fn requests(&self, method: &str, target: &str) -> Vec<ProxiedRequest> {
        let state = self.shared.lock();
        let matching = state
            .requests
            .iter()
            .filter(|request| request.method == method && matches(&request.target, target));
        matching.cloned().collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a request, and returns how often the faults have been set and how the request fails, if a
    /// fault matches.
    fn trouble(&self, method: &str, target: &str) -> (u32, Option<Trouble>) {
        let mut state = self.lock();
        let fault_changes = state.fault_changes;
        let number = state.requests.len();
        let request = ProxiedRequest { method: method.to_owned(), target: target.to_owned(), number };
        state.requests.push(request);
        let mut matching =
            state.faults.iter_mut().filter(|fault| fault.method == method && matches(target, fault.target));
        let Some(fault) = matching.find(|fault| fault.times > 0) else { return (fault_changes, None) };
        if fault.after > 0 {
            fault.after -= 1;
            return (fault_changes, None);
        }
        fault.times -= 1;
        (fault_changes, Some(fault.trouble))
    }

    /// Waits until the faults are set again, or the proxy stops.
    fn wait_until_changed(&self, fault_changes: u32) {
        while self.lock().fault_changes == fault_changes && !self.is_stopped.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Handles the one request of a connection. Returns `None` if a connection ends early.
    fn serve(&self, mut client: TcpStream) -> Option<()> {
        let (head, mut body) = read_head(&mut client)?;
        let mut words = head.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let (fault_changes, trouble) = self.trouble(&method, &target);
        let length = header(&head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0usize);
        if trouble == Some(Trouble::CutInRequest) {
            read_until(&mut client, &mut body, length / 2)?;
            return client.shutdown(Shutdown::Both).ok();
        }
        read_until(&mut client, &mut body, length)?;
        if let Some(Trouble::Status(status)) = trouble {
            let response =
                format!("HTTP/1.1 {status} Injected\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            return client.write_all(response.as_bytes()).ok();
        }
        let mut store = TcpStream::connect(("127.0.0.1", self.store_port)).ok()?;
        store.write_all(with_closed_connection(&head, self.rewrite).as_bytes()).ok()?;
        store.write_all(&body).ok()?;
        let (head, mut response) = read_head(&mut store)?;
        store.read_to_end(&mut response).ok()?;
        match trouble {
            Some(Trouble::ResponseLost) => return client.shutdown(Shutdown::Both).ok(),
            Some(Trouble::CutInResponse(bytes)) => response.truncate(bytes),
            Some(Trouble::Slow(millis)) => std::thread::sleep(Duration::from_millis(millis)),
            Some(Trouble::Held) => self.wait_until_changed(fault_changes),
            _ => {}
        }
        client.write_all(with_closed_connection(&head, unchanged).as_bytes()).ok()?;
        client.write_all(&response).ok()
    }
}

/// Returns whether path and query of a request match a pattern: text that they contain, or text before `$`
/// with which they end.
fn matches(target: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('$') {
        Some(end) => target.ends_with(end),
        None => target.contains(pattern),
    }
}

/// Reads the head up to the empty line, and returns the head and the bytes of the body that were read with
/// it.
fn read_head(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 << 10];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            return Some((String::from_utf8_lossy(&bytes).into_owned(), body));
        }
        match stream.read(&mut chunk).ok()? {
            0 => return None,
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

/// Reads until the body has this length. Returns `None` if the connection ends before.
fn read_until(stream: &mut TcpStream, body: &mut Vec<u8>, length: usize) -> Option<()> {
    let mut chunk = [0; 64 << 10];
    while body.len() < length {
        match stream.read(&mut chunk).ok()? {
            0 => return None,
            read => body.extend_from_slice(&chunk[..read]),
        }
    }
    Some(())
}

/// Returns the value of a header.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    headers.find(|(header_name, _)| header_name.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Rewrites the head of a message so that the connection is closed after the message.
fn with_closed_connection(head: &str, rewrite: fn(&str) -> Option<&str>) -> String {
    let (first, rest) = head.split_once("\r\n").unwrap_or((head, ""));
    let kept = rest.split("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    format!("{first}\r\nConnection: close\r\n{}", kept.filter_map(rewrite).collect::<Vec<_>>().join("\r\n"))
}

fn unchanged(line: &str) -> Option<&str> {
    Some(line)
}
