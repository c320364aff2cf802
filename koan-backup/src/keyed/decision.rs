//! What becomes of each record of a restore, by its key and the record that is there.

use std::collections::HashSet;

use koan_backup_core::{
    ConflictMode, EntityCodec, Error, ErrorKind, Record, Result, SessionIntent, SessionOptions, WriteCounts,
};

use super::RecordKey;

/// What is done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Write,
    Leave,
}

/// Decides for the records of one target, and counts. It remembers the key of each.
#[derive(Debug)]
pub(crate) struct Decisions {
    codec: EntityCodec,
    options: SessionOptions,
    seen: HashSet<RecordKey>,
    counts: WriteCounts,
}

impl Decisions {
    pub(crate) fn new(codec: EntityCodec, options: SessionOptions) -> Self {
        Self { codec, options, seen: HashSet::new(), counts: WriteCounts::default() }
    }

    /// Decides about a record. `existing` is whether there is one of that key, and whether it is equal.
    ///
    /// # Errors
    /// It must not be there, or was written before: entity and key are named.
    pub(crate) fn decide(
        &mut self,
        key: RecordKey,
        record: &Record,
        existing: Option<bool>,
    ) -> Result<Decision> {
        let named = || format!("{} `{}`", self.codec.name(), self.codec.record_key(record));
        if self.seen.contains(&key) {
            let text = format!("{} is in the archive twice: one would be lost", named());
            return Err(Error::new(ErrorKind::Record, text));
        }
        let writes = self.options.intent == SessionIntent::Apply;
        let decision = match (existing, self.options.conflict) {
            (None, _) => {
                self.counts.inserted += 1;
                Decision::Write
            }
            (Some(true), _) if !writes => {
                self.counts.unchanged += 1;
                Decision::Leave
            }
            (Some(_), ConflictMode::Overwrite) => {
                self.counts.updated += 1;
                Decision::Write
            }
            // What is there goes, so it is in nobody's way.
            (Some(_), _) if self.options.replace_existing => {
                self.counts.updated += 1;
                Decision::Write
            }
            (Some(_), ConflictMode::Keep) => {
                self.counts.kept += 1;
                Decision::Leave
            }
            (Some(_), _) => {
                let text = format!(
                    "{} exists already; restore with another conflict mode, or into another set",
                    named()
                );
                return Err(Error::new(ErrorKind::Conflict, text));
            }
        };
        self.seen.insert(key);
        Ok(if writes { decision } else { Decision::Leave })
    }

    /// Whether a record of that key was decided about.
    pub(crate) fn has_seen(&self, key: &RecordKey) -> bool {
        self.seen.contains(key)
    }

    /// Ends the target, in which so many records were that are not in the archive.
    pub(crate) fn end(mut self, not_in_archive: usize) -> WriteCounts {
        if self.options.replace_existing {
            self.counts.deleted = u64::try_from(not_in_archive).unwrap_or(u64::MAX);
        }
        self.counts
    }
}
