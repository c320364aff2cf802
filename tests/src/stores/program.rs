//! A server process that runs until it is dropped.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server process with its own folder, which runs until the value is dropped.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

/// The parameters to start a server.
pub(super) struct Start<'a> {
    /// The name of the server, for messages.
    pub(super) name: &'a str,
    /// The environment variable that contains the path of the program, if `tests/setup` did not install it.
    pub(super) variable: &'a str,
    /// The path at which `tests/setup` installs the program.
    pub(super) installed: &'a str,
    /// Returns the arguments of the program for a port and a folder.
    pub(super) arguments: &'a dyn Fn(u16, &Path) -> Vec<String>,
    /// Returns whether the server responds.
    pub(super) is_ready: &'a dyn Fn(u16) -> bool,
}

impl Program {
    /// Starts the server and waits until it responds.
    ///
    /// # Panics
    /// Panics if the program is not installed or does not start, because a test that needs it must not pass.
    pub(super) fn start(start: &Start<'_>) -> Self {
        let program = start.program();
        let mut logs = Vec::new();
        for _ in 0..3 {
            let folder = tempfile::Builder::new().prefix("koan-store-").tempdir().expect("a directory");
            let data = folder.path().join("data");
            fs::create_dir(&data).expect("a directory");
            let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
            let port = address.expect("a free port").port();
            let log = File::create(folder.path().join("log")).expect("a log");
            // The server ends if the test is killed.
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL"]).arg(&program).args((start.arguments)(port, &data));
            command.current_dir(folder.path()).stdin(Stdio::null());
            command.stdout(log.try_clone().expect("a log")).stderr(log);
            let child = command.spawn().expect("`setpriv` of util-linux is installed");
            let mut server = Self { child, port, folder };
            let began = Instant::now();
            while began.elapsed() < crate::wait::HANG_TIMEOUT && server.is_running() {
                if (start.is_ready)(port) {
                    return server;
                }
                std::thread::sleep(Duration::from_millis(30));
            }
            logs.push(fs::read_to_string(server.folder.path().join("log")).unwrap_or_default());
        }
        panic!("{} did not start; the logs of the attempts: {logs:?}", start.name);
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the folder for the data of a server that stores its data on disk.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Start<'_> {
    /// Returns the path of the program.
    ///
    /// # Panics
    /// Panics if the program is not installed.
    fn program(&self) -> PathBuf {
        let configured = std::env::var_os(self.variable).map(PathBuf::from);
        let program = configured.unwrap_or_else(|| Path::new("/opt/koan-backup-test").join(self.installed));
        assert!(
            program.is_file(),
            "{} is not at {}: run tests/setup, or set {} to the path of the program",
            self.name,
            program.display(),
            self.variable
        );
        program
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
