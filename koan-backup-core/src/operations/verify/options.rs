//! The options of a verification.

use tokio_util::sync::CancellationToken;

use super::selected::Selected;
use crate::environment::event::Listener;
use crate::foundation::identity::ApplicationIdentity;

/// How much of an archive is verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyScope {
    /// Every byte.
    #[default]
    Everything,
    /// The directory, all documents, and some blocks of each entity. The blocks are spread evenly and include
    /// the first and the last.
    Sample {
        /// How many blocks of each entity are verified.
        blocks_per_entity: usize,
    },
    /// As [`Sample`](Self::Sample), with a share of the blocks of each entity: at least the first and the
    /// last.
    SamplePercent {
        /// The percentage of the blocks of each entity, rounded up. 100 or more is every block.
        percent: u8,
    },
}

/// The options of a verification.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// How much of the archive is verified.
    pub scope: VerifyScope,
    /// Which entities are verified.
    pub(crate) selected: Selected,
    /// The storage profile; the default profile if it is `None`.
    pub profile: Option<String>,
    /// The application among whose backups a name is looked up; this application if it is `None`.
    pub application: Option<ApplicationIdentity>,
    /// Cancels the verification.
    pub cancel: CancellationToken,
    /// Receives the events of the verification.
    pub listener: Listener,
}

impl VerifyOptions {
    /// Returns whether the whole backup is verified, and not a sample or some of its entities.
    pub(crate) fn is_complete(&self) -> bool {
        self.scope == VerifyScope::Everything && self.selected.is_all()
    }
}
