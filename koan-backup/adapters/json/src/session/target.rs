//! One target of a restore: a set of an entity.

mod existing;
mod output;

use std::path::Path;

use koan_backup_core::{
    Result,
    entity::Record,
    provider::{RestoreTarget, SessionOptions, WriteCounts},
};

use super::super::directory::Directory;
use super::super::journal::Journal;
use super::super::line_writer::RecordLineWriter;
use super::super::name;
use super::super::staging::Staging;
use super::unchanged::UnchangedCheck;
use existing::Existing;
use koan_backup_core::provider::keyed::{Decision, Decisions, RecordKey};
use output::Output;

/// One target of a restore. The keys of the existing records and of the written records are held in memory.
#[derive(Debug)]
pub(super) struct Target {
    target: RestoreTarget,
    /// Whether the restore replaces all existing records.
    replaces: bool,
    lines: RecordLineWriter,
    existing: Existing,
    decisions: Decisions,
    output: Output,
}

impl Target {
    /// Reads the existing records of a target.
    pub(super) fn open(
        directory: &Directory,
        target: RestoreTarget,
        options: &SessionOptions,
    ) -> Result<Self> {
        let codec = target.entity.clone();
        let path = directory.set_path(&name::entity_directory(&codec), &target.set)?.path;
        directory.refuse_links(&path)?;
        let existing = Existing::read(directory.layout, &path, &codec, options.replace_existing)?;
        Ok(Self {
            output: Output::new(&existing, options.replace_existing),
            existing,
            replaces: options.replace_existing,
            lines: RecordLineWriter::new(codec),
            decisions: Decisions::new(&target, options.clone()),
            target,
        })
    }

    /// Returns the path of the file of lines, or of the directory of documents.
    pub(super) fn path(&self) -> &Path {
        self.existing.path()
    }

    /// Decides what happens to a record, and writes it to the staging directory if it is to be written. A dry
    /// run has no staging directory.
    pub(super) fn write(&mut self, record: &Record, staging: Option<&mut Staging>) -> Result<()> {
        let line = self.lines.line(record)?;
        let key = RecordKey::of(record, self.target.entity.schema());
        let existing_index = self.existing.find(&key);
        let is_equal = match existing_index {
            Some(index) => Some(self.existing.is_equal(index, &line)?),
            None => None,
        };
        let decision = self.decisions.decide(key, record, is_equal)?;
        let is_written = match decision {
            Decision::Write => true,
            Decision::Unchanged => self.replaces,
            Decision::Leave => false,
        };
        match staging {
            Some(staging) if is_written => {
                let key = record.key(self.target.entity.schema());
                self.output.add(staging, &self.existing, existing_index, &key, &line)
            }
            _ => Ok(()),
        }
    }

    /// Writes the remaining files, and adds the steps of the commit to the journal. Returns the counts and,
    /// if the restore changes existing files, the check that no other program has changed these files.
    pub(super) fn finish(
        self,
        directory: &Directory,
        changes: Option<(&mut Staging, &mut Journal)>,
    ) -> Result<(WriteCounts, Option<UnchangedCheck>)> {
        let Self { existing, decisions, output, replaces, .. } = self;
        let not_in_archive = existing.not_in_archive(|key| decisions.is_decided(key));
        let unchanged = match changes {
            Some((staging, journal)) => {
                let removed = if replaces { not_in_archive.as_slice() } else { &[] };
                output
                    .finish(directory, staging, journal, &existing, removed)?
                    .then(|| existing.unchanged_check())
            }
            None => None,
        };
        Ok((decisions.finish(not_in_archive.len())?, unchanged))
    }
}
