//! A running server, and a client that sends exactly the bytes of a test.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};

use crate::shop::Shop;

/// A running server.
pub(super) struct Serving {
    child: Child,
    /// The lines of error output after the first one.
    errors: Receiver<String>,
    /// The line that says where the server listens.
    pub(super) line: String,
    pub(super) address: String,
    /// The path below which the routes are.
    path: String,
}

/// An answer of the server.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Serving {
    /// Starts `serve` on a free port, with further arguments.
    pub(super) fn start(shop: &Shop, arguments: &[&str]) -> Self {
        let free_port: &[&str] = match arguments.contains(&"--listen") {
            true => &["serve"],
            false => &["serve", "--listen", "127.0.0.1:0"],
        };
        let arguments = [free_port, arguments].concat();
        Self::run(shop.command(&arguments))
    }

    /// Starts a command, and waits until it listens.
    pub(super) fn run(mut command: Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the shop starts");
        let lines = BufReader::new(child.stderr.take().expect("error output")).lines();
        let (sender, errors) = channel();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).try_for_each(|line| sender.send(line)).ok();
        });
        let mut before = Vec::new();
        let line = loop {
            let Ok(line) = errors.recv() else { panic!("the server does not listen: {before:?}") };
            if line.starts_with("listening on ") {
                break line;
            }
            before.push(line);
        };
        let url = line.split("http://").nth(1).expect("an address").split(';').next().expect("an address");
        let (address, path) = url.split_once('/').map_or((url, ""), |(address, path)| (address, path));
        let path = if path.is_empty() { String::new() } else { format!("/{path}") };
        let address = address.to_owned();
        Self { child, errors, line, address, path }
    }

    /// Opens a connection.
    pub(super) fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).expect("the server accepts connections")
    }

    /// Sends a request with these header lines, and receives until the server closes the connection.
    pub(super) fn send(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        self.send_on(self.connect(), method, path, headers, body)
    }

    /// Sends a request on a connection.
    pub(super) fn send_on(
        &self,
        mut stream: TcpStream,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &str,
    ) -> Answer {
        stream.write_all(self.request(method, path, headers, body).as_bytes()).ok();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok();
        Answer::parse(&bytes)
    }

    /// Sends the text of a request, and receives until the server closes the connection.
    pub(super) fn exchange(&self, request: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("the request is sent");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("the answer is received");
        Answer::parse(&bytes)
    }

    /// Returns the text of a request after which the server closes the connection.
    pub(super) fn request(&self, method: &str, path: &str, headers: &[&str], body: &str) -> String {
        let mut head = format!("{method} {}{path} HTTP/1.1\r\nHost: {}\r\n", self.path, self.address);
        if !headers.iter().any(|line| line.starts_with("Connection:")) {
            head += "Connection: close\r\n";
        }
        if !body.is_empty() {
            head += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        headers.iter().for_each(|line| head += &format!("{line}\r\n"));
        format!("{head}\r\n{body}")
    }

    pub(super) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    pub(super) fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[], body)
    }

    /// Sends a signal to the server.
    pub(super) fn signal(&self, signal: &str) {
        let command = format!("kill -{signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &command]).status().expect("a shell").success());
    }

    /// Waits for a line of error output.
    pub(super) fn until_line(&self, beginning: &str) {
        while !self.errors.recv().expect("the server writes the line").starts_with(beginning) {}
    }

    /// Waits until the server has ended.
    pub(super) fn ended(mut self) -> ExitStatus {
        self.child.wait().expect("the server ends")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Answer {
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }
}
