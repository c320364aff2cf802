//! Checks the async runtime.

use std::collections::HashSet;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::runtime::{Handle, Id};

use crate::foundation::error::{Error, ErrorKind, Result};

/// A driver of a runtime, which its builder enables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Driver {
    Timers,
    /// Sockets and child processes.
    Io,
}

/// The drivers that runtimes are known to have. The lock also ensures that only one thread at a time replaces the
/// panic hook.
static KNOWN_DRIVERS: Mutex<Option<HashSet<(Id, Driver)>>> = Mutex::new(None);

/// The maximum number of entries in [`KNOWN_DRIVERS`].
const MAX_KNOWN_DRIVERS: usize = 1024;

/// Returns `operation` as a future that fails at once outside of a runtime with timers.
pub(crate) fn in_runtime<T: 'static>(
    operation: impl Future<Output = Result<T>> + Send + 'static,
) -> BoxFuture<'static, Result<T>> {
    Box::pin(async move {
        require_timers()?;
        operation.await
    })
}

/// Refuses to work outside of a Tokio runtime with timers. Timeouts for databases and stores need them, and
/// would panic later.
pub(crate) fn require_timers() -> Result<()> {
    require(Driver::Timers, "the Tokio runtime has no timers")
}

/// Refuses to work outside of a Tokio runtime with IO, which connections and child processes need.
///
/// # Errors
/// The runtime has no IO, or there is no runtime.
pub fn require_io() -> Result<()> {
    require(Driver::Io, "the Tokio runtime has no IO, which network connections and commands need")
}

fn require(driver: Driver, without_driver: &str) -> Result<()> {
    let problem = match Handle::try_current() {
        Ok(runtime) if has(driver, runtime.id()) => return Ok(()),
        Ok(_) => without_driver,
        Err(error) if error.is_thread_local_destroyed() => "the Tokio runtime of this thread has ended",
        Err(_) => "there is no Tokio runtime",
    };
    Err(Error::new(
        ErrorKind::Configuration,
        format!(
            "{problem}; await the operation in a runtime with timers and IO: use `#[tokio::main]`, or build the \
             runtime with `tokio::runtime::Builder` and `enable_all`"
        ),
    ))
}

/// Returns whether the current runtime, which has this id, has a driver.
fn has(driver: Driver, runtime: Id) -> bool {
    // Tokio reports a missing driver only by a panic. The panic cannot be caught in these two cases, which are tested
    // before the lock, because a panic hook that waits for it would block the thread that replaces the hook.
    if cfg!(panic = "abort") || std::thread::panicking() {
        return true;
    }
    let mut known = KNOWN_DRIVERS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if known.contains(&(runtime, driver)) {
        return true;
    }
    let mut was_tried = true;
    let has_driver = !panics_silently(AssertUnwindSafe(|| match driver {
        Driver::Timers => drop(tokio::time::sleep(Duration::ZERO)),
        Driver::Io => match socket() {
            // Whether the registration succeeds does not matter, only whether there is something that registers.
            Ok(socket) => drop(register(socket)),
            Err(_) => was_tried = false,
        },
    }));
    if has_driver && was_tried {
        if known.len() >= MAX_KNOWN_DRIVERS {
            known.clear();
        }
        known.insert((runtime, driver));
    }
    has_driver
}

#[cfg(unix)]
fn socket() -> std::io::Result<std::os::unix::net::UnixStream> {
    let (socket, _) = std::os::unix::net::UnixStream::pair()?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(unix)]
fn register(socket: std::os::unix::net::UnixStream) -> std::io::Result<tokio::net::UnixStream> {
    tokio::net::UnixStream::from_std(socket)
}

#[cfg(not(unix))]
fn socket() -> std::io::Result<std::net::UdpSocket> {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(not(unix))]
fn register(socket: std::net::UdpSocket) -> std::io::Result<tokio::net::UdpSocket> {
    tokio::net::UdpSocket::from_std(socket)
}

/// Returns whether `work` panics. The panic hook of the application is not called for this panic.
fn panics_silently(work: impl FnOnce() + panic::UnwindSafe) -> bool {
    let hook = Arc::new(panic::take_hook());
    let (of_others, this_thread) = (Arc::clone(&hook), std::thread::current().id());
    panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() != this_thread {
            of_others(info);
        }
    }));
    let has_panicked = panic::catch_unwind(work).is_err();
    drop(panic::take_hook());
    panic::set_hook(Arc::try_unwrap(hook).unwrap_or_else(|shared| Box::new(move |info| shared(info))));
    has_panicked
}
