//! Which backups a command may use.

/// How a command selects backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The command chooses or deletes backups of one application.
    OfApplication,
    /// The command names its backups by their ids, or uses the backups of all applications.
    Any,
}
