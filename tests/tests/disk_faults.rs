//! A disk on which opening, writing, syncing or renaming fails, by `libfiu` below a child process: nothing is published that is
//! not whole, what was there stays, and the error says where.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use koan_backup::KoanBuilder;
use koan_backup::prelude::*;
use koan_backup_tests::chance::say;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

#[derive(Debug, Serialize, Deserialize, Entity)]
struct User {
    id: i64,
    name: String,
}

const FOLDER: &str = "KOAN_BACKUP_DISK_FOLDER";
const CHILD: &str = "a_backup_in_the_process_whose_disk_fails";
const READY: &str = "ready";
const ENDED: &str = "ended: ";
const COMPLETED: &str = "Completed";

/// Calls that fail, as `libfiu` names them, and with what: `EIO`, or `ENOSPC`.
const CALLS: [(&str, u32); 8] = [
    ("posix/io/oc/open", 5),
    ("posix/io/rw/write", 5),
    ("posix/io/rw/write", 28),
    ("posix/io/rw/pwrite", 28),
    ("posix/io/sync/fsync", 5),
    ("posix/io/dir/rename", 5),
    ("posix/io/dir/link", 5),
    ("posix/io/rw/pread", 5),
];

fn builder(folder: &Path) -> KoanBuilder {
    Koan::builder()
        .provider("main", Sqlite::open(folder.join("shop.db")).expect("opened"))
        .storage("local", Storage::local(folder.join("backups")).expect("a directory"))
}

/// In the child: waits until its disk fails, backs up, and tells how it ended.
#[tokio::test]
async fn a_backup_in_the_process_whose_disk_fails() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let koan = builder(Path::new(&folder)).build().await.expect("a context");
    say(READY);
    std::io::stdin().lines().next().expect("a word").expect("readable");
    let ended = koan.backup("nightly").await;
    let told = match &ended {
        Ok(report) => format!("{:?}", report.status()),
        Err(error) => format!("{:?}: {}", error.kind(), error.chain().replace('\n', " ")),
    };
    say(&format!("{ENDED}{told}"));
    // Ends when whoever waits for it has read that.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new("fiu-run")
            .args(["-x", "-f"])
            .arg(folder)
            .arg(std::env::current_exe().expect("this program"))
            .args(["--exact", CHILD, "--nocapture"])
            .env(FOLDER, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`tests/setup` installs fiu-run");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, output }
    }

    /// What it says after `word`.
    fn hear(&mut self, word: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(
                self.output.read_line(&mut line).expect("readable") > 0,
                "it ended before it said `{word}`"
            );
            if let Some((_, rest)) = line.split_once(word) {
                return rest.trim().to_owned();
            }
        }
    }

    /// Has every such call fail from now on.
    fn fail(&self, folder: &Path, call: &str, errno: u32) {
        let command = format!("enable name={call},failinfo={errno}");
        let control = Command::new("fiu-ctrl")
            .args([
                "-f".as_ref(),
                folder.as_os_str(),
                "-c".as_ref(),
                command.as_ref(),
                self.child.id().to_string().as_ref(),
            ])
            .status();
        assert!(control.expect("`tests/setup` installs fiu-ctrl").success(), "{call}");
    }

    fn end(mut self) {
        drop(self.child.stdin.take());
        self.child.wait().expect("gone");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_publishes_nothing_and_is_told() {
    let folder = tempfile::tempdir().expect("a directory");
    Connection::open(folder.path().join("shop.db"))
        .expect("a database")
        .execute_batch(
            "CREATE TABLE user (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
             INSERT INTO user SELECT i, hex(randomblob(400)) FROM n;",
        )
        .expect("rows");
    let koan = builder(folder.path()).build().await.expect("a context");
    let first = koan.backup("nightly").await.expect("a backup");
    let (mut refused, mut known) = (Vec::new(), 1);
    for (call, errno) in CALLS {
        let mut process = Process::start(folder.path());
        process.hear(READY);
        process.fail(folder.path(), call, errno);
        process.child.stdin.as_mut().expect("piped").write_all(b"go\n").expect("written");
        let told = process.hear(ENDED);
        process.end();
        known = check(&koan, known, call, &told).await;
        if told != COMPLETED {
            assert!(told.starts_with("Storage: ") || told.starts_with("Provider: "), "{call}: {told}");
            assert!(
                told.contains("os error") || told.contains("I/O") || told.contains("unable to open"),
                "{call}: {told}"
            );
            refused.push((call, errno));
        }
    }
    assert!(koan.verify(first.id()).await.expect("verified").is_valid(), "the backup that was there before");
    println!("calls that failed: tried {}, backups refused {}", CALLS.len(), refused.len());
    for needed in ["posix/io/oc/open", "posix/io/rw/write", "posix/io/sync/fsync"] {
        assert!(refused.iter().any(|(call, _)| *call == needed), "{needed} made nothing fail: {refused:?}");
    }
}

/// Every backup that is complete is whole, and there is one more exactly if the process said so.
async fn check(koan: &Koan, known: usize, call: &str, told: &str) -> usize {
    let manifests = koan.backups().await.expect("listed");
    let complete: Vec<_> = manifests.iter().filter(|manifest| manifest.status.is_complete()).collect();
    for manifest in &complete {
        assert!(koan.verify(manifest.id).await.expect("verified").is_valid(), "{call}: {told}");
    }
    let said = usize::from(told == COMPLETED);
    assert_eq!(complete.len(), known + said, "{call}: the process said `{told}`");
    complete.len()
}
