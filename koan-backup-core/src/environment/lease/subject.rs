//! The subjects of leases.

use std::fmt;

use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::foundation::id::{BackupId, BackupName};
use crate::foundation::identity::ApplicationIdentity;

/// The subject of a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Subject {
    /// The backups with one name. Older versions, which recorded no application identity, wrote this subject;
    /// this version only reads it.
    Backup(BackupName),
    /// The backups with one name by one application. Exclusive.
    BackupBy {
        /// The name of the backups.
        name: BackupName,
        /// The name of the application.
        application: String,
        /// The environment of the application.
        environment: String,
    },
    /// The removal of backups. Exclusive.
    Prune,
    /// The reading of a backup. The backup must not be removed while it is read. Shared.
    Restore(BackupId),
    /// The rewriting of a backup for other recipients. Exclusive.
    Rekey(BackupId),
    /// The copying of a backup into this storage, while its archive is not yet published here. Shared.
    Copy(BackupId),
    /// The writing of a restore into one provider of an application. Exclusive.
    RestoreInto {
        /// The name of the provider.
        provider: String,
        /// The name of the database, if the provider knows it.
        database: Option<String>,
        /// The name of the application.
        application: String,
        /// The environment of the application.
        environment: String,
    },
}

/// The folder of all leases.
pub(super) const LEASES_FOLDER: &str = "leases";

impl Subject {
    /// Returns the subject of the backups with one name by one application. Another application may make
    /// backups with the same name at the same time.
    pub(crate) fn of_backup(name: &BackupName, identity: &ApplicationIdentity) -> Self {
        Self::BackupBy {
            name: name.clone(),
            application: identity.application().to_owned(),
            environment: identity.environment().to_owned(),
        }
    }

    /// Returns the subject of restores into a provider of an application. Another application, or the same
    /// application with another database, may restore at the same time.
    pub(crate) fn of_restore_into(
        provider: &str,
        database: Option<String>,
        identity: &ApplicationIdentity,
    ) -> Self {
        Self::RestoreInto {
            provider: provider.to_owned(),
            database,
            application: identity.application().to_owned(),
            environment: identity.environment().to_owned(),
        }
    }

    /// Returns the folder of the leases of this subject.
    pub(crate) fn folder(&self) -> Path {
        let path = match self {
            Self::Backup(name) => format!("backup/{}", folder_name(name)),
            Self::BackupBy { name, application, environment } => {
                let identity = format!("{name}\0{application}\0{environment}");
                format!("backup/{}-{}", name.safe(), short_hash(&identity))
            }
            Self::Prune => "prune".to_owned(),
            Self::Restore(id) => format!("restore/{id}"),
            Self::Rekey(id) => format!("rekey/{id}"),
            Self::Copy(id) => format!("copy/{id}"),
            Self::RestoreInto { provider, database, application, environment } => {
                let database = database.as_deref().unwrap_or_default();
                let target = format!("{provider}\0{database}\0{application}\0{environment}");
                format!("restore-into/{}", short_hash(&target))
            }
        };
        Path::from(format!("{LEASES_FOLDER}/{path}"))
    }

    /// Returns the subjects whose leases protect this backup from removal.
    pub(crate) fn protecting(backup: BackupId) -> [Self; 2] {
        [Self::Restore(backup), Self::Rekey(backup)]
    }

    /// Returns whether a lease of this subject protects this backup from removal.
    pub(crate) fn protects(&self, backup: &BackupId) -> bool {
        Self::protecting(*backup).contains(self)
    }

    /// Returns whether several processes may hold the lease at the same time.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Self::Restore(_) | Self::Copy(_))
    }
}

/// Returns the folder name for a backup name. A hash distinguishes names that would have the same folder
/// name.
fn folder_name(name: &BackupName) -> String {
    let safe = name.safe();
    if safe == name.as_str() {
        return safe;
    }
    format!("{safe}-{}", short_hash(name.as_str()))
}

fn short_hash(text: &str) -> String {
    let hash = crate::foundation::digest::sha256(text.as_bytes());
    let hash = hash.rsplit(':').next().unwrap_or_default();
    hash.get(..16).unwrap_or_default().to_owned()
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backup(name) | Self::BackupBy { name, .. } => write!(f, "backing up `{name}`"),
            Self::Prune => f.write_str("removing backups"),
            Self::Restore(id) => write!(f, "restoring backup {id}"),
            Self::Rekey(id) => write!(f, "rewriting backup {id} for other recipients"),
            Self::Copy(id) => write!(f, "copying backup {id}"),
            Self::RestoreInto { provider, database: Some(database), .. } => {
                write!(f, "restoring into provider `{provider}` (database `{database}`)")
            }
            Self::RestoreInto { provider, .. } => write!(f, "restoring into provider `{provider}`"),
        }
    }
}
