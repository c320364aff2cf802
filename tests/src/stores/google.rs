//! Google Cloud Storage, provided by an emulator in memory. The emulator writes and reads objects and ranges.
//! It does not support lists, removals, or the multipart protocol that archives use.

use koan_backup::{Storage, storage::StorageOptions};

use super::http::request;
use super::moto::Moto;
use super::program::{Program, Start};
use crate::proxy::Proxy;

/// An emulator of Google Cloud Storage with an empty bucket `backups`.
#[derive(Debug)]
pub struct GoogleEmulator(Program);

impl GoogleEmulator {
    /// Starts the emulator.
    pub fn start() -> Self {
        Self(Program::start(&Start {
            name: "gcp-storage-emulator",
            variable: "KOAN_TEST_GCS",
            setup: "tests/setup",
            installed: "gcs/bin/gcp-storage-emulator",
            prepare: |command, [port], _| {
                command.args(["start", "--host=127.0.0.1", "--in-memory", "--default-bucket=backups"]);
                command.arg(format!("--port={port}"));
            },
            is_ready: |port| {
                request(port, "GET", "/storage/v1/b/backups", &[], "")
                    .is_some_and(|response| response.status == 200)
            },
        }))
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Returns a profile in the bucket `backups`.
    pub fn storage(&self, prefix: &str) -> StorageOptions {
        google(prefix, self.port())
    }

    /// Writes an object into the bucket `backups`.
    pub fn put(&self, path: &str, content: &str) {
        let target = format!("/backups/{path}");
        let response = request(self.port(), "PUT", &target, &[("Content-Type", "text/plain")], content);
        let response = response.expect("the emulator responds");
        assert_eq!(response.status, 200, "the emulator writes {path}: {response:?}");
    }
}

/// The header with a signature, which moto requires for reads but does not verify.
const SIGNATURE_HEADER: &str = "Authorization: AWS4-HMAC-SHA256 Credential=koan/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

/// A proxy that translates Google's protocol to the protocol of S3, and forwards the requests to moto. The
/// two protocols have the same multipart uploads, ranges, lists and removals.
#[derive(Debug)]
pub struct MotoBackedGoogle {
    proxy: Proxy,
    moto: Moto,
}

impl MotoBackedGoogle {
    /// Starts the proxy, and moto with an empty bucket `backups`.
    pub fn start() -> Self {
        let moto = Moto::start();
        let proxy = Proxy::rewriting(moto.port(), |line| match line.to_ascii_lowercase().as_str() {
            "x-goog-if-generation-match: 0" => Some("if-none-match: *"),
            // Every request contains this header and moto does not need it, so the signature replaces it.
            "accept: */*" => Some(SIGNATURE_HEADER),
            lower if lower.starts_with("authorization:") => None,
            _ => Some(line),
        });
        Self { proxy, moto }
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.proxy.port()
    }

    /// Returns the server to which requests are forwarded.
    pub fn moto(&self) -> &Moto {
        &self.moto
    }

    /// Returns a profile in the bucket `backups`.
    pub fn storage(&self, prefix: &str) -> StorageOptions {
        google(prefix, self.port())
    }
}

/// Returns a profile in the bucket `backups` without credentials. The server uses Google's protocol and
/// listens on `port` of this machine.
pub fn google(prefix: &str, port: u16) -> StorageOptions {
    let key =
        r#"{"private_key": "none", "private_key_id": "none", "client_email": "none", "disable_oauth": true}"#;
    Storage::options(format!("gs://backups/{prefix}"))
        .without_environment()
        .endpoint(format!("http://127.0.0.1:{port}"))
        .option("service_account_key", key)
}
