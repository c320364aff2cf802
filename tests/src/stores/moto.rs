//! S3, provided by moto in memory. Moto supports every operation and does not verify signatures.

use koan_backup::storage::StorageOptions;

use super::http::request;
use super::program::{Program, Start};

/// A server of moto with an empty bucket `backups`.
#[derive(Debug)]
pub struct Moto(Program);

impl Moto {
    /// Starts the server.
    pub fn start() -> Self {
        let server = Program::start(&Start {
            name: "moto",
            variable: "KOAN_TEST_MOTO",
            setup: "tests/setup",
            installed: "moto/bin/moto_server",
            prepare: |command, [port], _| {
                command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            },
            is_ready: |port| request(port, "GET", "/", &[], "").is_some(),
        });
        let response = request(server.port(), "PUT", "/backups", &[], "").expect("moto responds");
        assert_eq!(response.status, 200, "moto creates the bucket: {response:?}");
        Self(server)
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Returns a profile in the bucket `backups`.
    pub fn storage(&self, prefix: &str) -> StorageOptions {
        self.storage_in("backups", prefix)
    }

    /// Returns a profile in a bucket.
    pub fn storage_in(&self, bucket: &str, prefix: &str) -> StorageOptions {
        super::s3s::s3(&format!("s3://{bucket}/{prefix}"), self.port()).credentials("koan", "koan-secret")
    }

    /// Returns the paths of uploads that were neither completed nor aborted.
    pub fn unfinished_uploads(&self) -> Vec<String> {
        let listed = request(self.port(), "GET", "/backups?uploads", &[], "").expect("moto responds");
        assert_eq!(listed.status, 200, "{listed:?}");
        super::s3s::elements(&listed.body, "Key")
    }

    /// Returns the paths of all objects.
    pub fn objects(&self) -> Vec<String> {
        let listed = request(self.port(), "GET", "/backups?list-type=2", &[], "").expect("moto responds");
        assert_eq!(listed.status, 200, "{listed:?}");
        super::s3s::elements(&listed.body, "Key")
    }
}
