//! The vector store Chroma, which stores its data in a folder.

use super::http::request;
use super::program::{Program, Start};

const START: Start<1> = Start {
    name: "Chroma",
    variable: "KOAN_TEST_CHROMA",
    setup: "tests/vectors/setup",
    installed: "chroma/bin/chroma-server",
    prepare: |command, [port], data| {
        command.args(["run", "--host", "127.0.0.1", "--port", &port.to_string(), "--path"]).arg(data);
    },
    is_ready: |port| {
        request(port, "GET", "/api/v2/heartbeat", &[], "").is_some_and(|response| response.status == 200)
    },
};

/// A server of Chroma with the tenant `default_tenant`, whose database `default_database` has no collections.
#[derive(Debug)]
pub struct Chroma(Program);

impl Chroma {
    /// Returns whether the server is installed. If it is not, prints that a test that needs it does not run.
    pub fn is_installed() -> bool {
        START.is_installed()
    }

    /// Starts the server.
    pub fn start() -> Self {
        Self(Program::start(&START))
    }

    /// Returns the port of the HTTP interface.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Returns the URL of the HTTP interface.
    pub fn address(&self) -> String {
        self.0.address()
    }
}
