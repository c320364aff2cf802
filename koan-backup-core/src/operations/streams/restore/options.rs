//! The options of the restore of a single backup.

use tokio_util::sync::CancellationToken;

use super::turns::WriteTurns;
use crate::operations::restore::Verification;
use crate::provider::ConflictMode;

/// Whether a part of the backup is restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RestoredPart {
    #[default]
    Included,
    Omitted,
}

/// The options of the restore of a single backup.
#[derive(Clone, Debug)]
pub(crate) struct StreamRestoreOptions {
    /// The object name that the backup must have.
    pub(crate) object: Option<String>,
    /// The object id of a clone. `None` restores the aggregate itself.
    pub(crate) clone_as: Option<String>,
    /// The storage profile of the backup.
    pub(crate) profile: Option<String>,
    /// What happens if the aggregate exists.
    pub(crate) conflict: ConflictMode,
    pub(crate) verification: Verification,
    pub(crate) document: RestoredPart,
    pub(crate) snapshots: RestoredPart,
    pub(crate) description: Option<String>,
    /// The turns of the restores that run together.
    pub(crate) turns: WriteTurns,
    pub(crate) cancel: CancellationToken,
}

impl Default for StreamRestoreOptions {
    fn default() -> Self {
        Self {
            object: None,
            clone_as: None,
            profile: None,
            conflict: ConflictMode::Fail,
            verification: Verification::Complete,
            document: RestoredPart::Included,
            snapshots: RestoredPart::Included,
            description: None,
            turns: WriteTurns::default(),
            cancel: CancellationToken::new(),
        }
    }
}
