//! One set that records are written to.

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
use super::kept::Kept;
use existing::Existing;
use koan_backup_core::provider::keyed::{Decision, Decisions, RecordKey};
use output::Output;

/// One set of a restore. The keys of the records that are there and of those that are written are held in memory.
#[derive(Debug)]
pub(super) struct Target {
    target: RestoreTarget,
    replacing: bool,
    lines: RecordLineWriter,
    existing: Existing,
    decisions: Decisions,
    output: Output,
}

impl Target {
    pub(super) fn open(
        directory: &Directory,
        target: RestoreTarget,
        options: &SessionOptions,
    ) -> Result<Self> {
        let codec = target.entity.clone();
        let place = directory.set_path(&name::of_type(&codec), &target.set)?;
        directory.refuse_links(&place.path)?;
        let existing = Existing::read(directory.layout, &place.path, &codec, options.replace_existing)?;
        Ok(Self {
            output: Output::new(&existing, options.replace_existing),
            existing,
            replacing: options.replace_existing,
            lines: RecordLineWriter::new(codec.clone()),
            decisions: Decisions::new(codec, options.clone()),
            target,
        })
    }

    /// The file of lines, or the directory of documents.
    pub(super) fn path(&self) -> &Path {
        self.existing.path()
    }

    pub(super) fn write(&mut self, record: &Record, staging: Option<&mut Staging>) -> Result<()> {
        let line = self.lines.line(record)?;
        let key = RecordKey::of(record, self.target.entity.schema());
        let place = self.existing.find(&key);
        let equal = match place {
            Some(place) => Some(self.existing.holds(place, &line)?),
            None => None,
        };
        let decision = self.decisions.decide(key, record, equal)?;
        let is_written = match decision {
            Decision::Write => true,
            Decision::Unchanged => self.replacing,
            Decision::Leave => false,
        };
        match staging {
            Some(staging) if is_written => {
                let key = record.key(self.target.entity.schema());
                self.output.add(staging, &self.existing, place, &key, &line)
            }
            _ => Ok(()),
        }
    }

    /// Writes what is left, and notes what the commit does.
    pub(super) fn end(
        self,
        directory: &Directory,
        changes: Option<(&mut Staging, &mut Journal)>,
    ) -> Result<(WriteCounts, Option<Kept>)> {
        let Self { existing, decisions, output, replacing, .. } = self;
        let gone = existing.not_in(|key| decisions.has_seen(key));
        let kept = match changes {
            Some((staging, journal)) => {
                let removed = if replacing { gone.as_slice() } else { &[] };
                output.end(directory, staging, journal, &existing, removed)?.then(|| existing.kept())
            }
            None => None,
        };
        Ok((decisions.end(gone.len()), kept))
    }
}
