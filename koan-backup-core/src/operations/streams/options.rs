//! The options of a single backup.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::progress::{Callback, StreamProgress};
use crate::archive::StreamCompression;

/// Whether a part of an aggregate is included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Inclusion {
    #[default]
    Excluded,
    /// Everything that the store has is included. A store that has no such part has nothing to include.
    All,
    /// The part is included, and the backup fails if the store has no such part.
    Required,
}

impl Inclusion {
    /// Returns the inclusion after everything was included.
    pub(crate) fn or_all(self) -> Self {
        if self == Self::Required { self } else { Self::All }
    }
}

/// The options of a single backup.
#[derive(Clone, Debug)]
pub(crate) struct StreamBackupOptions {
    pub(crate) document: Inclusion,
    pub(crate) snapshots: Inclusion,
    pub(crate) terminated: Inclusion,
    pub(crate) compression: StreamCompression,
    pub(crate) profile: Option<String>,
    /// The folder of the content.
    pub(crate) folder: Option<String>,
    pub(crate) expires_after: Option<Duration>,
    pub(crate) description: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) tags: Vec<String>,
    pub(crate) progress: Callback<StreamProgress>,
    pub(crate) cancel: CancellationToken,
}

impl Default for StreamBackupOptions {
    fn default() -> Self {
        Self {
            document: Inclusion::All,
            snapshots: Inclusion::Excluded,
            terminated: Inclusion::Excluded,
            compression: StreamCompression::default(),
            profile: None,
            folder: None,
            expires_after: None,
            description: None,
            metadata: BTreeMap::new(),
            tags: Vec::new(),
            progress: Callback::default(),
            cancel: CancellationToken::new(),
        }
    }
}
