//! The runtime of a program that has none.

use koan_backup_core::{Error, ErrorKind};

use crate::failure::Outcome;

/// Runs the work of a command that has no runtime, on a thread of its own, because the thread of the caller may belong
/// to a runtime.
///
/// # Errors
/// The errors of the work, or no thread can be started.
pub(crate) fn in_own_runtime<T: Send>(work: impl AsyncFnOnce() -> Outcome<T> + Send) -> Outcome<T> {
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| blocked_on(work)).join();
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?
}

/// Runs work in a runtime of its own.
///
/// # Errors
/// No thread can be started.
pub(crate) fn blocked_on<T>(work: impl AsyncFnOnce() -> T) -> Outcome<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::with_source(ErrorKind::Internal, "no thread can be started", source))?;
    let ended = runtime.block_on(work());
    // What is still running has no effect any more, for example a read that does not end after an interruption.
    runtime.shutdown_background();
    Ok(ended)
}
