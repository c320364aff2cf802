//! Checks the async runtime.

use std::time::Duration;

use crate::foundation::error::{Error, ErrorKind, Result};

/// Refuses a runtime without timers. Timeouts for databases and stores need them, and would panic later.
pub(super) fn require_timers() -> Result<()> {
    // Tokio reports missing timers only by a panic.
    std::panic::catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))).map_err(|_| {
        Error::new(
            ErrorKind::Configuration,
            "there is no Tokio runtime with timers: use `#[tokio::main]`, or build the runtime with \
             `enable_time`",
        )
    })
}
