//! The vector store OpenSearch with the plugin k-NN, which stores its data in a folder. The plugin has no native
//! libraries, so indexes must use the engine `lucene`.

use super::elasticsearch::{is_healthy, prepare};
use super::program::{Program, Start};

const START: Start<2> = Start {
    name: "OpenSearch",
    variable: "KOAN_TEST_OPENSEARCH",
    setup: "tests/vectors/setup",
    installed: "opensearch/bin/opensearch",
    prepare,
    is_ready: is_healthy,
};

/// A server of OpenSearch without indexes and without authentication.
#[derive(Debug)]
pub struct OpenSearch(Program);

impl OpenSearch {
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
