//! The options of the operations that read the content of a backup.

use tokio_util::sync::CancellationToken;

use crate::foundation::identity::ApplicationIdentity;

/// The options of the operations that read the content of a backup.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExtractOptions {
    /// The storage profile; the default profile if it is `None`.
    pub(crate) profile: Option<String>,
    /// The application that made the backup, if it is not the current one.
    pub(crate) application: Option<ApplicationIdentity>,
    /// Cancels the operation.
    pub(crate) cancel: CancellationToken,
}
