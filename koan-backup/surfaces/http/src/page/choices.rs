//! The choices of a restore, and what its screen shows.

use std::collections::BTreeSet;

use koan_backup_core::archive::Manifest;
use koan_backup_core::catalog::CatalogEntry;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::address;
use super::form::{Chosen, filled};
use crate::hex::hex;
use crate::operations::{Operation, OperationId};
use crate::problem::{Problem, ProblemKind};
use crate::requests::BackupPath;
use crate::requests::restore::{Conflict, RestoreBody, RestoreOrder};

/// What a person has chosen so far. It is the address of the screen, and part of each of its forms.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Choices {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) backup: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) profile: Option<String>,
    /// The names of the entities, unless all are chosen.
    #[serde(default)]
    pub(super) entity: Vec<String>,
    /// Whether all entities are chosen, which needs no list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) all: Option<Chosen>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) set: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mode: Option<Mode>,
    /// The [proof](Choices::proof) of the viability check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) check: Option<String>,
    /// The [proof](Choices::proof) of the dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) preview: Option<String>,
    #[serde(skip_serializing)]
    pub(super) visit: Option<String>,
    #[serde(skip_serializing)]
    pub(super) confirm: Option<String>,
}

/// What happens to the records in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    /// A record of the backup overwrites an existing one.
    Overwrite,
    /// Existing records are kept.
    Keep,
    /// An existing record refuses the restore.
    Fail,
    /// The database has exactly the records of the backup afterwards.
    Replace,
}

/// What the screen shows.
pub(super) struct Shown {
    pub(super) choices: Choices,
    /// The backups that can be selected, newest first.
    pub(super) selectable: Vec<CatalogEntry>,
    /// The selected backup.
    pub(super) selected: Option<Selected>,
    /// The viability check of the choices, if there is one.
    pub(super) check: Option<Operation>,
    /// The dry run of the choices, if there is one.
    pub(super) preview: Option<Operation>,
}

/// The selected backup, and where it would be restored.
pub(super) struct Selected {
    pub(super) manifest: Manifest,
    /// The current names of its entities.
    pub(super) entities: Vec<String>,
    /// The names of the databases into which the chosen entities are restored.
    pub(super) targets: BTreeSet<String>,
}

impl Choices {
    /// Returns the address of the screen with these choices.
    pub(super) fn address(&self) -> Result<String, Problem> {
        let query = serde_html_form::to_string(self).map_err(|_| {
            Problem::new(ProblemKind::Internal, "the address of the restore cannot be composed")
        })?;
        Ok(format!("/restore?{query}"))
    }

    /// Returns the id of an operation together with a hash of the choices for which it was started, so that the result is
    /// not shown beside other choices.
    pub(super) fn proof(&self, operation: OperationId) -> Result<String, Problem> {
        let choices = Self { check: None, preview: None, ..self.clone() };
        let text = serde_json::to_vec(&choices).map_err(|_| {
            Problem::new(ProblemKind::Internal, "the choices of the restore cannot be compared")
        })?;
        let hash = hex(&Sha256::digest(text)[..8]);
        Ok(format!("{operation}.{hash}"))
    }

    /// Returns the operation of a proof, if it was started for these choices.
    pub(super) fn proven(&self, proof: &str) -> Option<OperationId> {
        let operation = proof.split('.').next()?.parse().ok()?;
        (self.proof(operation).ok()? == proof).then_some(operation)
    }

    pub(super) fn cleaned(self) -> Self {
        let Self { backup, profile, set, check, preview, .. } = self.clone();
        let [mut backup, mut profile, set, check, preview] =
            [backup, profile, set, check, preview].map(filled);
        // The list of backups selects a backup together with its storage profile.
        if let Some((id, Some(of_list))) = backup.as_deref().map(address::locate) {
            (profile, backup) = (Some(of_list.to_owned()), Some(id.to_owned()));
        }
        Self { backup, profile, set, check, preview, ..self }
    }

    pub(super) fn backup(&self) -> Result<BackupPath, Problem> {
        self.backup.clone().map(BackupPath).ok_or_else(|| {
            Problem::new(ProblemKind::Invalid, "no backup is selected")
                .with_help("select one in the first step")
        })
    }

    /// Returns the order of a restore of these choices.
    pub(super) fn order(&self, dry_run: bool) -> Result<RestoreOrder, Problem> {
        RestoreBody {
            storage_profile: self.profile.clone(),
            entity_types: Some(self.entity.clone()).filter(|entities| !entities.is_empty()),
            target_set: self.set.clone(),
            replace_existing: Some(self.mode == Some(Mode::Replace)),
            conflict_mode: self.mode.and_then(Mode::conflict),
            dry_run: Some(dry_run),
            confirm: self.confirm.clone(),
            ..RestoreBody::default()
        }
        .order()
    }
}

impl Mode {
    fn conflict(self) -> Option<Conflict> {
        match self {
            Self::Overwrite => Some(Conflict::Overwrite),
            Self::Keep => Some(Conflict::Keep),
            Self::Fail => Some(Conflict::Fail),
            Self::Replace => None,
        }
    }
}
