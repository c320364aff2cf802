//! What a lease is about.

use std::fmt;

use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::foundation::id::{BackupId, BackupName};
use crate::foundation::identity::ApplicationIdentity;

/// What a lease is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Subject {
    /// Backups of a name, as versions before identities of applications were recorded wrote it. It is only read.
    Backup(BackupName),
    /// Backups of a name by one application: one at a time.
    BackupBy {
        /// The name.
        name: BackupName,
        /// The application.
        application: String,
        /// Its environment.
        environment: String,
    },
    /// Removing backups: one at a time.
    Prune,
    /// Reading a backup, which several may do at once; nobody may remove it meanwhile.
    Restore(BackupId),
    /// Sealing a backup for others: one at a time.
    Rekey(BackupId),
    /// Bringing a backup from elsewhere, which several may do at once: its archive is no leftover.
    Copy(BackupId),
}

/// Where all leases lie.
pub(super) const PREFIX: &str = "leases";

impl Subject {
    /// Backups of a name by an application. Another application backs up under the same name at the same time.
    pub(crate) fn of_backup(name: &BackupName, identity: &ApplicationIdentity) -> Self {
        Self::BackupBy {
            name: name.clone(),
            application: identity.application().to_owned(),
            environment: identity.environment().to_owned(),
        }
    }

    /// The folder of its leases.
    pub(crate) fn folder(&self) -> Path {
        let below = match self {
            Self::Backup(name) => format!("backup/{}", file_name(name)),
            Self::BackupBy { name, application, environment } => {
                let whole = format!("{name}\0{application}\0{environment}");
                format!("backup/{}-{}", name.safe(), short_hash(&whole))
            }
            Self::Prune => "prune".to_owned(),
            Self::Restore(id) => format!("restore/{id}"),
            Self::Rekey(id) => format!("rekey/{id}"),
            Self::Copy(id) => format!("copy/{id}"),
        };
        Path::from(format!("{PREFIX}/{below}"))
    }

    /// The subjects whose holders need this backup to stay.
    pub(crate) fn holding(backup: BackupId) -> [Self; 2] {
        [Self::Restore(backup), Self::Rekey(backup)]
    }

    /// Whether its holder needs this backup to stay.
    pub(crate) fn holds(&self, backup: &BackupId) -> bool {
        Self::holding(*backup).contains(self)
    }

    /// Whether many may hold it at once.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Self::Restore(_) | Self::Copy(_))
    }
}

/// The name of a backup as it stands in a path. Names that would share one are told apart by a hash.
fn file_name(name: &BackupName) -> String {
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
            Self::Rekey(id) => write!(f, "sealing backup {id} for other recipients"),
            Self::Copy(id) => write!(f, "copying backup {id}"),
        }
    }
}
