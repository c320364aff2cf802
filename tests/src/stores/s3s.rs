//! S3, provided by s3s-fs in a folder. s3s-fs verifies signatures.

use std::path::PathBuf;

use koan_backup::{Storage, storage::StorageOptions};

use super::http::request;
use super::program::{Program, Start};

/// A server of s3s-fs with an empty bucket `backups`.
#[derive(Debug)]
pub struct S3s(Program);

/// The access key.
const ACCESS_KEY: &str = "koan";
/// The secret key.
const SECRET_KEY: &str = "koan-secret";

impl S3s {
    /// Starts the server.
    pub fn start() -> Self {
        let server = Program::start(&Start {
            name: "s3s-fs",
            variable: "KOAN_TEST_S3S_FS",
            setup: "tests/setup",
            installed: "s3s-fs/bin/s3s-fs",
            prepare: |command, [port], data| {
                command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
                command.args(["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY]).arg(data);
            },
            is_ready: |port| request(port, "GET", "/", &[], "").is_some(),
        });
        std::fs::create_dir(server.data().join("backups")).expect("a bucket");
        Self(server)
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Returns the folder of the bucket `backups`.
    pub fn bucket(&self) -> PathBuf {
        self.0.data().join("backups")
    }

    /// Returns a profile in the bucket `backups`.
    pub fn storage(&self, prefix: &str) -> StorageOptions {
        self.storage_at_port(self.port(), prefix)
    }

    /// Returns a profile in the bucket `backups` whose requests go to this port, for example the port of a
    /// proxy.
    pub fn storage_at_port(&self, port: u16, prefix: &str) -> StorageOptions {
        s3_storage(prefix, port)
    }

    /// Returns the number of uploads that were neither completed nor aborted. Each upload and each part is a
    /// file next to the buckets.
    pub fn unfinished_uploads(&self) -> usize {
        let entries = std::fs::read_dir(self.0.data()).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with(".upload-") && name.ends_with(".json")).count()
    }
}

/// Returns a profile in the bucket `backups` with the credentials of the test servers. The server uses the
/// protocol of S3 and listens on `port` of this machine.
pub fn s3_storage(prefix: &str, port: u16) -> StorageOptions {
    s3(&format!("s3://backups/{prefix}"), port).credentials(ACCESS_KEY, SECRET_KEY)
}

/// Returns the options of a profile without credentials. The server uses the protocol of S3 and listens on
/// `port` of this machine.
pub(super) fn s3(url: &str, port: u16) -> StorageOptions {
    Storage::options(url)
        .without_environment()
        .region("us-east-1")
        .endpoint(format!("http://127.0.0.1:{port}"))
}

/// Returns the text of each XML element with this name.
pub(super) fn elements(xml: &str, name: &str) -> Vec<String> {
    let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(begin.as_str())
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(end.as_str())?.0.to_owned()))
        .collect()
}
