//! Programs that print a secret.

use std::io::Read as _;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use koan_backup_core::{ChildGroup, Error, ErrorKind, Result};
use tokio_util::sync::CancellationToken;

/// The maximum number of bytes that a program may print.
const MAX_OUTPUT_BYTES: u64 = 64 << 10;
/// The default limit of the duration of a program.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// The interval in which a waiting thread checks for a cancellation and for the end of the program.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// The limits of a program that prints a secret.
#[derive(Clone, Debug)]
pub(crate) struct CommandLimits {
    pub(crate) timeout: Duration,
    pub(crate) cancel: CancellationToken,
}

impl Default for CommandLimits {
    fn default() -> Self {
        Self { timeout: COMMAND_TIMEOUT, cancel: CancellationToken::new() }
    }
}

/// Returns the output of a program. If it exceeds a limit, it is killed with the processes that it has started.
///
/// # Errors
/// The program cannot be started, fails, exceeds a limit, or prints text that is not UTF-8. The error contains only the
/// name of the program, because its arguments may be secrets.
pub(super) fn output(command: &[String], limits: &CommandLimits) -> Result<String> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Error::new(ErrorKind::Configuration, "the command of a secret is empty".to_owned())
            .with_help("write the program and its arguments"));
    };
    let failed = |problem: &str| {
        let text = format!("the command `{program}`, which prints a secret, {problem}");
        Error::new(ErrorKind::Configuration, text)
    };
    if limits.cancel.is_cancelled() {
        return Err(Error::cancelled());
    }
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    ChildGroup::prepare(&mut command);
    let child = command.spawn().map_err(|source| {
        let text = format!("the command `{program}`, which prints a secret, could not be started");
        Error::with_source(ErrorKind::Configuration, text, source)
    })?;
    let mut running = Running { group: Some(ChildGroup::of(Some(child.id()))), child };
    let started = Instant::now();
    let remaining = || match limits.cancel.is_cancelled() {
        true => Err(Error::cancelled()),
        false => limits.timeout.checked_sub(started.elapsed()).ok_or_else(|| {
            let limit = duration_text(limits.timeout);
            failed(&format!("did not end within {limit}")).with_help(
                "execute the command in a terminal, and check whether it waits for input or for a server",
            )
        }),
    };
    let printed = match running.child.stdout.take() {
        None => Vec::new(),
        Some(stdout) => {
            let receiver = read(stdout);
            loop {
                match receiver.recv_timeout(remaining()?.min(CHECK_INTERVAL)) {
                    Ok(Some(printed)) => break printed,
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(None) | Err(RecvTimeoutError::Disconnected) => {
                        return Err(failed("has an output that could not be read"));
                    }
                }
            }
        }
    };
    if u64::try_from(printed.len()).is_ok_and(|length| length > MAX_OUTPUT_BYTES) {
        return Err(failed("printed more than 64 KiB, which is the limit for a secret")
            .with_help("print only the secret"));
    }
    // A program may close its output before it ends.
    let status = loop {
        match running.child.try_wait().map_err(|_| failed("could not be waited for"))? {
            Some(status) => break running.ended(status),
            None => std::thread::sleep(remaining()?.min(CHECK_INTERVAL)),
        }
    };
    // The standard error of the program may contain secrets, so only the exit status is reported.
    if !status.success() {
        return Err(failed(&format!("failed: {status}")));
    }
    String::from_utf8(printed).map_err(|_| failed("printed text that is not UTF-8"))
}

/// A program that is killed when this value is dropped before its end.
#[derive(Debug)]
struct Running {
    child: Child,
    group: Option<ChildGroup>,
}

impl Running {
    /// Keeps what the program has started, because it has ended.
    fn ended(&mut self, status: ExitStatus) -> ExitStatus {
        self.group.take().into_iter().for_each(ChildGroup::keep);
        status
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group.take() {
            drop(group);
            // The program may have ended meanwhile.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Reads the output of a program on a thread, because a read cannot be cancelled. `None` means that the read failed.
fn read(stdout: ChildStdout) -> Receiver<Option<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut printed = Vec::new();
        let read = stdout.take(MAX_OUTPUT_BYTES + 1).read_to_end(&mut printed);
        // The receiver does not exist any more after the time limit.
        let _ = sender.send(read.is_ok().then_some(printed));
    });
    receiver
}

/// Returns a time limit as people say it.
fn duration_text(limit: Duration) -> String {
    match limit.as_secs() {
        0 => format!("{} milliseconds", limit.as_millis()),
        1 => "1 second".to_owned(),
        60 => "a minute".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}
