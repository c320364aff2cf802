//! The diagnosis of a database: whether a backup can read it, and whether a restore could write it.

use super::description::ProviderDescription;
use super::finding::Severity;

/// What a provider found out about its database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderDiagnosis {
    /// How the database was opened, for example `PostgreSQL 15.6, role shop_backup`.
    pub summary: String,
    /// The content of the database; `None` if the database does not exist yet.
    pub description: Option<ProviderDescription>,
    /// What prevents or endangers backups and restores.
    pub findings: Vec<ProviderFinding>,
}

impl ProviderDiagnosis {
    /// Returns the diagnosis of a database that can be read. The summary is its version.
    pub fn new(description: ProviderDescription) -> Self {
        Self { summary: description.version.clone(), description: Some(description), findings: Vec::new() }
    }

    /// Returns the diagnosis of a database that does not exist yet.
    pub fn not_created(summary: impl Into<String>) -> Self {
        Self { summary: summary.into(), description: None, findings: Vec::new() }
    }
}

/// One finding about a database, with its remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderFinding {
    /// [`Error`](Severity::Error) if backups fail, [`Warning`](Severity::Warning) if only restores fail.
    pub severity: Severity,
    /// The entity that cannot be read, if the finding concerns one entity.
    pub entity: Option<String>,
    /// What was found. It contains no content of records and no secret.
    pub message: String,
    /// What to do, as a command where there is one.
    pub remedy: Option<String>,
}

impl ProviderFinding {
    /// Returns the finding that the records of an entity cannot be read.
    pub fn unreadable(
        entity: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            entity: Some(entity.into()),
            message: message.into(),
            remedy: Some(remedy.into()),
        }
    }

    /// Returns the finding that backups succeed and restores fail.
    pub fn not_writable(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            entity: None,
            message: message.into(),
            remedy: Some(remedy.into()),
        }
    }
}
