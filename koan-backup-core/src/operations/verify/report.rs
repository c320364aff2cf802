//! The report of a verification.

use std::fmt;

use serde::Serialize;

use super::options::VerifyScope;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::{BackupId, SetName};

/// The report of a verification.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let report = koan.verify("nightly").await?;
/// for issue in report.issues() {
///     eprintln!("{}: {}", issue.file, issue.problem);
/// }
/// report.require_valid()?;
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use = "a backup that is not valid cannot be relied on"]
#[non_exhaustive]
pub struct VerifyReport {
    /// The id of the backup.
    pub id: BackupId,
    /// Whether only a sample of the blocks was verified.
    pub sampled: bool,
    /// The verified entities and sets.
    pub entities: Vec<EntityVerification>,
    /// The entities that could not be decrypted, or `the archive` if it is encrypted as a whole. Their
    /// content was not checked.
    pub undecrypted: Vec<String>,
    issues: Vec<Issue>,
    /// Notes that do not make the backup invalid.
    pub notes: Vec<String>,
}

/// The verification of one entity and set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EntityVerification {
    /// The name of the entity.
    pub entity: String,
    /// The set.
    pub set: SetName,
    /// How many records were read.
    pub records_checked: u64,
    /// How many records the entry contains.
    pub records: u64,
    /// Whether the records were decoded as their type. It is false if this application does not know the
    /// type, or if the records could not be decrypted.
    pub decoded: bool,
    /// Whether all records round-trip through the type. It is false if this was not checked.
    #[serde(skip)]
    pub(crate) round_trips: bool,
}

/// A problem that a verification found in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Issue {
    /// The entity; `None` if the issue does not concern a single entity.
    pub entity: Option<String>,
    /// The file: the manifest, the archive, or an entry of the archive.
    pub file: String,
    /// The block of the entry, counted from 0; `None` if the issue does not concern a single block.
    pub block: Option<usize>,
    /// The record of the entry, counted from 0; `None` if the issue does not concern a single record.
    pub record: Option<u64>,
    /// The description of the problem.
    pub problem: String,
}

impl VerifyReport {
    pub(super) fn new(id: BackupId, scope: VerifyScope) -> Self {
        Self {
            id,
            sampled: scope != VerifyScope::Everything,
            entities: Vec::new(),
            undecrypted: Vec::new(),
            issues: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Returns the report of an archive that cannot be opened because it is damaged.
    ///
    /// # Errors
    /// `error` does not mean damage; it is returned.
    pub(crate) fn from_damage(id: BackupId, archive: &str, scope: VerifyScope, error: Error) -> Result<Self> {
        let mut report = Self::new(id, scope);
        match error.kind() {
            ErrorKind::Corrupt | ErrorKind::Incompatible => {
                report.add(Issue::for_file(archive, error.chain()));
                Ok(report)
            }
            _ => Err(error),
        }
    }

    /// Returns whether no issue was found. Content that could not be decrypted was not checked; see
    /// [`undecrypted`](Self::undecrypted).
    pub fn is_valid(&self) -> bool {
        self.issues.is_empty()
    }

    /// Returns the issues that were found.
    pub fn issues(&self) -> &[Issue] {
        &self.issues
    }

    /// Returns the report if no issue was found.
    ///
    /// # Errors
    /// There are issues. The error contains the first issue and the number of other issues.
    pub fn require_valid(self) -> Result<Self> {
        match self.issues.split_first() {
            None => Ok(self),
            Some((first, rest)) => {
                let more =
                    if rest.is_empty() { String::new() } else { format!(" (other issues: {})", rest.len()) };
                Err(Error::new(ErrorKind::Corrupt, format!("backup {} is not valid: {first}{more}", self.id)))
            }
        }
    }

    /// Returns the report of a backup in which some entities failed, if the other entities are intact. Only
    /// issues of the manifest, which report the failure itself, are accepted.
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
    pub(super) fn for_file(file: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { entity: None, file: file.into(), block: None, record: None, problem: problem.into() }
    }

    pub(super) fn for_entity(entity: &str, file: &str, problem: impl Into<String>) -> Self {
        Self { entity: Some(entity.to_owned()), ..Self::for_file(file, problem) }
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
