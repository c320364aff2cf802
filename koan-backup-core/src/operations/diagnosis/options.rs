//! The options of a diagnosis.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// The default time limit of each check.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// The options of a diagnosis.
#[derive(Clone, Debug)]
pub(crate) struct DiagnosisOptions {
    /// The time limit of each check. A provider or store that does not respond within it is a problem.
    pub(crate) timeout: Duration,
    /// The token that stops the diagnosis.
    pub(crate) cancel: CancellationToken,
}

impl Default for DiagnosisOptions {
    fn default() -> Self {
        Self { timeout: DEFAULT_TIMEOUT, cancel: CancellationToken::new() }
    }
}
