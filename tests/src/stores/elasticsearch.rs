//! The vector store Elasticsearch, which stores its data in a folder.

use std::path::Path;
use std::process::Command;

use super::http::request;
use super::program::{Program, Start};

/// A version of Elasticsearch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElasticsearchVersion {
    /// Elasticsearch 8.15.
    V8_15,
    /// Elasticsearch 9.5.
    V9_5,
}

impl ElasticsearchVersion {
    fn program(self) -> Start<2> {
        let (name, variable, installed) = match self {
            Self::V8_15 => {
                ("Elasticsearch 8.15", "KOAN_TEST_ELASTICSEARCH_8", "elasticsearch-8/bin/elasticsearch")
            }
            Self::V9_5 => {
                ("Elasticsearch 9.5", "KOAN_TEST_ELASTICSEARCH_9", "elasticsearch-9/bin/elasticsearch")
            }
        };
        Start { name, variable, setup: "tests/vectors/setup", installed, prepare, is_ready: is_healthy }
    }
}

/// Adds the arguments of the launchers of Elasticsearch and OpenSearch.
pub(super) fn prepare(command: &mut Command, [http, transport]: [u16; 2], data: &Path) {
    command.arg(data).args([http.to_string(), transport.to_string()]);
}

/// Returns whether Elasticsearch or OpenSearch has elected its only node as the master.
pub(super) fn is_healthy(port: u16) -> bool {
    request(port, "GET", "/_cluster/health", &[], "").is_some_and(|response| response.status == 200)
}

/// A server of Elasticsearch without indexes and without authentication.
#[derive(Debug)]
pub struct Elasticsearch(Program);

impl Elasticsearch {
    /// Returns whether the server of this version is installed. If it is not, reports that a test that needs it
    /// does not run.
    pub fn is_installed(version: ElasticsearchVersion) -> bool {
        version.program().is_installed()
    }

    /// Starts a server of a version.
    pub fn start(version: ElasticsearchVersion) -> Self {
        Self(Program::start(&version.program()))
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
