//! A backup that the tests damage, and a database that must stay unchanged.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use koan_backup::prelude::*;
use koan_backup::{BackupId, Event, SetName, report::VerifyReport};
use koan_backup_tests::archive_surgery::{Forgery, Recompute, Stored, Vault};
use koan_backup_tests::scripted::{Script, Scripted};
use serde::{Deserialize, Serialize};

pub(super) const USERS: &str = "entities/User.jsonl";
pub(super) const ORDERS: &str = "entities/Order.jsonl";
/// A text that is in every record of a user, and that no message may contain.
pub(super) const SECRET: &str = "do-not-quote-me";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
pub(super) struct User {
    pub(super) id: i64,
    pub(super) name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
pub(super) struct Order {
    pub(super) id: i64,
    pub(super) total: f64,
}

/// A backup, and a database with one row that no refused restore may change.
pub(super) struct Shop {
    pub(super) vault: Vault,
    pub(super) koan: Koan,
    pub(super) id: BackupId,
    pub(super) stored: Stored,
}

pub(super) fn user(id: i64) -> User {
    User { id, name: format!("{SECRET} {id}") }
}

/// Creates a context with a database and the vault as its storage.
pub(super) async fn context(vault: &Vault, database: Scripted) -> Koan {
    Koan::builder()
        .provider(database)
        .named_storage("vault", vault.storage())
        .build()
        .await
        .expect("a context")
}

/// Creates a context whose database contains six users and six orders.
pub(super) async fn source(vault: &Vault, script: Script) -> Koan {
    let database = Scripted::new(script);
    for id in 0..6 {
        database.put(&SetName::root(), &user(id));
        database.put(&SetName::root(), &Order { id, total: 0.5 });
    }
    context(vault, database).await
}

/// Creates a shop with a backup of six users and six orders.
pub(super) async fn shop() -> Shop {
    let vault = Vault::default();
    let id = source(&vault, Script::default()).await.backup("nightly").await.expect("a backup").id();
    let stored = vault.stored(id).await;
    Shop { koan: sentinel(&vault).await, vault, id, stored }
}

/// Creates a context whose database contains one row that is in no backup.
pub(super) async fn sentinel(vault: &Vault) -> Koan {
    let database = Scripted::new(Script::default());
    database.put(&SetName::root(), &User { id: 3, name: "sentinel".into() });
    context(vault, database).await
}

impl Shop {
    /// Rewrites the backup so that the users are in three blocks of two.
    pub(super) async fn in_blocks(mut self) -> Self {
        let mut forgery = Forgery::parse(&self.stored);
        forgery.set_blocks(USERS, &[lines(0..2), lines(2..4), lines(4..6)]);
        self.stored = forgery.rebuild(Recompute::Records);
        self.vault.write_backup(&self.stored).await;
        self
    }

    /// Copies the backup into a new vault, so that another task can alter it.
    pub(super) async fn copy(&self) -> Self {
        let vault = Vault::default();
        vault.write_backup(&self.stored).await;
        Self { koan: sentinel(&vault).await, vault, id: self.id, stored: self.stored.clone() }
    }

    /// Verifies the backup.
    pub(super) async fn verify(&self) -> Result<VerifyReport, Error> {
        self.koan.verify(self.id).await
    }

    /// Returns the error of a restore that must be refused. The restore must not write records, not even
    /// records that are rolled back.
    pub(super) async fn restore_refused(&self) -> Result<Error, String> {
        let written = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&written);
        let restored = self
            .koan
            .restore(self.id)
            .replace_existing()
            .on_event(move |event| {
                if matches!(event, Event::BatchRestored { .. }) {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            })
            .await;
        if written.load(Ordering::Relaxed) > 0 {
            return Err("records were written before the restore was refused".to_owned());
        }
        self.check_unchanged().await?;
        restored.err().ok_or_else(|| "the backup was restored".to_owned())
    }

    /// Checks that the database still contains only its one row.
    pub(super) async fn check_unchanged(&self) -> Result<(), String> {
        let users = self.koan.data::<User>();
        let row = users.get(&3).await.expect("readable");
        let is_only_row = users.count().await.expect("readable") == 1;
        let intact = is_only_row && row.is_some_and(|row| row.name == "sentinel");
        let orders = self.koan.data::<Order>().count().await.expect("readable");
        if intact && orders == 0 { Ok(()) } else { Err("the database was changed".to_owned()) }
    }

    /// Stores an altered backup, and verifies and restores it. Returns a message if the verification or the
    /// restore accepts the backup, or `None` if both refuse it.
    pub(super) async fn acceptance_problem(&self, altered: &Stored) -> Option<String> {
        self.vault.write_backup(altered).await;
        if self.verify().await.is_ok_and(|report| report.is_valid()) {
            return Some("the verification reports that the backup is valid".to_owned());
        }
        self.restore_refused().await.err()
    }

    /// Stores an altered backup, and restores it without a prior verification. Returns a message if the
    /// restore changes the database or succeeds.
    pub(super) async fn unverified_restore_problem(&self, altered: &Stored) -> Option<String> {
        self.vault.write_backup(altered).await;
        let restored = self.koan.restore(self.id).replace_existing().without_verification().await;
        if let Err(problem) = self.check_unchanged().await {
            return Some(problem);
        }
        restored.is_ok().then(|| "the backup was restored".to_owned())
    }

    /// Returns the issues that a verification reports for an altered backup, which must be refused.
    pub(super) async fn issues(&self, altered: &Stored) -> Vec<koan_backup::report::Issue> {
        assert_eq!(self.acceptance_problem(altered).await, None);
        self.verify().await.expect("a report").issues().to_vec()
    }
}

/// Returns the lines of the users with these ids.
pub(super) fn lines(ids: std::ops::Range<i64>) -> Vec<u8> {
    ids.flat_map(|id| {
        let mut line = serde_json::to_vec(&user(id)).expect("JSON");
        line.push(b'\n');
        line
    })
    .collect()
}

/// Tries every alteration in two tasks, and fails with the names of the alterations that were accepted.
pub(super) async fn try_all(shop: &Shop, alterations: Vec<(String, Stored)>, description: &str) {
    let tried = alterations.len();
    let mut tasks = Vec::new();
    for half in alterations.chunks(tried.div_ceil(2).max(1)) {
        let (alterations, shop) = (half.to_vec(), shop.copy().await);
        tasks.push(tokio::spawn(async move {
            let mut accepted = Vec::new();
            for (name, altered) in alterations {
                accepted.extend(
                    shop.acceptance_problem(&altered).await.map(|problem| format!("{name}: {problem}")),
                );
            }
            accepted
        }));
    }
    let mut accepted = Vec::new();
    for task in tasks {
        accepted.extend(task.await.expect("no task panics"));
    }
    print_line(&format!("{description}: tried {tried}, refused {}", tried - accepted.len()));
    assert!(tried > 0, "{description}: no alteration was tried");
    assert_eq!(accepted, Vec::<String>::new(), "{description}: altered backups were accepted");
}

/// Prints a line to the output of the test run.
#[expect(clippy::print_stdout, reason = "a test reports the number of its cases")]
pub(super) fn print_line(text: &str) {
    println!("{text}");
}

/// Returns the backup with an altered archive. The published manifest still has the previous hash.
pub(super) fn with_archive(shop: &Shop, alter: impl FnOnce(&mut Vec<u8>)) -> Stored {
    let mut altered = shop.stored.clone();
    alter(&mut altered.archive);
    altered
}
