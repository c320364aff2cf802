//! A minimal HTTP client for servers on this machine.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// The response of a server.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Sends a request to a server on this machine. Returns `None` if the server does not respond.
pub fn request(
    port: u16,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Response> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(120))).ok()?;
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(head.as_bytes()).ok()?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).ok()?;
    let end_of_head = response.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = response.split_at(end_of_head);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = body.get(4..)?;
    let is_chunked = head.lines().any(|line| line == "transfer-encoding: chunked");
    let body = if is_chunked { joined_chunks(body)? } else { body.to_vec() };
    Some(Response { status, body: String::from_utf8_lossy(&body).into_owned() })
}

/// Sends a request with a JSON body, or without a body if it is [`Value::Null`], and returns the status and the JSON of the response. Returns
/// [`Value::Null`] if the response has no body.
///
/// # Panics
/// The server does not respond, or its response is not JSON.
pub fn send_json(port: u16, method: &str, target: &str, body: &Value) -> (u16, Value) {
    let headers = [("Content-Type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let response = request(port, method, target, &headers, &body)
        .unwrap_or_else(|| panic!("the server does not respond to {method} {target}"));
    if response.body.is_empty() {
        return (response.status, Value::Null);
    }
    let json = serde_json::from_str(&response.body);
    (response.status, json.unwrap_or_else(|error| panic!("{method} {target}: {error}: {response:?}")))
}

/// Joins the chunks of a body with `Transfer-Encoding: chunked` (RFC 9112, section 7.1).
fn joined_chunks(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut joined = Vec::new();
    loop {
        let end_of_line = body.windows(2).position(|window| window == b"\r\n")?;
        let line = str::from_utf8(body.get(..end_of_line)?).ok()?;
        let length = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        if length == 0 {
            return Some(joined);
        }
        let begin = end_of_line + 2;
        joined.extend_from_slice(body.get(begin..begin + length)?);
        body = body.get(begin + length + 2..)?;
    }
}
