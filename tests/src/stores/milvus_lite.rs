//! The vector store Milvus Lite, which stores its data in a folder. It uses gRPC only.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::program::{Program, Start};

const START: Start<1> = Start {
    name: "Milvus Lite",
    variable: "KOAN_TEST_MILVUS_LITE",
    setup: "tests/vectors/setup",
    installed: "milvus-lite/bin/milvus-lite",
    prepare: |command, [port], data| {
        command.args(["server", "--host", "127.0.0.1", "--port", &port.to_string(), "--data-dir"]).arg(data);
    },
    is_ready: |port| accepts_http_2(port).is_some(),
};

/// A server of Milvus Lite without collections.
#[derive(Debug)]
pub struct MilvusLite(Program);

impl MilvusLite {
    /// Returns whether the server is installed. If it is not, prints that a test that needs it does not run.
    pub fn is_installed() -> bool {
        START.is_installed()
    }

    /// Starts the server, and waits until it accepts connections of gRPC.
    pub fn start() -> Self {
        Self(Program::start(&START))
    }

    /// Returns the port of the gRPC interface.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Returns the URL of the gRPC interface.
    pub fn address(&self) -> String {
        self.0.address()
    }
}

/// Opens a connection of HTTP/2, which gRPC uses. Returns `None` if the server does not send its settings (RFC
/// 9113, section 3.4).
fn accepts_http_2(port: u16) -> Option<()> {
    const EMPTY_SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(120))).ok()?;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").ok()?;
    stream.write_all(&EMPTY_SETTINGS).ok()?;
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    (head[3] == EMPTY_SETTINGS[3]).then_some(())
}
