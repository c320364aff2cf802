//! The vector store Elasticsearch, which stores its data in a folder.

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
        Start {
            name,
            variable,
            installed,
            prepare: |command, [http, transport], data| {
                command.arg(data).args([http.to_string(), transport.to_string()]);
            },
            // The server responds to other requests only when it has elected itself as the master.
            is_ready: |port| {
                request(port, "GET", "/_cluster/health", &[], "")
                    .is_some_and(|response| response.status == 200)
            },
        }
    }
}

/// A server of Elasticsearch without indexes and without authentication.
#[derive(Debug)]
pub struct Elasticsearch(Program);

impl Elasticsearch {
    /// Returns whether the server of this version is installed. If it is not, reports that a test that needs it
    /// does not run.
    ///
    /// # Panics
    /// The server is not installed, and the environment variable `CI` is `true`.
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
