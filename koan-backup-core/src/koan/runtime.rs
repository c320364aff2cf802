//! Checks the async runtime.

use std::collections::HashSet;
use std::panic;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::runtime::{Handle, Id};

use crate::foundation::error::{Error, ErrorKind, Result};

/// The runtimes that are known to have timers. The lock also ensures that only one thread at a time
/// replaces the panic hook.
static WITH_TIMERS: Mutex<Option<HashSet<Id>>> = Mutex::new(None);

/// The maximum number of runtimes in [`WITH_TIMERS`].
const MAX_KNOWN_RUNTIMES: usize = 1024;

/// Returns `operation` as a future that fails at once outside of a runtime with timers.
pub(super) fn in_runtime<T: 'static>(
    operation: impl Future<Output = Result<T>> + Send + 'static,
) -> BoxFuture<'static, Result<T>> {
    Box::pin(async move {
        require_timers()?;
        operation.await
    })
}

/// Refuses to work outside of a Tokio runtime with timers. Timeouts for databases and stores need them, and
/// would panic later.
pub(super) fn require_timers() -> Result<()> {
    let problem = match Handle::try_current() {
        Ok(runtime) if has_timers(runtime.id()) => return Ok(()),
        Ok(_) => "the Tokio runtime has no timers",
        Err(error) if error.is_thread_local_destroyed() => "the Tokio runtime of this thread has ended",
        Err(_) => "there is no Tokio runtime",
    };
    Err(Error::new(
        ErrorKind::Configuration,
        format!(
            "{problem}; await the operation in a runtime with timers: use `#[tokio::main]`, or build the runtime \
             with `tokio::runtime::Builder` and `enable_all`"
        ),
    ))
}

/// Returns whether the current runtime, which has this id, has timers.
fn has_timers(runtime: Id) -> bool {
    // Tokio reports missing timers only by a panic. The panic cannot be caught in these two cases, which are tested
    // before the lock, because a panic hook that waits for it would block the thread that replaces the hook.
    if cfg!(panic = "abort") || std::thread::panicking() {
        return true;
    }
    let mut known = WITH_TIMERS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if known.contains(&runtime) {
        return true;
    }
    let has_timers = !panics_silently(|| drop(tokio::time::sleep(Duration::ZERO)));
    if has_timers {
        if known.len() >= MAX_KNOWN_RUNTIMES {
            known.clear();
        }
        known.insert(runtime);
    }
    has_timers
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
