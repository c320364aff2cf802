//! Google Cloud Storage by an emulator, in memory. It writes and reads whole objects and ranges; it lists nothing, removes nothing and
//! takes no uploads in parts by the protocol that archives go by.

use koan_backup::{Storage, storage::StorageOptions};

use super::http::request;
use super::moto::Moto;
use super::program::{Program, Start};
use crate::proxy::Proxy;

/// Google Cloud Storage by an emulator, with an empty bucket `backups`.
#[derive(Debug)]
pub struct GoogleEmulator(Program);

impl GoogleEmulator {
    /// Starts it.
    pub fn start() -> Self {
        Self(Program::start(&Start {
            name: "gcp-storage-emulator",
            variable: "KOAN_TEST_GCS",
            installed: "gcs/bin/gcp-storage-emulator",
            arguments: &|port, _| {
                let port = format!("--port={port}");
                ["start", "--host=127.0.0.1", "--in-memory", "--default-bucket=backups", &port]
                    .iter()
                    .map(ToString::to_string)
                    .collect()
            },
            is_ready: &|port| {
                request(port, "GET", "/storage/v1/b/backups", &[], "")
                    .is_some_and(|answer| answer.status == 200)
            },
        }))
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// A profile in the bucket `backups`.
    pub fn storage(&self, prefix: &str) -> StorageOptions {
        google(prefix, self.port())
    }

    /// Puts an object into the bucket `backups`.
    pub fn put(&self, path: &str, content: &str) {
        let target = format!("/backups/{path}");
        let put = request(self.port(), "PUT", &target, &[("Content-Type", "text/plain")], content);
        let put = put.expect("the emulator answers");
        assert_eq!(put.status, 200, "{put:?}");
    }
}

/// Moto wants a signature on reads, and does not check it.
const SIGNED: &str = "Authorization: AWS4-HMAC-SHA256 Credential=koan/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

/// Google's protocol in front of S3 by moto. The two share uploads in parts, ranges, lists and removals; what differs is translated.
#[derive(Debug)]
pub struct GoogleByMoto {
    proxy: Proxy,
    moto: Moto,
}

impl GoogleByMoto {
    /// Starts it, with an empty bucket `backups`.
    pub fn start() -> Self {
        let moto = Moto::start();
        let proxy = Proxy::rewriting(moto.port(), |line| match line.to_ascii_lowercase().as_str() {
            "x-goog-if-generation-match: 0" => Some("if-none-match: *"),
            // Each request has it, and nobody needs it.
            "accept: */*" => Some(SIGNED),
            lower if lower.starts_with("authorization:") => None,
            _ => Some(line),
        });
        Self { proxy, moto }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.proxy.port()
    }

    /// What is behind it.
    pub fn moto(&self) -> &Moto {
        &self.moto
    }

    /// A profile in the bucket `backups`.
    pub fn storage(&self, prefix: &str) -> StorageOptions {
        google(prefix, self.port())
    }
}

/// A profile in the bucket `backups` of what speaks Google's protocol on a port of this machine, and asks for no credentials.
pub fn google(prefix: &str, port: u16) -> StorageOptions {
    let key =
        r#"{"private_key": "none", "private_key_id": "none", "client_email": "none", "disable_oauth": true}"#;
    Storage::options(format!("gs://backups/{prefix}"))
        .without_environment()
        .endpoint(format!("http://127.0.0.1:{port}"))
        .option("service_account_key", key)
}
