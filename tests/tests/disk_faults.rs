//! Backups on a disk on which opening, reading, syncing or renaming fails, injected by `libfiu` into a child
//! process. No incomplete backup is published, existing backups stay, and the error describes the failure.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use koan_backup::KoanBuilder;
use koan_backup::prelude::*;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

#[derive(Debug, Serialize, Deserialize, Entity)]
struct User {
    id: i64,
    name: String,
}

const FOLDER: &str = "KOAN_BACKUP_DISK_FOLDER";
const TEST: &str = "a_disk_that_fails_publishes_nothing_and_is_told";
const PORT: &str = "KOAN_BACKUP_DISK_PORT";

/// The calls that fail, by their names in `libfiu`, and the error number, which is `EIO`. `write` is not
/// among them because the runtime also uses it to wake its threads. `storage_faults` tests a full disk with a
/// separate mount.
const CALLS: [(&str, u32); 4] = [
    ("posix/io/oc/open", 5),
    ("posix/io/sync/fsync", 5),
    ("posix/io/dir/rename", 5),
    ("posix/io/rw/pread", 5),
];

fn builder(folder: &Path) -> KoanBuilder {
    Koan::builder()
        .provider("main", Sqlite::open(folder.join("shop.db")).expect("opened"))
        .storage("local", Storage::local(folder.join("backups")).expect("a directory"))
        .state_directory(folder.join("state"))
}

/// Waits for a byte from the parent process, backs up on the disk that now fails, and sends the result to the
/// parent.
async fn back_up_on_a_disk_that_fails(folder: &Path, port: u16) {
    let koan = builder(folder).build().await.expect("a context");
    // The result is not sent by standard output, which fails together with the disk.
    let mut parent = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a parent");
    parent.read_exact(&mut [0]).expect("a word");
    // Each process uses its own backup name, because a lease that cannot be released is held until it
    // expires.
    let told = match koan.backup(format!("nightly {}", std::process::id())).await {
        Ok(report) => format!("{:?}", report.status()),
        Err(error) => format!("{:?}: {}", error.kind(), error.chain().replace('\n', " ")),
    };
    parent.write_all(told.as_bytes()).expect("heard");
}

struct Process {
    child: Child,
    talk: TcpStream,
}

impl Process {
    /// Starts a child process, which waits for a byte before its backup.
    fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let child = Command::new("fiu-run")
            .args(["-x", "-f"])
            .arg(folder)
            .arg(std::env::current_exe().expect("this program"))
            .args(["--exact", TEST])
            .env(FOLDER, folder)
            .env(PORT, listener.local_addr().expect("bound").port().to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("`tests/setup` installs fiu-run");
        let (talk, _) = listener.accept().expect("it begins");
        talk.set_read_timeout(Some(koan_backup_tests::wait::HANG_TIMEOUT)).expect("set");
        Self { child, talk }
    }

    /// Starts the backup, waits for its end, and returns its result.
    fn ended(mut self) -> String {
        self.talk.write_all(b"!").expect("heard");
        let mut told = String::new();
        self.talk.read_to_string(&mut told).expect("it ends");
        self.child.wait().expect("gone");
        told
    }

    /// Makes every such call of the child process fail from now on.
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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_publishes_nothing_and_is_told() {
    if let (Some(folder), Ok(port)) = (std::env::var_os(FOLDER), std::env::var(PORT)) {
        // This is the child process, whose disk fails.
        return back_up_on_a_disk_that_fails(Path::new(&folder), port.parse().expect("a port")).await;
    }
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
    for (call, errno) in CALLS {
        let process = Process::start(folder.path());
        process.fail(folder.path(), call, errno);
        let told = process.ended();
        check(&koan, call, &told).await;
        assert!(told.starts_with("Storage: ") || told.starts_with("Provider: "), "{call}: {told}");
        assert!(
            told.contains("os error") || told.contains("I/O") || told.contains("unable to open"),
            "{call}: {told}"
        );
    }
    assert!(koan.verify(first.id()).await.expect("verified").is_valid(), "the backup that was there before");
    println!("calls that failed: tried {0}, backups refused {0}", CALLS.len());
}

/// Verifies that the first backup is the only complete one, and that it is valid.
async fn check(koan: &Koan, call: &str, told: &str) {
    let manifests = koan.backups().await.expect("listed");
    let complete: Vec<_> = manifests.iter().filter(|manifest| manifest.status.is_complete()).collect();
    assert_eq!(complete.len(), 1, "{call}: the process said `{told}`");
    for manifest in &complete {
        assert!(koan.verify(manifest.id).await.expect("verified").is_valid(), "{call}: {told}");
    }
}
