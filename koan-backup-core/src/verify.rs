//! Verifying: every hash, count and record of an archive, in parallel.

mod contents;
mod entity;
mod report;

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use crate::archive::{BlockTable, ProviderDocument, SchemaSnapshots};
pub(crate) use contents::open;
pub(crate) use entity::read_blocks;
pub use report::{EntityVerification, Issue, VerifyReport};

use crate::catalog::StoredBackup;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::event::Listener;

/// How much is verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyScope {
    /// Every byte.
    #[default]
    Everything,
    /// The directory, all documents, and of each entity so many blocks, spread evenly with the first and the last.
    Sample {
        /// Blocks of each entity.
        blocks_per_entity: usize,
    },
}

/// How a backup is verified.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// How much is verified.
    pub scope: VerifyScope,
    /// The storage profile; the default one if none is named.
    pub profile: Option<String>,
    /// Cancels the verification.
    pub cancel: CancellationToken,
    /// Is told what happens.
    pub listener: Listener,
}

/// The documents of an archive that a restore needs.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    pub(crate) blocks: BlockTable,
    pub(crate) providers: ProviderDocument,
    pub(crate) schemas: SchemaSnapshots,
    /// The hash of each entry as `checksums.json` has it.
    pub(crate) checksums: BTreeMap<String, String>,
}

/// Verifies a backup. What is wrong with it is in the report.
///
/// # Errors
/// The storage cannot be read, or the work was cancelled: nothing is known then.
pub(crate) async fn run(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    options: &VerifyOptions,
) -> Result<VerifyReport> {
    let work = contents::verify(environment, backup, options);
    tokio::select! {
        biased;
        () = options.cancel.cancelled() => Err(Error::cancelled()),
        report = work => report,
    }
}
