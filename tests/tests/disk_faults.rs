//! Tests backups on a disk on which opening, reading, syncing or renaming fails. `libfiu` injects the
//! failures into a child process. No incomplete backup is published, existing backups stay, and the error
//! describes the failure.

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

/// The environment variable that contains the folder of the child process.
const FOLDER: &str = "KOAN_BACKUP_DISK_FOLDER";
const TEST: &str = "a_failing_disk_publishes_no_backup_and_is_reported";
/// The environment variable that contains the port on which the parent process listens.
const PORT: &str = "KOAN_BACKUP_DISK_PORT";

/// The calls that fail, by their names in `libfiu`, with the error number `EIO`. `write` is not tested here,
/// because the runtime also uses `write` to wake its threads. `storage_faults` tests a full disk with a
/// separate mount.
const CALLS: [(&str, u32); 4] = [
    ("posix/io/oc/open", 5),
    ("posix/io/sync/fsync", 5),
    ("posix/io/dir/rename", 5),
    ("posix/io/rw/pread", 5),
];

fn builder(folder: &Path) -> KoanBuilder {
    Koan::builder()
        .provider(Sqlite::open(folder.join("shop.db")).expect("opened"))
        .storage(Storage::local(folder.join("backups")).expect("a directory"))
        .state_directory(folder.join("state"))
}

/// Waits for a byte from the parent process, backs up on the disk that now fails, and sends the result to the
/// parent.
async fn back_up_on_a_disk_that_fails(folder: &Path, port: u16) {
    let koan = builder(folder).build().await.expect("a context");
    // The result is not sent by standard output, which fails together with the disk.
    let mut parent = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a parent");
    parent.read_exact(&mut [0]).expect("a byte of the parent");
    // Each process uses another backup name, because a lease that cannot be released is valid until it
    // expires.
    let result = match koan.backup(format!("nightly {}", std::process::id())).await {
        Ok(report) => format!("{:?}", report.status()),
        Err(error) => format!("{:?}: {}", error.kind(), error.chain().replace('\n', " ")),
    };
    parent.write_all(result.as_bytes()).expect("sent to the parent");
}

/// A child process, whose disk can be made to fail, and the connection to it.
struct Process {
    child: Child,
    connection: TcpStream,
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
            .env(PORT, listener.local_addr().expect("the listener is bound to a port").port().to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("`tests/setup` installs fiu-run");
        let (connection, _) = listener.accept().expect("the child process connects");
        connection
            .set_read_timeout(Some(koan_backup_tests::wait::HANG_TIMEOUT))
            .expect("the read timeout is set");
        Self { child, connection }
    }

    /// Starts the backup, waits for its end, and returns its result.
    fn run(mut self) -> String {
        self.connection.write_all(b"!").expect("sent to the child");
        let mut result = String::new();
        self.connection.read_to_string(&mut result).expect("the result of the child");
        self.child.wait().expect("the child ends");
        result
    }

    /// Makes every call of this function fail in the child process from now on, with this error number.
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
async fn a_failing_disk_publishes_no_backup_and_is_reported() {
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
        let result = process.run();
        check(&koan, call, &result).await;
        assert!(result.starts_with("Storage: ") || result.starts_with("Provider: "), "{call}: {result}");
        assert!(
            result.contains("os error") || result.contains("I/O") || result.contains("unable to open"),
            "{call}: {result}"
        );
    }
    assert!(koan.verify(first.id()).await.expect("verified").is_valid(), "the first backup was damaged");
    println!("calls that failed: tried {0}, backups refused {0}", CALLS.len());
}

/// Verifies that the first backup is the only complete one, and that it is valid.
async fn check(koan: &Koan, call: &str, result: &str) {
    let manifests = koan.backups().await.expect("listed");
    let complete: Vec<_> = manifests.iter().filter(|manifest| manifest.status.is_complete()).collect();
    assert_eq!(complete.len(), 1, "{call}: the result of the child process is `{result}`");
    for manifest in &complete {
        assert!(koan.verify(manifest.id).await.expect("verified").is_valid(), "{call}: {result}");
    }
}
