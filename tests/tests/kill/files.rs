//! Tests that killing the process of a restore into JSON files leaves either the old or the restored files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use koan_backup::prelude::*;

use super::catalog::check_every_backup;
use super::harness::{JobEffect, KillOutcome, OutputTexts, Scenario};
use super::shop::{NAME, Purchase, User, after_the_last_entity, expire_leases};

/// A map from the paths of files to their contents.
type Files = BTreeMap<String, Vec<u8>>;

/// The scenario of a restore into JSON files. Folders with an even number contain documents, the others
/// contain JSON lines.
pub(super) struct KilledFileRestore {
    folder: PathBuf,
    koan: Koan,
    archived: Files,
    before: Files,
}

impl Scenario for KilledFileRestore {
    const TEXTS: OutputTexts =
        OutputTexts { job: "restore of files", before: "before the commit", after: "after it" };

    async fn prepare(folder: &Path, number: u32) -> Self {
        if number.is_multiple_of(2) {
            fs::write(folder.join("documents"), "").expect("written");
        }
        let koan = Self::context(folder).await;
        fill(&koan, 1, 200).await;
        let _ = koan.backup(NAME).await.expect("a backup");
        let archived = data(folder);
        koan.data::<User>().clear().await.expect("cleared");
        fill(&koan, 100, 300).await;
        Self { folder: folder.to_owned(), koan, archived, before: data(folder) }
    }

    fn reset(&self) {
        expire_leases(&self.folder.join("backups"));
        open(&self.folder);
        let root = self.folder.join("data");
        for name in data(&self.folder).keys().filter(|name| !self.before.contains_key(*name)) {
            fs::remove_file(root.join(name)).expect("removed");
        }
        for (name, content) in &self.before {
            fs::write(root.join(name), content).expect("written");
        }
        assert!(data(&self.folder) == self.before);
    }

    async fn context(folder: &Path) -> Koan {
        Koan::builder()
            .provider(open(folder))
            .storage(Storage::local(folder.join("backups")).expect("a directory"))
            .build()
            .await
            .expect("a context")
    }

    async fn work(koan: &Koan, on_last_record: fn()) {
        let restore = koan.restore(NAME).replace_existing();
        let _ = restore.on_event(after_the_last_entity(on_last_record)).await.expect("restored");
    }

    async fn check(&mut self) -> KillOutcome {
        let hidden = self.folder.join("data/.koan");
        let staged = || {
            let names =
                fs::read_dir(&hidden).expect("listed").map(|entry| entry.expect("an entry").file_name());
            names.filter(|name| name.to_string_lossy().starts_with("restore-")).count()
        };
        let leftover = if hidden.join("commit.json").exists() {
            Some("a journal")
        } else if staged() > 0 {
            Some("staged files")
        } else {
            None
        };
        // Opening the directory completes the restore from the journal.
        let _ = open(&self.folder);
        let found = data(&self.folder);
        let effect = if found == self.before {
            JobEffect::NotApplied
        } else if same_records(&found, &self.archived) {
            JobEffect::Applied
        } else {
            panic!(
                "the {} files have neither the content before the restore nor the archived content",
                found.len()
            );
        };
        assert!(!hidden.join("commit.json").exists(), "the journal was not finished");
        let catalog = check_every_backup(&self.koan, &self.folder.join("backups")).await;
        assert_eq!(
            (catalog.backups.len(), catalog.unfinished),
            (1, 0),
            "the restore changed the backup directory"
        );
        KillOutcome { effect, leftover }
    }
}

/// Opens the database of a folder.
fn open(folder: &Path) -> JsonFiles {
    let data = folder.join("data");
    let opened =
        if folder.join("documents").exists() { JsonFiles::documents(data) } else { JsonFiles::lines(data) };
    opened.expect("a directory")
}

/// Writes users and purchases with these ids.
async fn fill(koan: &Koan, from: i64, to: i64) {
    let user = |id| User { id, email: format!("{from}-{id}@example.org"), active: id % 3 == 0 };
    koan.data::<User>().upsert_many((from..to).map(user)).await.expect("written");
    let purchase = |id| Purchase { id, user_id: id, amount: 0.5, note: Some("x".repeat(200)) };
    koan.data::<Purchase>().upsert_many((from..to).map(purchase)).await.expect("written");
}

/// Returns whether two sets of files contain the same records, in any order.
fn same_records(found: &Files, expected: &Files) -> bool {
    let lines = |files: &Files| {
        let mut lines: Vec<(String, String)> = Vec::new();
        for (name, content) in files {
            let entity = name.split('/').next().unwrap_or_default();
            let text = String::from_utf8(content.clone()).expect("UTF-8");
            lines.extend(text.lines().map(|line| (entity.to_owned(), line.to_owned())));
        }
        lines.sort();
        lines
    };
    lines(found) == lines(expected)
}

/// Returns the contents of the files with records, by their paths.
fn data(folder: &Path) -> Files {
    let root = folder.join("data");
    let mut files = Files::new();
    for kind in ["User", "Purchase"] {
        for entry in fs::read_dir(root.join(kind)).expect("listed") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
            files.insert(format!("{kind}/{name}"), fs::read(&path).expect("read"));
        }
    }
    files
}
