//! A shop with a configuration file, and what `doctor` says about it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::shop::{Shop, lines};

/// A shop that `koan.toml` configures.
pub(super) struct Setup {
    pub(super) shop: Shop,
    /// The provider: the value of the key `main`.
    pub(super) provider: String,
    /// The tables `[storage]`.
    pub(super) storage: String,
    /// The table `[encryption]`.
    pub(super) encryption: String,
    /// Other settings, after those above.
    pub(super) more: String,
}

/// What `doctor` printed, and its exit code.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) code: Option<i32>,
    pub(super) text: String,
}

impl Setup {
    /// Returns a shop with an SQLite database of 20 users, storage in a directory, a recipient and its key. There is no
    /// backup yet.
    pub(super) fn new() -> Self {
        let shop = Shop::new(20);
        shop.sql("DROP TABLE coupons");
        let (recipient, key) = shop.key_pair();
        let encryption = format!(
            "[encryption]\nrecipients = [\"{recipient}\"]\nkeys = [{{ file = \"{{folder}}/koan.key\" }}]\n"
        );
        std::fs::write(shop.directory().join("koan.key"), key).expect("the key is written");
        Self {
            provider: "\"sqlite:{folder}/shop.db\"".to_owned(),
            storage: "[storage]\nlocal = \"{folder}/backups\"\n".to_owned(),
            encryption,
            more: "[expectations.series.nightly]\nbackup_within = \"1d\"\nverified_within = \"1d\"\n"
                .to_owned(),
            shop,
        }
    }

    /// Returns a shop with a verified backup.
    pub(super) fn with_backup() -> Self {
        let setup = Self::new();
        setup.backup();
        setup
    }

    /// Makes a verified backup.
    pub(super) fn backup(&self) {
        let output = self.command(&["backup", "nightly", "--verify-after"]).output().expect("the shop runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Returns a path in the folder of the shop.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.shop.directory().join(name)
    }

    /// Returns the binary with these arguments and the configuration.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let folder = self.shop.directory().display().to_string();
        let text = format!(
            "[paths]\nroot = \"{{folder}}/state\"\n[providers]\nmain = {}\n{}{}{}",
            self.provider, self.storage, self.encryption, self.more
        );
        std::fs::write(self.path("koan.toml"), text.replace("{folder}", &folder)).expect("a configuration");
        let mut command = self.shop.command(arguments);
        command.env("SHOP_CONFIGURATION", self.path("koan.toml"));
        command
    }

    /// Runs `doctor`.
    pub(super) fn doctor(&self) -> Findings {
        Findings::of(&mut self.command(&["doctor"]))
    }

    /// Runs `doctor --json`, and returns the checks.
    pub(super) fn checks(&self) -> Vec<Value> {
        let output = self.command(&["doctor", "--json"]).output().expect("the shop runs");
        let values = lines(&output.stdout);
        assert_eq!(values.len(), 1, "one array: {}", String::from_utf8_lossy(&output.stderr));
        values[0].as_array().expect("an array").clone()
    }
}

impl Findings {
    /// Runs a command.
    pub(super) fn of(command: &mut Command) -> Self {
        let output = command.output().expect("the shop runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(errors, "", "`doctor` writes its findings to standard output");
        Self { code: output.status.code(), text: String::from_utf8_lossy(&output.stdout).into_owned() }
    }

    /// Checks that the exit code is 3, and that there is a problem of this subject with this text, whose remedy contains
    /// `remedy`.
    #[track_caller]
    pub(super) fn require_problem(&self, subject: &str, text: &str, remedy: &str) {
        assert_eq!(self.code, Some(3), "{}", self.text);
        let lines: Vec<_> = self.text.lines().collect();
        let found = lines
            .windows(2)
            .find(|pair| pair[0].starts_with(&format!("problem  {subject} ")) && pair[0].contains(text));
        let found = found.unwrap_or_else(|| panic!("no problem of {subject} with `{text}`:\n{}", self.text));
        assert!(
            found[1].starts_with("            help: ") && found[1].contains(remedy),
            "the remedy contains `{remedy}`:\n{}",
            self.text
        );
    }

    /// Checks that another check of this subject passed, so that a problem did not hide it.
    #[track_caller]
    pub(super) fn require_ok(&self, subject: &str) {
        let is_found = self.text.lines().any(|line| line.starts_with(&format!("ok       {subject} ")));
        assert!(is_found, "{subject} is ok:\n{}", self.text);
    }

    /// Checks that there is this number of problems.
    #[track_caller]
    pub(super) fn require_count(&self, count: usize) {
        let found = self.text.lines().filter(|line| line.starts_with("problem  ")).count();
        assert_eq!(found, count, "the number of problems:\n{}", self.text);
    }
}

/// Returns all files and folders below a folder.
pub(super) fn contents(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}
