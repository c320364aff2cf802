//! The consistency of the records of a backup.

use serde::{Deserialize, Serialize};

/// How consistent the records of one provider are with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Consistency {
    /// All entities were read at the same point in time.
    Snapshot,
    /// Each entity was read at one point in time, but the points in time of the entities differ.
    PerEntity,
    /// The provider does not guarantee any consistency.
    None,
}
