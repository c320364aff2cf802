//! Decides what a restore does with each record, by its key and the existing record.

use std::collections::HashSet;

use super::RecordKey;
use crate::entity::EntityCodec;
use crate::entity::codec::Record;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::{
    ConflictMode, RestoreTarget, SessionIntent, SessionOptions, TargetTracker, WriteCounts,
};

/// The action of a restore for a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The record is written.
    Write,
    /// The existing record is equal. A provider that removes all existing records first must write the record
    /// nevertheless.
    Unchanged,
    /// The record is not written.
    Leave,
}

/// Decides about the records of one target, and counts them. Stores the key of each record in memory.
#[derive(Debug)]
pub struct Decisions {
    codec: EntityCodec,
    options: SessionOptions,
    decided_keys: HashSet<RecordKey>,
    counts: WriteCounts,
    /// The number of records that were passed to `decide`, including refused ones.
    decide_calls: u64,
}

/// The maximum number of keys for which memory is reserved in advance.
const MAX_RESERVED_KEYS: usize = 1 << 16;

impl Decisions {
    /// Creates the decisions for a target, before its first record.
    pub fn new(target: &RestoreTarget, options: SessionOptions) -> Self {
        let expected = target.record_count.and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
        let decided_keys = HashSet::with_capacity(expected.min(MAX_RESERVED_KEYS));
        Self {
            codec: target.entity.clone(),
            options,
            decided_keys,
            counts: WriteCounts::default(),
            decide_calls: 0,
        }
    }

    /// Decides about a record. `existing` is `None` if no existing record has its key; otherwise it states
    /// whether the existing record is equal.
    ///
    /// # Errors
    /// The record exists and the conflict mode is [`ConflictMode::Fail`], or the archive contains the key
    /// more than once. The error contains the name of the entity and the key.
    pub fn decide(&mut self, key: RecordKey, record: &Record, existing: Option<bool>) -> Result<Decision> {
        self.decide_calls += 1;
        let record_text = || format!("{} `{}`", self.codec.name(), self.codec.record_key(record));
        if self.decided_keys.contains(&key) {
            let text = format!(
                "{} has a duplicate key in the archive, so a restore would lose one of the records",
                record_text()
            );
            return Err(Error::new(ErrorKind::Record, text));
        }
        let is_writing = self.options.intent == SessionIntent::Apply;
        let decision = match (existing, self.options.conflict) {
            (None, _) => {
                self.counts.inserted += 1;
                Decision::Write
            }
            // With `replace_existing`, existing records are removed and cannot conflict.
            (Some(_), ConflictMode::Keep) if !self.options.replace_existing => {
                self.counts.kept += 1;
                Decision::Leave
            }
            (Some(_), ConflictMode::Fail) if !self.options.replace_existing => {
                let text = format!(
                    "{} exists already; restore with another conflict mode, or into another set",
                    record_text()
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
        self.decided_keys.insert(key);
        Ok(if is_writing { decision } else { Decision::Leave })
    }

    /// Returns whether a decision about a record with this key was made.
    pub fn is_decided(&self, key: &RecordKey) -> bool {
        self.decided_keys.contains(key)
    }

    /// Returns the keys of the records about which a decision was made.
    pub fn seen(&self) -> impl ExactSizeIterator<Item = &RecordKey> {
        self.decided_keys.iter()
    }

    /// Returns the counts of the target. `not_in_archive` is the number of existing records that the archive
    /// does not contain.
    ///
    /// # Errors
    /// A record was refused before.
    pub fn finish(mut self, not_in_archive: usize) -> Result<WriteCounts> {
        if self.decide_calls != self.counts.records() {
            return Err(TargetTracker::unfinished());
        }
        if self.options.replace_existing {
            self.counts.deleted = u64::try_from(not_in_archive).unwrap_or(u64::MAX);
        }
        Ok(self.counts)
    }
}
