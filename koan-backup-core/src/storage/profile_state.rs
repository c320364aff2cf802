//! What this machine knows of a storage profile.

use super::machine_state::MachineState;

/// Whether a new profile may be created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum NewProfile {
    #[default]
    OutsideProduction,
    Allowed,
}

/// What this machine remembers of a profile.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    pub(super) state: MachineState,
    /// The locations under which the machine remembers the profile.
    pub(super) locations: Vec<String>,
}
