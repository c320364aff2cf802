//! How backups are sealed for other recipients.

use tokio_util::sync::CancellationToken;

use crate::foundation::identity::ApplicationIdentity;

/// How backups are sealed for other recipients.
#[derive(Clone, Debug, Default)]
pub(crate) struct RekeyOptions {
    /// The storage profile; the default one if none is named.
    pub(crate) profile: Option<String>,
    /// The application that made it, if that is another one.
    pub(crate) application: Option<ApplicationIdentity>,
    /// Cancels the work.
    pub(crate) cancel: CancellationToken,
}
