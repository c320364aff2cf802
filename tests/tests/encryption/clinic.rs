//! A database with patients, whose records must be encrypted, and wards, which need no encryption.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use age::secrecy::ExposeSecret;
use chrono::NaiveDate;
use koan_backup::prelude::*;
use rusqlite::Connection;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

pub(super) const PATIENTS: &str = "entities/Patient.jsonl.gz.age";

koan_backup::entity_backup_scope!(mode = All);

#[derive(Debug, Serialize, Deserialize, Entity)]
#[entity_backup(encrypt)]
#[entity(table = "patients", key = "number")]
pub(super) struct Patient {
    pub(super) number: String,
    pub(super) name: String,
    pub(super) born: NaiveDate,
    pub(super) blood: Blood,
    pub(super) fee: Decimal,
    pub(super) insured: bool,
    pub(super) ward: Option<i64>,
    pub(super) results: BTreeMap<String, f64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Blood {
    ZeroNegative,
    AbPositive,
    #[serde(other)]
    Untested,
}

#[derive(Debug, Serialize, Deserialize, Entity)]
#[entity(table = "wards")]
pub(super) struct Ward {
    pub(super) id: i64,
    pub(super) name: String,
}

/// A public key and its private key.
#[derive(Clone)]
pub(super) struct KeyPair {
    pub(super) public: String,
    pub(super) private: String,
}

impl KeyPair {
    /// Generates an age key pair.
    pub(super) fn new() -> Self {
        let identity = age::x25519::Identity::generate();
        Self {
            public: identity.to_public().to_string(),
            private: identity.to_string().expose_secret().to_owned(),
        }
    }

    /// Generates an SSH key pair of a type, for example `ed25519`.
    pub(super) fn ssh(key_type: &str, passphrase: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("key");
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", key_type, "-N", passphrase, "-C", "somebody@example.org", "-f"]).arg(&path);
        assert!(command.status().expect("`tests/setup` installs ssh-keygen").success());
        let read = |path: &Path| std::fs::read_to_string(path).expect("a key");
        Self { public: read(&path.with_extension("pub")), private: read(&path) }
    }
}

/// A directory with the database and the backups of a clinic.
pub(super) struct Clinic {
    pub(super) directory: tempfile::TempDir,
}

impl Clinic {
    /// Creates a clinic with this number of patients.
    pub(super) fn with_patients(patients: usize) -> Self {
        Self::within(tempfile::tempdir().expect("a directory"), patients)
    }

    /// Creates a clinic with this number of patients in a directory.
    pub(super) fn within(directory: tempfile::TempDir, patients: usize) -> Self {
        let clinic = Self { directory };
        clinic.sql(&format!(
            "CREATE TABLE patients (number TEXT PRIMARY KEY, name TEXT NOT NULL, born TEXT NOT NULL,
                blood TEXT NOT NULL, fee DECIMAL(10, 2) NOT NULL, insured TEXT NOT NULL,
                ward INTEGER REFERENCES wards (id), results TEXT NOT NULL);
             CREATE TABLE wards (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
             INSERT INTO wards VALUES (1, 'surgery'), (2, 'maternity');
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {patients})
             INSERT INTO patients SELECT printf('number-%06d', i),
                printf('Confidential %d %s', i, hex(randomblob(60))),
                date('1950-01-01', i || ' days'), CASE i % 2 WHEN 0 THEN 'ZeroNegative' ELSE 'AbPositive' END,
                printf('%d.25', 770000 + i), CASE i % 3 WHEN 0 THEN 'true' ELSE 'false' END,
                i % 2 + 1, '{{\"Witness\":1.5}}' FROM n;"
        ));
        clinic
    }

    /// Returns the path of the database.
    pub(super) fn database(&self) -> PathBuf {
        self.directory.path().join("clinic.db")
    }

    /// Returns the directory of the storage profile.
    pub(super) fn backups(&self) -> PathBuf {
        self.directory.path().join("backups")
    }

    /// Executes SQL in the database.
    pub(super) fn sql(&self, sql: &str) {
        Connection::open(self.database()).expect("a database").execute_batch(sql).expect(sql);
    }

    /// Returns each patient as text, with the storage class and the literal of every column.
    pub(super) fn dump(&self) -> Vec<String> {
        let connection = Connection::open(self.database()).expect("a database");
        let columns = ["number", "name", "born", "blood", "fee", "insured", "ward", "results"];
        let literals: Vec<_> =
            columns.iter().map(|column| format!("typeof({column}) || quote({column})")).collect();
        let query = format!("SELECT {} FROM patients ORDER BY number", literals.join(" || ' ' || "));
        let mut statement = connection.prepare(&query).expect("a statement");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.map(|row| row.expect("a row")).collect()
    }

    /// Builds a context that encrypts for these recipients.
    pub(super) async fn koan_without_keys(&self, recipients: Recipients) -> Koan {
        self.builder().encrypt_to(recipients).build().await.expect("a context")
    }

    /// Builds a context that encrypts for these key pairs and has their private keys.
    pub(super) async fn koan_with_keys<const N: usize>(&self, keys: [&KeyPair; N]) -> Koan {
        let builder = self.builder().encrypt_to(recipients(keys));
        let builder = keys.iter().fold(builder, |builder, key| builder.keys(Keys::text(&key.private)));
        builder.build().await.expect("a context")
    }

    /// Returns a builder without recipients and keys.
    pub(super) fn builder(&self) -> koan_backup::KoanBuilder {
        Koan::builder()
            .provider(Sqlite::open(self.database()).expect("opened"))
            .storage(Storage::local(self.backups()).expect("a directory"))
    }

    /// Returns the path of the archive of the only backup.
    pub(super) fn archive(&self) -> PathBuf {
        let archives = files(&self.backups().join("archives"));
        assert_eq!(archives.len(), 1, "{archives:?}");
        archives.into_iter().next().expect("an archive")
    }
}

/// Returns the public keys of key pairs as recipients.
pub(super) fn recipients<const N: usize>(keys: [&KeyPair; N]) -> Recipients {
    Recipients::keys(keys.map(|key| &key.public)).expect("public keys")
}

/// Returns the paths of the files and directories in a directory.
pub(super) fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}
