//! A server process that runs until it is dropped.

use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::not_run::print_line;

/// A server process with its own folder, which runs until the value is dropped.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    /// The first port of the server.
    port: u16,
    folder: tempfile::TempDir,
}

/// The parameters to start a server that listens on `PORTS` ports.
#[derive(Clone, Copy)]
pub(super) struct Start<const PORTS: usize> {
    /// The name of the server, for messages.
    pub(super) name: &'static str,
    /// The environment variable that contains the path of the program, if no setup script installed it.
    pub(super) variable: &'static str,
    /// The script that installs the program.
    pub(super) setup: &'static str,
    /// The path at which the script installs the program.
    pub(super) installed: &'static str,
    /// Adds the arguments and environment variables of the program for free ports and a folder.
    pub(super) prepare: fn(&mut Command, [u16; PORTS], &Path),
    /// Returns whether the server responds on its first port.
    pub(super) is_ready: fn(u16) -> bool,
}

impl Program {
    /// Starts the server and waits until it responds.
    ///
    /// # Panics
    /// Panics if the program is not installed or does not start, because a test that needs it must not pass.
    pub(super) fn start<const PORTS: usize>(start: &Start<PORTS>) -> Self {
        let program = start.program().unwrap_or_else(|missing| panic!("{missing}"));
        let mut logs = Vec::new();
        for _ in 0..3 {
            let folder = tempfile::Builder::new().prefix("koan-store-").tempdir().expect("a directory");
            let data = folder.path().join("data");
            fs::create_dir(&data).expect("a directory");
            let ports = free_ports::<PORTS>();
            let port = *ports.first().expect("a server has a port");
            let log = File::create(folder.path().join("log")).expect("a log");
            // The server ends if the test is killed.
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL"]).arg(&program);
            (start.prepare)(&mut command, ports, &data);
            command.current_dir(folder.path()).stdin(Stdio::null());
            command.stdout(log.try_clone().expect("a log")).stderr(log);
            let child = spawn(command).expect("`setpriv` of util-linux is installed");
            let mut server = Self { child, port, folder };
            let began = Instant::now();
            while began.elapsed() < crate::wait::HANG_TIMEOUT && server.is_running() {
                if (start.is_ready)(port) {
                    return server;
                }
                thread::sleep(Duration::from_millis(30));
            }
            logs.push(fs::read_to_string(server.folder.path().join("log")).unwrap_or_default());
        }
        panic!("{} did not start; the logs of the attempts: {logs:?}", start.name);
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the URL of a server that uses HTTP.
    pub(super) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the folder for the data of a server that stores its data on disk.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl<const PORTS: usize> Start<PORTS> {
    /// Returns whether the server is installed. If it is not, prints that a test that needs it does not run.
    pub(super) fn is_installed(&self) -> bool {
        self.program().map_err(|missing| print_line(&format!("NOT RUN: {missing}"))).is_ok()
    }

    /// Returns the path of the program, or a message that says how to install it.
    fn program(&self) -> Result<PathBuf, String> {
        let configured = std::env::var_os(self.variable).map(PathBuf::from);
        let program = configured.unwrap_or_else(|| Path::new("/opt/koan-backup-test").join(self.installed));
        if program.is_file() {
            return Ok(program);
        }
        Err(format!(
            "{} is not at {}: run {}, or set {} to the path of the program",
            self.name,
            program.display(),
            self.setup,
            self.variable
        ))
    }
}

/// Starts a process on a thread that does not end, because `--pdeathsig` ends the process together with the
/// thread that started it.
fn spawn(command: Command) -> io::Result<Child> {
    type Request = (Command, mpsc::Sender<io::Result<Child>>);
    static STARTER: LazyLock<mpsc::Sender<Request>> = LazyLock::new(|| {
        let (starter, requests) = mpsc::channel::<Request>();
        thread::spawn(move || {
            for (mut command, answer) in requests {
                let _ = answer.send(command.spawn());
            }
        });
        starter
    });
    let (answer, child) = mpsc::channel();
    STARTER.send((command, answer)).expect("the thread does not end");
    child.recv().expect("the thread answers")
}

/// Returns ports that no program uses. They differ from each other.
fn free_ports<const PORTS: usize>() -> [u16; PORTS] {
    // All ports are acquired before the first one is released.
    let listeners: [TcpListener; PORTS] =
        std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("the listener is bound to a port").port())
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
