//! How consistent the records of a backup are with each other.

use serde::{Deserialize, Serialize};

/// How consistent the records of one provider are with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Consistency {
    /// All entities were read at the same point in time.
    Snapshot,
    /// Each entity was read at one point in time, but not all at the same.
    PerEntity,
    /// No guarantee.
    None,
}
