//! The acknowledged losses of the backups of a tree: the file `.acknowledgements.json` in its root.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::described::describe;
use super::files::{damaged, read_small, replace};
use super::root::LockedRoot;
use crate::archive::MAX_MANIFEST_BYTES;
use crate::catalog::{self, Acknowledgement, Acknowledgements, Origin, SizeDrop};
use crate::environment::Environment;
use crate::foundation::blocking::blocking;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::foundation::json::document;

const FILE: &str = ".acknowledgements.json";
const NEW_FILE: &str = ".acknowledgements.json.new";

/// Reads the acknowledgements of a tree. If they cannot be read, this is logged and they are ignored, so that the
/// losses are reported until they are acknowledged again. The function blocks.
pub(super) fn read(root: &Path) -> Acknowledgements {
    let all = read_all(root).unwrap_or_else(|error| {
        tracing::warn!(
            target: "koan::backup", error = %error.chain(), "acknowledgements cannot be read and are ignored"
        );
        BTreeMap::new()
    });
    Acknowledgements::of(all)
}

fn read_all(root: &Path) -> Result<BTreeMap<BackupId, Acknowledgement>> {
    let path = root.join(FILE);
    let Some(content) = read_small(&path, MAX_MANIFEST_BYTES)? else { return Ok(BTreeMap::new()) };
    serde_json::from_slice(&content).map_err(|_| damaged(&path, "it does not have the expected form"))
}

/// Acknowledges the losses in a backup of the tree in `root`, and returns them.
///
/// # Errors
/// There is no such backup, it has no loss, it belongs to another application, or the tree cannot be written.
pub(crate) async fn acknowledge(
    environment: &Environment,
    root: PathBuf,
    id: BackupId,
    reason: &str,
) -> Result<Vec<SizeDrop>> {
    let opened = blocking("opens the directory tree", move || {
        let root = LockedRoot::open_existing(&root)?;
        let registry = root.registry()?;
        let all: Vec<_> = registry.backups.into_iter().map(|backup| describe(root.path(), backup)).collect();
        Ok::<_, Error>((root, all))
    });
    let (root, all) = opened.await??;
    let Some(backup) = all.iter().find(|backup| backup.entry.id == id) else {
        let text = format!("there is no backup {id} in the directory tree `{}`", root.path().display());
        return Err(Error::new(ErrorKind::NotFound, text));
    };
    let producer = &backup.entry.producer;
    if producer.origin(&environment.identity) == Origin::Other {
        let producer = producer.description();
        let text = format!("backup {id} was made by {producer}; acknowledge its losses in that application");
        return Err(Error::new(ErrorKind::Conflict, text));
    }
    let own = all.iter().map(|backup| &backup.manifest).filter(|manifest| {
        manifest.status.is_complete() && manifest.producer.origin(&environment.identity) != Origin::Other
    });
    // The percentage is 0, so that every decrease is acknowledged.
    let canonical = |name: &str| environment.canonical(name);
    let mut lost = catalog::losses(own, canonical, 0, &Acknowledgements::default());
    lost.retain(|loss| loss.backup == id);
    let now = environment.clock.now();
    let Some(acknowledgement) = Acknowledgement::new(&lost, producer, reason, now) else {
        let text = format!("backup {id} has no entity with fewer records than in the previous backup");
        return Err(Error::new(ErrorKind::NotFound, text));
    };
    let written = blocking("writes the directory tree", move || {
        let mut all = read_all(root.path())?;
        all.insert(id, acknowledgement);
        replace(&root.path().join(FILE), &root.path().join(NEW_FILE), &document(&all))
    });
    written.await??;
    Ok(lost)
}
