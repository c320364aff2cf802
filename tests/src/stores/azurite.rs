//! Azure Blob Storage, provided by Azurite in memory.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use koan_backup::{Storage, storage::StorageOptions};
use sha2::{Digest, Sha256};

use super::http::request;
use super::program::{Program, Start};

/// The name of the storage account in Azurite.
const ACCOUNT: &str = "devstoreaccount1";
/// The key of the account, which is the same in every installation of Azurite.
pub const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// The API version of the requests. Azurite is started with `--skipApiVersionCheck`.
const VERSION: &str = "2023-11-03";

/// A server of Azurite with an empty container `backups`.
#[derive(Debug)]
pub struct Azurite(Program);

impl Azurite {
    /// Starts the server.
    pub fn start() -> Self {
        let server = Program::start(&Start {
            name: "Azurite",
            variable: "KOAN_TEST_AZURITE",
            setup: "tests/setup",
            installed: "azurite/node_modules/.bin/azurite-blob",
            prepare: |command, [port], _| {
                command.args(["--blobHost", "127.0.0.1", "--inMemoryPersistence", "--silent"]);
                command.args(["--skipApiVersionCheck", "--blobPort", &port.to_string()]);
            },
            is_ready: |port| request(port, "GET", "/", &[], "").is_some(),
        });
        let azurite = Self(server);
        azurite.create_container("backups");
        azurite
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Returns a profile in the container `backups`.
    pub fn storage(&self, prefix: &str) -> StorageOptions {
        self.storage_in("backups", prefix)
    }

    /// Returns a profile in a container.
    pub fn storage_in(&self, container: &str, prefix: &str) -> StorageOptions {
        Storage::options(format!("az://{container}/{prefix}"))
            .without_environment()
            .endpoint(format!("http://127.0.0.1:{}/{ACCOUNT}", self.port()))
            .credentials(ACCOUNT, KEY)
    }

    fn create_container(&self, name: &str) {
        let date = date();
        let string_to_sign = format!(
            "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{VERSION}\n/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
        );
        let key = STANDARD.decode(KEY).expect("base64");
        let authorization =
            format!("SharedKey {ACCOUNT}:{}", STANDARD.encode(hmac(&key, string_to_sign.as_bytes())));
        let headers =
            [("x-ms-date", date.as_str()), ("x-ms-version", VERSION), ("Authorization", &authorization)];
        let target = format!("/{ACCOUNT}/{name}?restype=container");
        let response = request(self.port(), "PUT", &target, &headers, "").expect("Azurite responds");
        assert_eq!(response.status, 201, "Azurite creates the container: {response:?}");
    }
}

/// Returns the current time in the format of HTTP headers.
fn date() -> String {
    let output = std::process::Command::new("date")
        .args(["-u", "+%a, %d %b %Y %H:%M:%S GMT"])
        .env("LC_ALL", "C")
        .output();
    String::from_utf8(output.expect("`date` is installed").stdout).expect("text").trim().to_owned()
}

/// Computes HMAC-SHA256 as in RFC 2104. The key must not be longer than one block of the hash, 64 bytes.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    assert!(key.len() <= 64, "a key of more than 64 bytes would have to be hashed first");
    let padded =
        |pad: u8| -> Vec<u8> { (0..64).map(|index| key.get(index).copied().unwrap_or(0) ^ pad).collect() };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}
