//! The record of a storage profile on this machine.

use super::machine_state::MachineState;

/// Whether a new profile may be created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum NewProfile {
    #[default]
    OutsideProduction,
    Allowed,
    Refused,
}

/// The access to the record of a profile in the state directory of this machine.
#[derive(Clone, Debug)]
pub(super) struct ProfileRecord {
    pub(super) state: MachineState,
    /// The locations under which the machine records the profile.
    pub(super) locations: Vec<String>,
}
