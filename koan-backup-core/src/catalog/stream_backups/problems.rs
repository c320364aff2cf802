//! The problems of single backups that need attention.

use super::{DamagedStreamBackup, StreamBackupHealth};

/// Who removes single backups that have expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExpiredStreams {
    /// Maintenance removes them.
    RemovedByMaintenance,
    /// Somebody must remove them.
    Kept,
}

/// Returns the problems of single backups.
pub(crate) fn problems(streams: &StreamBackupHealth, expired: ExpiredStreams) -> Vec<String> {
    let mut problems = Vec::new();
    problems.extend(streams.damaged.iter().map(|damaged| {
        let DamagedStreamBackup { profile, id, problem } = damaged;
        format!("single backup {id} in profile `{profile}` is damaged: {problem}")
    }));
    problems.extend(streams.unreadable.iter().map(|meta| {
        format!("`{}` in profile `{}` cannot be read: {}", meta.path, meta.profile, meta.problem)
    }));
    problems.extend(streams.unlisted.iter().map(|content| {
        format!(
            "`{}` in profile `{}` is unlisted: it is the content of a single backup, and no `.meta` refers to it; make \
             the backup again, and remove the file",
            content.path, content.profile
        )
    }));
    if streams.removable > 0 && expired == ExpiredStreams::Kept {
        let count = streams.removable;
        problems.push(format!(
            "{count} expired single backups were not removed; `koan.cleanup_expired_stream_backups()` removes them, or \
             let maintenance remove them"
        ));
    }
    problems
}
