//! Interruption: Ctrl-C, or a signal that ends the process.

use std::io;
#[cfg(unix)]
use std::sync::Arc;
#[cfg(unix)]
use std::sync::atomic::AtomicBool;

use koan_backup_core::{Error, ErrorKind, Result};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Waits for interruptions while a command runs. The first one cancels the work, and the second one ends the
/// process.
#[derive(Debug)]
pub(crate) struct Interrupt {
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl Interrupt {
    /// Begins to wait.
    ///
    /// # Errors
    /// The runtime has no IO, or the system does not report signals to this process.
    pub(crate) fn begin(output: &Output) -> Result<Self> {
        koan_backup_core::provider::require_io()?;
        Self::watch(output).map_err(|source| {
            Error::with_source(ErrorKind::Internal, "the process cannot wait for signals", source)
        })
    }

    fn watch(output: &Output) -> Result<Self, io::Error> {
        let mut signals = Signals::new()?;
        let (cancel, output) = (CancellationToken::new(), output.clone());
        let token = cancel.clone();
        let task = tokio::spawn(async move {
            signals.next().await;
            token.cancel();
            output.note("interrupted: undoing what was begun; press Ctrl-C again to exit at once");
            // On Unix, the handler of the system ends the process at the next signal.
            #[cfg(windows)]
            {
                signals.next().await;
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
        });
        Ok(Self { cancel, task })
    }

    /// Returns the token that the first interruption cancels.
    pub(crate) fn token(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Runs work that has nothing to undo. It is dropped when the command is interrupted.
    ///
    /// # Errors
    /// The errors of the work, or the command was interrupted.
    pub(crate) async fn until_interrupted<T>(&self, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        tokio::select! {
            biased;
            result = work => result,
            () = self.cancel.cancelled() => Err(Failure::interrupted()),
        }
    }

    /// Treats a hang-up of the terminal like the first Ctrl-C from now on. Before, it ends the process at once, and not
    /// at all if the process was started with `nohup`.
    ///
    /// # Errors
    /// The system does not report signals to this process.
    #[cfg(unix)]
    pub(crate) fn begin_hang_up(&self) -> Result<(), io::Error> {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut hang_up, cancel) = (signal(SignalKind::hangup())?, self.cancel.clone());
        tokio::spawn(async move {
            hang_up.recv().await;
            cancel.cancel();
        });
        Ok(())
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(unix)]
#[derive(Debug)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> Result<Self, io::Error> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        use signal_hook::flag;
        use tokio::signal::unix::{SignalKind, signal};
        // The handler of the system ends the process, because a runtime that waits for a stuck thread runs no
        // task. The first signal sets the flag, after which the next one ends the process.
        let is_interrupted = Arc::new(AtomicBool::new(false));
        for number in [SIGINT, SIGTERM] {
            let code = i32::from(Exit::Interrupted.code());
            flag::register_conditional_shutdown(number, code, Arc::clone(&is_interrupted))?;
            flag::register(number, Arc::clone(&is_interrupted))?;
        }
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
#[derive(Debug)]
struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
}

#[cfg(windows)]
impl Signals {
    fn new() -> Result<Self, io::Error> {
        Ok(Self { interrupt: tokio::signal::windows::ctrl_c()? })
    }

    async fn next(&mut self) {
        self.interrupt.recv().await;
    }
}
