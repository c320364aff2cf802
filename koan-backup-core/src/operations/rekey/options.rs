//! The options of a rekey.

use tokio_util::sync::CancellationToken;

use crate::environment::event::Listener;
use crate::foundation::identity::ApplicationIdentity;

/// The options of a rekey.
#[derive(Clone, Debug, Default)]
pub(crate) struct RekeyOptions {
    /// The storage profile; the default profile if it is `None`.
    pub(crate) profile: Option<String>,
    /// The application that made the backup, if it is not the current one.
    pub(crate) application: Option<ApplicationIdentity>,
    /// Cancels the rekey.
    pub(crate) cancel: CancellationToken,
    /// Receives the events of the rekey.
    pub(crate) listener: Listener,
}
