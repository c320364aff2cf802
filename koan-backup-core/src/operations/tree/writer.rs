//! Writes an archive into a tree: its data files, then the registry, and then the links.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::created::{CreatedGuard, CreatedPaths};
use super::entity_writer::{EntityWriter, WrittenEntity};
use super::files::{replace, sync_directory, write_error, write_new};
use super::leftovers::{DirectoryPlan, INCOMPLETE_MARK, PLAN_FILE, remove_mark};
use super::links;
use super::report::{DirectoryBackupReport, DirectoryFile};
use super::root::LockedRoot;
use super::stage_entity::{verify_bytes, verify_unencrypted};
use super::staging::Staging;
use crate::archive::tree::{TreeBackup, TreeFailure, TreePath, TreeRegistry, time_directory, type_directory};
use crate::archive::{
    EncryptionScope, EncryptionSummary, EntityManifest, EntityStatus, Manifest, OpenArchive,
};
use crate::encryption::Recipients;
use crate::environment::{Environment, require_recipients};
use crate::foundation::blocking::blocking;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::clock::Clock;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::json::document;

/// An open archive that is written into a tree.
pub(crate) struct TreeSource<'a> {
    pub(crate) open: &'a OpenArchive,
    pub(crate) manifest: &'a Manifest,
    /// The recipients for which encrypted entities are encrypted in the tree.
    pub(crate) recipients: Option<&'a Recipients>,
    pub(crate) read_back: ReadBack,
}

impl TreeSource<'_> {
    /// Checks that encrypted entities can be decrypted and encrypted again.
    ///
    /// # Errors
    /// There is no key that decrypts an encrypted entity, or there are no recipients for which it is encrypted.
    pub(crate) fn require_convertible(&self) -> Result<()> {
        let completed =
            || self.manifest.entities.iter().filter(|entity| entity.status == EntityStatus::Completed);
        require_recipients(
            self.recipients,
            completed().map(|entity| (entity.entity.as_str(), entity.policy)),
        )?;
        completed().try_for_each(|entity| self.open.require_decrypted(entity))
    }
}

/// Whether the files are read back and verified before the backup is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadBack {
    Verified,
    Omitted,
}

/// Writes an archive into a tree, in a staging directory of its own.
pub(crate) async fn write(
    environment: &Environment,
    root: &Arc<LockedRoot>,
    source: TreeSource<'_>,
    cancel: &CancellationToken,
) -> Result<DirectoryBackupReport> {
    let (locked, clock) = (Arc::clone(root), Arc::clone(&environment.clock) as Arc<dyn Clock>);
    let staging =
        blocking("creates the staging directory", move || Staging::within(locked.path(), &clock)).await??;
    let written = write_staged(root, &staging, source, cancel).await;
    staging.remove().await;
    written
}

/// Writes an archive into a tree. `staging` lists the new directories, so that they are removed after a crash.
pub(super) async fn write_staged(
    root: &Arc<LockedRoot>,
    staging: &Staging,
    source: TreeSource<'_>,
    cancel: &CancellationToken,
) -> Result<DirectoryBackupReport> {
    let manifest = source.manifest;
    source.require_convertible()?;
    let completed: Vec<_> =
        manifest.entities.iter().filter(|entity| entity.status == EntityStatus::Completed).collect();
    let (locked, described) = (Arc::clone(root), manifest.clone());
    let read = blocking("reads the directory tree", move || {
        let registry = locked.registry()?;
        let directory = new_directory(locked.path(), &registry, &described);
        Ok::<_, Error>((registry, directory))
    });
    let (registry, directory) = read.await??;
    if registry.backups.iter().any(|backup| backup.id == manifest.id) {
        let text =
            format!("backup {} is already in the directory tree `{}`", manifest.id, root.path().display());
        return Err(Error::new(ErrorKind::Conflict, text));
    }
    let entities = plan(&completed, &directory)?;

    let created = CreatedPaths::default();
    let guard = created.guard();
    match write_files(root, staging, &source, &entities, &created, cancel).await {
        // From here on cancellation has no effect: a backup that is registered must not be reported as cancelled.
        Ok(written) => {
            let backup = registered(&source, directory, &written);
            let warnings = register(root, registry, backup.clone(), guard).await?;
            Ok(report(root.path(), &backup, &written, warnings))
        }
        Err(error) => {
            guard.undo().await;
            Err(error)
        }
    }
}

/// Writes the data files and the descriptions of all entities.
async fn write_files(
    root: &LockedRoot,
    staging: &Staging,
    source: &TreeSource<'_>,
    entities: &[(TreePath, Vec<&EntityManifest>)],
    created: &CreatedPaths,
    cancel: &CancellationToken,
) -> Result<Vec<WrittenEntity>> {
    let TreeSource { open, manifest, recipients, read_back } = *source;
    let directories = entities.iter().map(|(path, _)| path.clone()).collect();
    begin(root, staging, DirectoryPlan { id: manifest.id, directories }, created).await?;
    let writer = EntityWriter { open, manifest, recipients, created, cancel };
    let mut written = Vec::with_capacity(entities.len());
    for (path, sets) in entities {
        written.push(writer.write(sets, path, path.within(root.path())).await?);
    }
    if read_back == ReadBack::Verified {
        until_cancelled(cancel, verify_files(root.path(), &written)).await?;
    }
    match cancel.is_cancelled() {
        true => Err(Error::cancelled()),
        false => Ok(written),
    }
}

/// Adds a backup to the registry, and updates the links. Returns the warnings. `guard` removes the files if the backup
/// is not registered.
async fn register(
    root: &Arc<LockedRoot>,
    registry: TreeRegistry,
    backup: TreeBackup,
    guard: CreatedGuard,
) -> Result<Vec<String>> {
    let (root, id) = (Arc::clone(root), backup.id);
    let directories: Vec<_> =
        backup.entities.iter().map(|entity| entity.directory.within(root.path())).collect();
    let mut registry = registry;
    registry.backups.push(backup);
    // The future may be dropped meanwhile, so the files are kept or removed by the same work.
    let registering = blocking("writes the directory tree", move || {
        if let Err(error) = root.replace_registry(&registry) {
            // The registry may have been replaced although its directory could not be synced.
            let is_absent =
                root.registry().is_ok_and(|found| !found.backups.iter().any(|backup| backup.id == id));
            if is_absent {
                drop(guard);
                return Err(error);
            }
            guard.keep();
            let text = format!("it is not known whether backup {id} is durable in the directory tree");
            return Err(error.context(text));
        }
        guard.keep();
        let marks = directories.iter().filter_map(|directory| remove_mark(directory).err());
        let mut warnings: Vec<_> = marks.map(|error| error.chain()).collect();
        warnings.extend(links::update(root.path(), &registry));
        Ok(warnings)
    });
    registering.await?
}

/// Returns the entities of an archive with their directories and sets, in the order of the archive.
fn plan<'m>(
    completed: &[&'m EntityManifest],
    directory: &str,
) -> Result<Vec<(TreePath, Vec<&'m EntityManifest>)>> {
    let mut planned: Vec<(String, Vec<&EntityManifest>)> = Vec::new();
    let mut used: BTreeMap<String, &str> = BTreeMap::new();
    for entity in completed {
        if let Some((_, sets)) = planned.iter_mut().find(|(_, sets)| sets[0].entity == entity.entity) {
            sets.push(entity);
            continue;
        }
        let mut name = type_directory(&entity.type_path, &entity.entity);
        // Some file systems ignore case, and two entities can have the same type path in different functions.
        if used.contains_key(&name.to_lowercase()) {
            name = format!("{name}-{}", type_directory("", &entity.entity));
        }
        if let Some(other) = used.insert(name.to_lowercase(), &entity.entity) {
            let text = format!("`{other}` and `{}` would have the same directory `{name}`", entity.entity);
            return Err(Error::new(ErrorKind::Unsupported, text).with_help("give one of them another name"));
        }
        planned.push((name, vec![*entity]));
    }
    planned
        .into_iter()
        .map(|(name, sets)| {
            let path = TreePath::new(&name, directory).ok_or_else(|| {
                let text = format!("no directory can have the name of the type of `{}`", sets[0].entity);
                Error::new(ErrorKind::Unsupported, text).with_help("give the entity another name")
            })?;
            Ok((path, sets))
        })
        .collect()
}

/// Returns the name of the directory of a backup. The second backup of the same second gets the end of its id as a
/// suffix. The function blocks.
fn new_directory(root: &Path, registry: &TreeRegistry, manifest: &Manifest) -> String {
    let time = time_directory(manifest.created_at);
    let is_registered = registry.backups.iter().any(|backup| backup.directory == time);
    let exists = |entity: &EntityManifest| {
        let directory = root.join(type_directory(&entity.type_path, &entity.entity)).join(&time);
        std::fs::symlink_metadata(directory).is_ok()
    };
    match is_registered || manifest.entities.iter().any(exists) {
        true => format!("{time}-{}", manifest.id.short()),
        false => time,
    }
}

/// Records the new directories in the staging directory, and creates them with their marks.
async fn begin(
    root: &LockedRoot,
    staging: &Staging,
    plan: DirectoryPlan,
    created: &CreatedPaths,
) -> Result<()> {
    let (root, staging) = (root.path().to_owned(), staging.path()?.to_owned());
    let created = created.clone();
    blocking("writes the directory tree", move || {
        replace(&staging.join(PLAN_FILE), &staging.join("directories.json.new"), &document(&plan))?;
        sync_directory(&root)?;
        for path in &plan.directories {
            let entity = root.join(path.entity());
            created.directory_if_missing(&entity).map_err(|source| write_error(&entity, source))?;
            let is_directory = std::fs::symlink_metadata(&entity).is_ok_and(|found| found.is_dir());
            if !is_directory {
                let text =
                    format!("`{}` is not a directory, so nothing is written into it", entity.display());
                return Err(
                    Error::new(ErrorKind::Configuration, text).with_help("remove it, or use another tree")
                );
            }
            let directory = path.within(&root);
            created.directory(&directory).map_err(|source| write_error(&directory, source))?;
            let mark = directory.join(INCOMPLETE_MARK);
            let file = created.file(&mark).map_err(|source| write_error(&mark, source))?;
            write_new(file, &mark, plan.id.to_string().as_bytes())?;
            sync_directory(&entity)?;
        }
        sync_directory(&root)
    })
    .await?
}

/// Reads the data files back, and compares them with their descriptions.
async fn verify_files(root: &Path, written: &[WrittenEntity]) -> Result<()> {
    for WrittenEntity { entity, sets } in written {
        for set in sets.iter().cloned() {
            let path = entity.directory.within(root).join(&set.file);
            let verified = blocking("reads the directory tree", move || match set.content_hash {
                Some(_) => verify_unencrypted(&path, &set),
                None => verify_bytes(&path, &set),
            });
            verified.await??;
        }
    }
    Ok(())
}

/// Returns the entry of the backup in the registry.
fn registered(source: &TreeSource<'_>, directory: String, written: &[WrittenEntity]) -> TreeBackup {
    let manifest = source.manifest;
    let is_encrypted = manifest
        .entities
        .iter()
        .any(|entity| entity.status == EntityStatus::Completed && entity.policy.encrypt);
    let failed = manifest.entities.iter().filter(|entity| entity.status != EntityStatus::Completed);
    TreeBackup {
        id: manifest.id,
        name: manifest.name.clone(),
        series: manifest.series.clone(),
        description: manifest.description.clone(),
        triggered_by: manifest.triggered_by.clone(),
        reason: manifest.reason.clone(),
        created_at: manifest.created_at,
        completed_at: manifest.completed_at,
        duration_ms: manifest.duration_ms,
        status: manifest.status,
        tags: manifest.tags.clone(),
        metadata: manifest.metadata.clone(),
        producer: manifest.producer.clone(),
        encryption: source.recipients.filter(|_| is_encrypted).map(|recipients| EncryptionSummary {
            scope: EncryptionScope::Entities,
            recipients: recipients.public_keys(),
            key_ids: recipients.key_ids(),
        }),
        directory,
        entities: written.iter().map(|written| written.entity.clone()).collect(),
        failed: failed
            .map(|entity| TreeFailure {
                entity: entity.entity.clone(),
                set: entity.set.clone(),
                error: entity.error.clone(),
            })
            .collect(),
        warnings: manifest.warnings.clone(),
        discovery: manifest.discovery.clone(),
    }
}

fn report(
    root: &Path,
    backup: &TreeBackup,
    written: &[WrittenEntity],
    warnings: Vec<String>,
) -> DirectoryBackupReport {
    let files = written.iter().flat_map(|WrittenEntity { entity, sets }| {
        sets.iter().map(|set| DirectoryFile {
            entity: entity.entity.clone(),
            set: set.set.clone(),
            file: format!("{}/{}", entity.directory, set.file),
            item_count: set.item_count,
            size_bytes: set.data_file.size_bytes,
            encrypted: set.content_hash.is_none(),
        })
    });
    DirectoryBackupReport {
        id: backup.id,
        name: backup.name.clone(),
        status: backup.status,
        root: root.display().to_string(),
        directory: backup.directory.clone(),
        files: files.collect(),
        failed: backup.failed.iter().map(|failure| failure.entity.clone()).collect(),
        warnings: backup.warnings.iter().cloned().chain(warnings).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(name: &str, type_path: &str, set: &str) -> EntityManifest {
        serde_json::from_value(serde_json::json!({
            "entity": name, "typePath": type_path, "keyType": "i64", "set": set, "provider": "main",
            "providerKind": "sqlite", "status": "completed", "error": null, "itemCount": 0, "sizeBytes": 0,
            "policy": { "encrypt": false, "includeSchema": true, "source": "attribute" },
            "compressedBytes": 0, "contentHash": null, "recordSetHash": null, "storageFile": null,
            "schemaFingerprint": "", "durationMs": 0,
        }))
        .expect("the JSON describes an entity")
    }

    #[test]
    fn entities_with_the_same_type_path_or_one_that_differs_in_case_have_separate_directories() {
        let entities = [
            entity("User", "shop::User", "root"),
            entity("User", "shop::User", "archive"),
            entity("Other", "shop::User", "root"),
            entity("Lower", "shop::user", "root"),
        ];
        let entities: Vec<_> = entities.iter().collect();
        let planned = plan(&entities, "2025-10-02T15-30-45Z").expect("the names are different");
        let directories: Vec<_> = planned.iter().map(|(path, sets)| (path.entity(), sets.len())).collect();
        assert_eq!(directories, [("shop.User", 2), ("shop.User-Other", 1), ("shop.user-Lower", 1)]);
    }
}
