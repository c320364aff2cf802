//! What a verification found.

use std::fmt;

use serde::Serialize;

use super::VerifyScope;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::{BackupId, SetName};

/// What a verification found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use = "a backup that is not valid cannot be relied on"]
#[non_exhaustive]
pub struct VerifyReport {
    /// The backup.
    pub id: BackupId,
    /// Whether blocks were left out.
    pub sampled: bool,
    /// What was looked at, by entity and set.
    pub entities: Vec<EntityVerification>,
    /// What is encrypted and was not opened, so that its content was not checked: entities, or the archive.
    pub unopened: Vec<String>,
    issues: Vec<Issue>,
    /// What does not make the backup invalid and should be known.
    pub notes: Vec<String>,
}

/// What was looked at of one entity and set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EntityVerification {
    /// The entity.
    pub entity: String,
    /// The set.
    pub set: SetName,
    /// Records that were read.
    pub records_checked: u64,
    /// Records there are.
    pub records: u64,
    /// Whether records were decoded as their type; false if the type is unknown to this application, or what is encrypted was
    /// not opened.
    pub decoded: bool,
    /// Whether all records were found to be what their type writes; false where that was not asked for.
    #[serde(skip)]
    pub(crate) as_written: bool,
}

/// One thing that is wrong with a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Issue {
    /// The entity, if it is in one.
    pub entity: Option<String>,
    /// The file: the manifest, the archive, or an entry of it.
    pub file: String,
    /// The block of the entry, counted from 0.
    pub block: Option<usize>,
    /// The record of the entry, counted from 0.
    pub record: Option<u64>,
    /// What is wrong.
    pub problem: String,
}

impl VerifyReport {
    pub(super) fn new(id: BackupId, scope: VerifyScope) -> Self {
        Self {
            id,
            sampled: scope != VerifyScope::Everything,
            entities: Vec::new(),
            unopened: Vec::new(),
            issues: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The report of an archive that does not even open, if that is what an error tells.
    pub(crate) fn of_damage(id: BackupId, archive: &str, scope: VerifyScope, error: Error) -> Result<Self> {
        let mut report = Self::new(id, scope);
        match error.kind() {
            ErrorKind::Corrupt | ErrorKind::Incompatible => {
                report.add(Issue::of_file(archive, error.chain()));
                Ok(report)
            }
            _ => Err(error),
        }
    }

    /// Whether nothing is wrong with what was checked. Content that is encrypted and was not opened is in
    /// [`unopened`](Self::unopened).
    pub fn is_valid(&self) -> bool {
        self.issues.is_empty()
    }

    /// What is wrong.
    pub fn issues(&self) -> &[Issue] {
        &self.issues
    }

    /// The report, if nothing is wrong.
    ///
    /// # Errors
    /// Something is: the error names the first issue and counts the others.
    pub fn require_valid(self) -> Result<Self> {
        match self.issues.split_first() {
            None => Ok(self),
            Some((first, rest)) => {
                let more =
                    if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
                Err(Error::new(ErrorKind::Corrupt, format!("backup {} is not valid: {first}{more}", self.id)))
            }
        }
    }

    /// Of a backup that failed in part, what it holds must still be whole: the failure itself is the one issue allowed.
    pub(crate) fn require_intact(self) -> Result<Self> {
        match self.issues.iter().all(|issue| issue.file == "manifest.json") {
            true => Ok(self),
            false => self.require_valid(),
        }
    }

    pub(super) fn add(&mut self, issue: Issue) {
        self.issues.push(issue);
    }
}

impl Issue {
    pub(super) fn of_file(file: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { entity: None, file: file.into(), block: None, record: None, problem: problem.into() }
    }

    pub(super) fn of_entity(entity: &str, file: &str, problem: impl Into<String>) -> Self {
        Self { entity: Some(entity.to_owned()), ..Self::of_file(file, problem) }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(entity) = &self.entity {
            write!(f, "`{entity}` in ")?;
        }
        write!(f, "`{}`", self.file)?;
        if let Some(block) = self.block {
            write!(f, ", block {block}")?;
        }
        if let Some(record) = self.record {
            write!(f, ", record {record}")?;
        }
        write!(f, ": {}", self.problem)
    }
}
