//! A shop with a database and storage in a temporary directory, and its binary.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use age::secrecy::ExposeSecret as _;
use assert_cmd::assert::{Assert, OutputAssertExt as _};
use serde_json::Value;
use tempfile::TempDir;

/// A shop with a database and storage of its own.
pub(crate) struct Shop {
    directory: TempDir,
    recipient: String,
    key: String,
}

impl Shop {
    /// Creates a shop with this number of users and orders, and one payment, which is encrypted in backups.
    pub(crate) fn new(count: u32) -> Self {
        let (recipient, key) = key_pair();
        let shop = Self { directory: tempfile::tempdir().expect("a directory"), recipient, key };
        shop.run(&["seed", &count.to_string()]).success();
        shop
    }

    /// Returns a shop with two backups named `nightly`; between them, records were changed.
    pub(crate) fn with_two_backups() -> Self {
        let shop = Self::new(12);
        shop.run(&["backup", "nightly", "--tag", "first"]).success();
        shop.sql("UPDATE users SET name = 'Ada' WHERE id = 1; DELETE FROM orders WHERE id = 2;");
        shop.run(&["backup", "nightly"]).success();
        shop
    }

    /// Returns the shop with a key that decrypts nothing.
    pub(crate) fn with_wrong_key(self) -> Self {
        Self { key: key_pair().1, ..self }
    }

    /// Returns the shop without a key.
    pub(crate) fn without_key(self) -> Self {
        Self { key: String::new(), ..self }
    }

    /// Returns the public key for which backups are encrypted, and its private key.
    pub(crate) fn key_pair(&self) -> (&str, &str) {
        (&self.recipient, &self.key)
    }

    /// Returns the directory of the shop.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Returns the file that holds a backup while it exists.
    pub(crate) fn gate(&self) -> PathBuf {
        self.directory().join("gate")
    }

    /// Returns the program `koan-backup` with these arguments, without a terminal, in the directory of the shop.
    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        let mut command = self.prepared(env!("CARGO_BIN_EXE_koan-backup-program"), arguments);
        command.current_dir(self.directory());
        command
    }

    /// Returns the binary of the shop, whose context comes from the configuration in its directory.
    pub(crate) fn configured_by_file(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.env("SHOP_FROM_CONFIGURATION", "1").current_dir(self.directory());
        command
    }

    /// Returns the public key for which the shop encrypts.
    pub(crate) fn recipient(&self) -> &str {
        &self.recipient
    }

    /// Returns the private key of the shop.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Returns the binary with these arguments, without a terminal.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.prepared(env!("CARGO_BIN_EXE_shop"), arguments)
    }

    fn prepared(&self, binary: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary);
        for variable in [
            "NO_COLOR",
            "CLICOLOR",
            "CLICOLOR_FORCE",
            "KOAN_ENV",
            "SHOP_ONLY_BACKUP",
            "SHOP_FROM_CONFIGURATION",
            "SHOP_CONFIGURED",
            "SHOP_FIXED",
            "SHOP_REPLACE_EXISTING",
            "SHOP_BACKGROUND",
            "SHOP_CONFIGURATION",
            "SHOP_CLOCK_SHIFT",
            "COLUMNS",
        ] {
            command.env_remove(variable);
        }
        command
            .args(arguments)
            .stdin(Stdio::null())
            .env("SHOP_DATABASE", self.directory().join("shop.db"))
            .env("SHOP_STORAGE", self.directory().join("storage"))
            .env("SHOP_GATE", self.gate())
            .env("SHOP_RECIPIENT", &self.recipient)
            .env("SHOP_KEY", &self.key)
            .env("TZ", "UTC")
            .env("USER", "alice")
            .env("TERM", "xterm-256color");
        command
    }

    /// Runs the binary.
    pub(crate) fn run(&self, arguments: &[&str]) -> Assert {
        self.command(arguments).assert()
    }

    /// Executes SQL in the database.
    pub(crate) fn sql(&self, statement: &str) {
        self.run(&["sql", statement]).success();
    }

    /// Returns the JSON values on the lines of standard output.
    pub(crate) fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.command(arguments).output().expect("the shop runs");
        lines(&output.stdout)
    }

    /// Returns the ids of the backups, newest first.
    pub(crate) fn ids(&self) -> Vec<String> {
        let list = self.json(&["list", "--json"]).remove(0);
        let ids = list.as_array().expect("an array").iter().map(|backup| backup["id"].as_str());
        ids.map(|id| id.expect("an id").to_owned()).collect()
    }

    /// Starts a backup, and waits until it is held at the gate.
    pub(crate) fn backup_at_the_gate(&self, name: &str) -> Child {
        self.at_the_gate(&["backup", name])
    }

    /// Starts the binary, and waits until it is held at the gate.
    pub(crate) fn at_the_gate(&self, arguments: &[&str]) -> Child {
        std::fs::write(self.gate(), "").expect("the gate is closed");
        let mut command = self.command(arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the shop starts");
        self.wait_for_the_gate();
        child
    }

    /// Waits until a backup is held at the gate.
    pub(crate) fn wait_for_the_gate(&self) {
        let reached = self.gate().with_extension("reached");
        let started = Instant::now();
        while !reached.exists() {
            assert!(started.elapsed() < Duration::from_secs(300), "no backup reached the gate");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets the backup continue.
    pub(crate) fn open_the_gate(&self) {
        std::fs::remove_file(self.gate()).expect("the gate was closed");
    }

    /// Returns the archives in the default profile.
    pub(crate) fn archives(&self) -> Vec<PathBuf> {
        let folder = self.directory().join("storage/local/archives");
        let files = std::fs::read_dir(folder).expect("there are archives");
        files.map(|file| file.expect("an entry").path()).collect()
    }

    /// Changes one byte in the middle of each archive.
    pub(crate) fn damage_archives(&self) {
        self.archives().iter().for_each(|archive| damage(archive));
    }
}

/// Changes one byte of an archive, in the records of its first entity, which are at its begin.
pub(crate) fn damage(archive: &Path) {
    let mut bytes = std::fs::read(archive).expect("the archive is read");
    bytes[80] ^= 1;
    std::fs::write(archive, bytes).expect("the archive is written");
}

/// Returns the JSON values on the lines of an output.
pub(crate) fn lines(output: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(output).expect("the output is UTF-8");
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(parse).collect()
}

/// Returns a new public key and its private key.
pub(crate) fn key_pair() -> (String, String) {
    let identity = age::x25519::Identity::generate();
    (identity.to_public().to_string(), identity.to_string().expose_secret().to_owned())
}
