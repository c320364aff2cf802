//! How a backup is copied.

use tokio_util::sync::CancellationToken;

use crate::foundation::identity::ApplicationIdentity;

/// How a backup is copied.
#[derive(Clone, Debug, Default)]
pub(crate) struct CopyOptions {
    /// The storage profile it is in; the default one if none is named.
    pub(crate) from: Option<String>,
    /// The storage profile it goes to.
    pub(crate) to: Option<String>,
    /// The application that made it, if that is another one.
    pub(crate) application: Option<ApplicationIdentity>,
    /// Cancels the work.
    pub(crate) cancel: CancellationToken,
}
