//! What a context consists of.

use crate::storage::Storage;
use crate::storage::machine_state::MachineState;

/// What a context consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::koan) enum Contents {
    /// Entities, providers and storage profiles.
    Application,
    /// Only storage profiles that exist already.
    ArchivesOnly,
}

impl Contents {
    /// Returns the state directory, in which only an application records the locations that it uses.
    pub(in crate::koan) fn state(self, state: MachineState) -> MachineState {
        match self {
            Self::Application => state,
            Self::ArchivesOnly => state.without_recording(),
        }
    }

    /// Returns the storage, which only an application may create.
    pub(in crate::koan) fn storage(self, storage: Storage) -> Storage {
        match self {
            Self::Application => storage,
            Self::ArchivesOnly => storage.must_exist(),
        }
    }
}
