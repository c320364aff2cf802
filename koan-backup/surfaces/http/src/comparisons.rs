//! Comparisons of two backups, of which only a few run at the same time.

use koan_backup_core::report::BackupDiff;

use crate::problem::{Problem, ProblemKind};
use crate::state::Shared;

/// Two backups, each in its storage profile or in the default one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comparison<'a> {
    pub(crate) before: &'a str,
    pub(crate) before_profile: Option<&'a str>,
    pub(crate) after: &'a str,
    pub(crate) after_profile: Option<&'a str>,
    /// The names of the entities; empty for all.
    pub(crate) entities: &'a [String],
}

impl Comparison<'_> {
    /// Compares the backups.
    ///
    /// # Errors
    /// An entity or a backup does not exist, an archive cannot be read, or too many comparisons run.
    pub(crate) async fn run(self, shared: &Shared) -> Result<BackupDiff, Problem> {
        self.entities.iter().try_for_each(|entity| shared.entities.require(entity))?;
        // A comparison reads two archives, and the least privileged role may start one.
        let _place = shared.comparisons.try_acquire().map_err(|_| {
            Problem::new(ProblemKind::TooManyRequests, "too many comparisons run at the same time")
                .retry_after(5)
        })?;
        let mut diff = shared.koan.diff(self.before, self.after);
        if let Some(profile) = self.before_profile {
            diff = diff.before_in(profile);
        }
        if let Some(profile) = self.after_profile {
            diff = diff.after_in(profile);
        }
        if !self.entities.is_empty() {
            diff = diff.entities(self.entities);
        }
        Ok(diff.await?)
    }
}
