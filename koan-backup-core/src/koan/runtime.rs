//! What is asked of the runtime.

use std::time::Duration;

use crate::foundation::error::{Error, ErrorKind, Result};

/// Refuses a runtime without timers: whoever gives up waits for a database or a store so long and no longer, and must not find
/// out only then.
pub(super) fn require_timers() -> Result<()> {
    // Tokio tells by a panic alone.
    std::panic::catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))).map_err(|_| {
        Error::new(
            ErrorKind::Configuration,
            "there is no Tokio runtime with timers: use `#[tokio::main]`, or build the runtime with `enable_time`",
        )
    })
}
