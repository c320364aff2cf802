//! A server in another process, which a test can kill.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Child;

use koan_backup_http_tests::Server;
use koan_backup_tests::random_seed::print_line;
use koan_backup_tests::test_process;

use crate::client::Remote;

/// The environment variable with the folder of the server, in the other process.
const FOLDER: &str = "KOAN_BACKUP_HTTP_FOLDER";
/// The text before the address of the server.
const ADDRESS: &str = "the server listens at ";

/// A server in another process, which ends with this value.
pub(crate) struct ServerProcess {
    child: Child,
    /// A client of the server.
    pub(crate) remote: Remote,
}

impl ServerProcess {
    /// Starts a process that runs `test`, which calls [`serve`](Self::serve), and waits until its server listens.
    pub(crate) fn start(test: &str, folder: &Path) -> Self {
        let (child, lines) = test_process::start_test(test, FOLDER, folder);
        loop {
            let line = lines.recv().expect("the process prints the address of its server");
            if let Some((_, url)) = line.split_once(ADDRESS) {
                return Self { child, remote: Remote::new(url) };
            }
        }
    }

    /// Returns the folder of the server, in the other process.
    pub(crate) fn folder() -> Option<PathBuf> {
        std::env::var_os(FOLDER).map(PathBuf::from)
    }

    /// Prints the address of the server, in the other process, and waits until the first process has ended.
    pub(crate) async fn serve(server: Server) {
        print_line(&format!("{ADDRESS}{}", server.url));
        let input = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        // The result does not matter: the first process has ended.
        let _ = input.await;
    }

    /// Returns the peak memory of the process.
    pub(crate) fn peak_memory_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the process runs on Linux");
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
        let kilobytes: u64 = kilobytes.expect("the peak memory").trim().parse().expect("a number");
        kilobytes * 1024
    }

    /// Kills the process, and waits until it has ended.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // A process that has already ended cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.end();
    }
}
