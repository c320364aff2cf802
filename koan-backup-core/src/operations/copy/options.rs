//! The options of a copy.

use tokio_util::sync::CancellationToken;

use crate::environment::event::Listener;
use crate::foundation::identity::ApplicationIdentity;

/// The options of a copy.
#[derive(Clone, Debug, Default)]
pub(crate) struct CopyOptions {
    /// The storage profile of the backup; the default profile if it is `None`.
    pub(crate) from: Option<String>,
    /// The storage profile that receives the copy.
    pub(crate) to: Option<String>,
    /// The application that made the backup, if it is not the current one.
    pub(crate) application: Option<ApplicationIdentity>,
    /// Cancels the copy.
    pub(crate) cancel: CancellationToken,
    /// Receives the events of the copy.
    pub(crate) listener: Listener,
}
