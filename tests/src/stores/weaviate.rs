//! The vector store Weaviate, which stores its data in a folder.

use super::http::request;
use super::program::{Program, Start};

const START: Start<6> = Start {
    name: "Weaviate",
    variable: "KOAN_TEST_WEAVIATE",
    setup: "tests/vectors/setup",
    installed: "weaviate/bin/weaviate-server",
    prepare: |command, [http, gossip, data_port, raft, raft_rpc, grpc], data| {
        command.args(["--scheme", "http", "--host", "127.0.0.1", "--port", &http.to_string()]);
        command.env("PERSISTENCE_DATA_PATH", data);
        command.envs([
            ("AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED", "true"),
            ("DEFAULT_VECTORIZER_MODULE", "none"),
            ("DISABLE_TELEMETRY", "true"),
            ("GO_PROFILING_DISABLE", "true"),
            // Weaviate is a cluster of one node. Without these ports, two servers would use the same ports.
            ("CLUSTER_HOSTNAME", "node"),
            ("CLUSTER_ADVERTISE_ADDR", "127.0.0.1"),
            ("RAFT_BOOTSTRAP_EXPECT", "1"),
            // The node elects itself as the leader after one second instead of eight. Until then, no collection
            // can be created.
            ("RAFT_HEARTBEAT_TIMEOUT", "1"),
            ("RAFT_ELECTION_TIMEOUT", "1"),
            ("RAFT_LEADER_LEASE_TIMEOUT", "1"),
            ("RAFT_TIMEOUTS_MULTIPLIER", "1"),
        ]);
        command.envs([
            ("CLUSTER_GOSSIP_BIND_PORT", gossip.to_string()),
            ("CLUSTER_DATA_BIND_PORT", data_port.to_string()),
            ("RAFT_PORT", raft.to_string()),
            ("RAFT_INTERNAL_RPC_PORT", raft_rpc.to_string()),
            ("GRPC_PORT", grpc.to_string()),
        ]);
    },
    is_ready: |port| request(port, "GET", "/v1/meta", &[], "").is_some_and(|response| response.status == 200),
};

/// A server of Weaviate without collections and without authentication.
#[derive(Debug)]
pub struct Weaviate(Program);

impl Weaviate {
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
