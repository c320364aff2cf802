//! How backups are sealed for other recipients.

use tokio_util::sync::CancellationToken;

/// How backups are sealed for other recipients.
#[derive(Clone, Debug, Default)]
pub(crate) struct RekeyOptions {
    /// The storage profile; the default one if none is named.
    pub(crate) profile: Option<String>,
    /// Cancels the work.
    pub(crate) cancel: CancellationToken,
}
