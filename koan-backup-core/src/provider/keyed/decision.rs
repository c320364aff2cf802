//! What becomes of each record of a restore, by its key and the record that is there.

use std::collections::HashSet;

use super::RecordKey;
use crate::entity::EntityCodec;
use crate::entity::codec::Record;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::{ConflictMode, SessionIntent, SessionOptions, WriteCounts};

/// What is done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Write,
    /// What is there is equal: it is written only where all that was there goes first.
    Unchanged,
    Leave,
}

/// Decides for the records of one target, and counts. It remembers the key of each.
#[derive(Debug)]
pub struct Decisions {
    codec: EntityCodec,
    options: SessionOptions,
    seen: HashSet<RecordKey>,
    counts: WriteCounts,
}

impl Decisions {
    pub fn new(codec: EntityCodec, options: SessionOptions) -> Self {
        Self { codec, options, seen: HashSet::new(), counts: WriteCounts::default() }
    }

    /// Decides about a record. `existing` is whether there is one of that key, and whether it is equal.
    ///
    /// # Errors
    /// It must not be there, or was written before: entity and key are named.
    pub fn decide(&mut self, key: RecordKey, record: &Record, existing: Option<bool>) -> Result<Decision> {
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
            // With `replace_existing`, what is there is in nobody's way.
            (Some(_), ConflictMode::Keep) if !self.options.replace_existing => {
                self.counts.kept += 1;
                Decision::Leave
            }
            (Some(_), ConflictMode::Fail) if !self.options.replace_existing => {
                let text = format!(
                    "{} exists already; restore with another conflict mode, or into another set",
                    named()
                );
                return Err(Error::new(ErrorKind::Conflict, text));
            }
            (Some(true), _) => {
                self.counts.unchanged += 1;
                Decision::Unchanged
            }
            (Some(_), _) => {
                self.counts.updated += 1;
                Decision::Write
            }
        };
        self.seen.insert(key);
        Ok(if writes { decision } else { Decision::Leave })
    }

    /// Whether a record of that key was decided about.
    pub fn has_seen(&self, key: &RecordKey) -> bool {
        self.seen.contains(key)
    }

    /// The keys of the records that were decided about.
    pub fn seen(&self) -> impl ExactSizeIterator<Item = &RecordKey> {
        self.seen.iter()
    }

    /// Ends the target, in which so many records were that are not in the archive.
    pub fn end(mut self, not_in_archive: usize) -> WriteCounts {
        if self.options.replace_existing {
            self.counts.deleted = u64::try_from(not_in_archive).unwrap_or(u64::MAX);
        }
        self.counts
    }
}

/// The error of a session that was used without a target.
pub fn out_of_turn() -> Error {
    Error::new(ErrorKind::Internal, "a session was used before a target was begun")
}
