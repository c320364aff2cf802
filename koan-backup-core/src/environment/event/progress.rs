//! Computes the progress of an operation as a percentage that never decreases.

use std::collections::BTreeMap;

use super::Event;
use crate::archive::BackupStatus;
use crate::foundation::id::{BackupId, SetName};

/// The percentage of a backup whose records are read and written, but not verified or published.
const WRITTEN_PERCENT: u64 = 80;
/// The percentage of a restore whose records are verified, but not written.
const VERIFIED_PERCENT: u64 = 40;
/// The percentage of an operation whose records are processed, but which is not published or committed.
const MAX_UNFINISHED_PERCENT: u64 = 98;

/// The progress of one operation, computed from its events.
#[derive(Debug, Default)]
pub(super) struct Progress {
    id: Option<BackupId>,
    expected: Option<u64>,
    entries: u64,
    completed_entries: u64,
    read: RecordCounts,
    written: RecordCounts,
    verified: RecordCounts,
    restored: RecordCounts,
    is_restore: bool,
    percent: u8,
}

/// The counts of records by entity and set. When an archive is rewritten, a count may restart at 0; the
/// larger value is retained.
#[derive(Debug, Default)]
struct RecordCounts {
    by_entry: BTreeMap<(String, SetName), u64>,
    total: u64,
}

impl RecordCounts {
    fn update(&mut self, entity: &str, set: &SetName, records: u64) {
        let known = self.by_entry.entry((entity.to_owned(), set.clone())).or_default();
        self.total += records.saturating_sub(*known);
        *known = records.max(*known);
    }
}

impl Progress {
    /// Processes an event, and returns the percentage if it has increased.
    pub(super) fn process(&mut self, event: &Event) -> Option<(BackupId, u8)> {
        let mut is_finished = false;
        match event {
            Event::BackupStarted { id, entries, records, .. } => self.begin(*id, *entries, *records),
            Event::RestoreStarted { id, .. } => (self.id, self.is_restore) = (Some(*id), true),
            Event::RestorePrepared { id, entries, records } => self.begin(*id, *entries, Some(*records)),
            Event::BatchRead { entity, set, records } => self.read.update(entity, set, *records),
            Event::BlockWritten { entity, set, records, .. } => self.written.update(entity, set, *records),
            Event::BlockVerified { entity, set, records } => self.verified.update(entity, set, *records),
            Event::BatchRestored { entity, set, records } => self.restored.update(entity, set, *records),
            Event::EntityCompleted { .. } => self.completed_entries += 1,
            Event::BackupFinished { status, .. } => {
                is_finished = matches!(status, BackupStatus::Completed | BackupStatus::CompletedWithWarnings);
            }
            Event::RestoreFinished { error, .. } => is_finished = error.is_none(),
            _ => {}
        }
        let percent = if is_finished { 100 } else { self.unfinished_percent() };
        let percent = u8::try_from(percent).unwrap_or(0);
        if percent <= self.percent {
            return None;
        }
        self.percent = percent;
        self.id.map(|id| (id, percent))
    }

    /// Returns the current percentage.
    pub(super) fn percent(&self) -> u8 {
        self.percent
    }

    fn begin(&mut self, id: BackupId, entries: usize, records: Option<u64>) {
        (self.id, self.expected) = (Some(id), records);
        self.entries = u64::try_from(entries).unwrap_or(0);
    }

    fn unfinished_percent(&self) -> u64 {
        let percent = match self.expected.filter(|&records| records > 0) {
            // Without a known number of records, the percentage is computed from the number of completed
            // entries.
            None => self.completed_entries.min(self.entries) * WRITTEN_PERCENT / self.entries.max(1),
            Some(expected) => {
                // The multiplication precedes the division, so that rounding does not accumulate.
                let share = |counts: &RecordCounts, percent: u64| {
                    let scaled =
                        u128::from(counts.total.min(expected)) * u128::from(percent) / u128::from(expected);
                    u64::try_from(scaled).unwrap_or(0)
                };
                match self.is_restore {
                    true if self.verified.total == 0 => share(&self.restored, MAX_UNFINISHED_PERCENT),
                    true => {
                        share(&self.verified, VERIFIED_PERCENT)
                            + share(&self.restored, MAX_UNFINISHED_PERCENT - VERIFIED_PERCENT)
                    }
                    false => {
                        share(&self.read, WRITTEN_PERCENT / 2)
                            + share(&self.written, WRITTEN_PERCENT / 2)
                            + share(&self.verified, MAX_UNFINISHED_PERCENT - WRITTEN_PERCENT)
                    }
                }
            }
        };
        percent.min(MAX_UNFINISHED_PERCENT)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::foundation::id::BackupName;
    use crate::foundation::series::SeriesName;
    use crate::provider::SessionIntent;

    fn named() -> (BackupName, SeriesName) {
        let name = BackupName::new("nightly").expect("the name is valid");
        let series = SeriesName::of(&name);
        (name, series)
    }

    fn restored(error: Option<String>) -> Event {
        let ((name, series), duration) = (named(), Duration::ZERO);
        let (name, series) = (Some(name), Some(series));
        Event::RestoreFinished { id: Some(id()), name, series, intent: SessionIntent::Apply, error, duration }
    }

    fn id() -> BackupId {
        BackupId::from_uuid(uuid::Uuid::nil())
    }

    fn read(records: u64) -> Event {
        Event::BatchRead { entity: "User".into(), set: SetName::root(), records }
    }

    #[test]
    fn rewriting_an_archive_does_not_decrease_the_progress() {
        let mut progress = Progress::default();
        let (name, series) = named();
        progress.process(&Event::BackupStarted { id: id(), name, series, entries: 1, records: Some(10) });
        assert_eq!(progress.process(&read(5)), Some((id(), 20)));
        assert_eq!(progress.process(&read(2)), None);
        assert_eq!(progress.process(&read(20)), Some((id(), 40)));
        let (name, series) = named();
        let failed = Event::BackupFinished {
            id: Some(id()),
            name,
            series,
            status: BackupStatus::Failed,
            error: None,
            manifest: None,
            duration: Duration::ZERO,
        };
        assert_eq!(progress.process(&failed), None);
        assert_eq!(progress.percent(), 40);
    }

    #[test]
    fn a_restore_reaches_100_percent_only_when_it_is_committed() {
        let mut progress = Progress::default();
        progress.process(&Event::RestorePrepared { id: id(), entries: 1, records: 4 });
        progress.is_restore = true;
        let (entity, set) = ("User".to_owned(), SetName::root());
        let verified = Event::BlockVerified { entity: entity.clone(), set: set.clone(), records: 4 };
        assert_eq!(progress.process(&verified), Some((id(), 40)));
        assert_eq!(progress.process(&Event::BatchRestored { entity, set, records: 4 }), Some((id(), 98)));
        assert_eq!(progress.process(&restored(Some("lost".into()))), None);
        assert_eq!(progress.process(&restored(None)), Some((id(), 100)));
    }
}
