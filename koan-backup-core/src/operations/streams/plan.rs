//! The plan of single backups of one type: where and how they are stored. Making a plan writes nothing.

use super::options::{Inclusion, StreamBackupOptions};
use super::stream_type::StreamType;
use crate::archive::StreamIncludes;
use crate::archive::stream_file::StreamFolder;
use crate::encryption::Recipients;
use crate::environment::Environment;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// The plan of single backups of one type.
#[derive(Clone, Debug)]
pub(super) struct StreamBackupPlan<'e> {
    pub(super) of: StreamType<'e>,
    pub(super) profile: &'e str,
    pub(super) storage: &'e Storage,
    /// The recipients for whom the backups are encrypted.
    pub(super) recipients: Option<Recipients>,
    pub(super) includes: StreamIncludes,
}

/// Plans single backups of the aggregates with an object name.
///
/// # Errors
/// The object name or the storage profile does not exist, the type is not covered or cannot be encrypted, the store
/// does not have a required part, or the folder is not valid.
pub(super) fn plan<'e>(
    environment: &'e Environment,
    object: &str,
    options: &'e StreamBackupOptions,
) -> Result<StreamBackupPlan<'e>> {
    let of = StreamType::find(environment, object)?;
    let Some(policy) = of.policy else { return Err(not_covered(environment, of.codec.name())) };
    let storage = environment.storage(options.profile.as_deref())?;
    let recipients = environment.recipients_of(of.codec.name(), policy)?;
    let recipients = recipients.or(environment.archive_recipients(storage)?).cloned();
    let includes = |inclusion, exists, part: &str, method: &str| match inclusion {
        Inclusion::Excluded => Ok(false),
        Inclusion::All => Ok(exists),
        Inclusion::Required if exists => Ok(true),
        Inclusion::Required => {
            let text = format!(
                "the event store `{}` has no {part}, so `{method}` is not possible",
                of.provider_name
            );
            let help = "omit it, or use `.full()`, which includes everything that the store has";
            Err(Error::new(ErrorKind::Unsupported, text).with_help(help))
        }
    };
    let includes = StreamIncludes::new(
        includes(options.document, of.store.documents, "documents", "")?,
        includes(options.snapshots, of.store.snapshots, "snapshots", ".include_snapshots()")?,
        includes(
            options.terminated,
            of.store.terminated_streams,
            "terminated streams",
            ".include_terminated()",
        )?,
    );
    if let Some(folder) = &options.folder {
        StreamFolder::new(object, "x").content(Some(folder), "x")?;
    }
    Ok(StreamBackupPlan {
        profile: environment.profile_name(options.profile.as_deref()),
        of,
        storage,
        recipients,
        includes,
    })
}

fn not_covered(environment: &Environment, name: &str) -> Error {
    let inventory = environment.inventory.get();
    let excluded = inventory.excluded.iter().find(|excluded| excluded.entity == name);
    let (why, help) = match excluded {
        Some(excluded) => (format!("is excluded from backups: {:?}", excluded.reason), "change its policy"),
        None => (
            "has no backup policy".to_owned(),
            "add `#[entity_backup]` to its event type, or a scope to its crate",
        ),
    };
    Error::new(ErrorKind::Configuration, format!("`{name}` {why}")).with_help(help)
}
