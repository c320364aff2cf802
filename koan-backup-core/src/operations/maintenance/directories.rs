//! The retention of directory trees.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::report::DirectoryMaintenance;
use crate::catalog::retention::Retention;
use crate::environment::Environment;
use crate::foundation::error::{ErrorKind, Result};
use crate::operations::tree;

/// Prunes the tree in `root`, and removes what killed processes have left in it. A failure is in the report.
///
/// # Errors
/// Maintenance was cancelled.
pub(super) async fn prune_directory(
    environment: &Environment,
    root: &Path,
    retention: &Retention,
    cancel: &CancellationToken,
) -> Result<DirectoryMaintenance> {
    let mut report =
        DirectoryMaintenance { root: root.display().to_string(), ..DirectoryMaintenance::default() };
    match Box::pin(tree::apply_retention(environment, root.to_owned(), retention, cancel)).await {
        Ok(pruned) => report.pruned = Some(pruned),
        Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
        Err(error) if error.kind() == ErrorKind::Busy => report.skipped = Some(error.chain()),
        Err(error) => report.failure = Some(error.chain()),
    }
    Ok(report)
}
