//! The links `latest`: for people and other programs, never for a restore.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::files::{read_small, replace};
use crate::archive::tree::{LATEST_LINK, TreeBackup, TreePath, TreeRegistry};

/// The temporary name of a new link.
const NEW_LINK: &str = ".latest.new";
/// The maximum size of a file that is used instead of a link.
const MAX_LINK_BYTES: u64 = 4096;

/// Lets `latest` of each entity of the newest backup refer to the newest backup of the entity. Returns a warning for
/// each link that could not be written, because the backup is complete without links.
pub(super) fn update(root: &Path, registry: &TreeRegistry) -> Vec<String> {
    let Some(added) = registry.backups.last() else { return Vec::new() };
    let newest = newest(registry);
    let changed = added.entities.iter().filter_map(|entity| newest.get(entity.directory.entity()));
    let link = |path: &TreePath| link(&root.join(path.entity()), path.time(), symbolic_link);
    changed.filter_map(|(_, path)| link(path).err()).collect()
}

/// Corrects each `latest` that refers to one of the removed directories: it refers to the newest backup of the entity
/// that the registry lists, or is removed if there is none. Other links and files are kept. Returns a warning for each
/// link that could not be corrected.
pub(super) fn correct<'p>(
    root: &Path,
    registry: &TreeRegistry,
    removed: impl Iterator<Item = &'p TreePath>,
) -> Vec<String> {
    let newest = newest(registry);
    let mut warnings = Vec::new();
    for path in removed {
        let directory = root.join(path.entity());
        let is_directory = fs::symlink_metadata(&directory).is_ok_and(|found| found.is_dir());
        if !is_directory || target(&directory.join(LATEST_LINK)).as_deref() != Some(path.time()) {
            continue;
        }
        let corrected = match newest.get(path.entity()) {
            Some((_, newest)) => link(&directory, newest.time(), symbolic_link),
            None => fs::remove_file(directory.join(LATEST_LINK)).map_err(|error| {
                format!("`{}` was not removed: {error}", directory.join(LATEST_LINK).display())
            }),
        };
        warnings.extend(corrected.err());
    }
    warnings
}

/// Returns the newest backup of each directory of an entity.
fn newest(registry: &TreeRegistry) -> BTreeMap<&str, (&TreeBackup, &TreePath)> {
    let mut newest: BTreeMap<&str, (&TreeBackup, &TreePath)> = BTreeMap::new();
    for backup in &registry.backups {
        for path in backup.entities.iter().map(|entity| &entity.directory) {
            let known = newest.entry(path.entity()).or_insert((backup, path));
            if (backup.created_at, backup.id) > (known.0.created_at, known.0.id) {
                *known = (backup, path);
            }
        }
    }
    newest
}

/// Returns the name to which a link refers, or the name in a file that is used instead of a link.
fn target(link: &Path) -> Option<String> {
    match fs::read_link(link) {
        Ok(target) => target.to_str().map(str::to_owned),
        Err(_) => {
            let content = read_small(link, MAX_LINK_BYTES).ok()??;
            Some(String::from_utf8(content).ok()?.trim_end().to_owned())
        }
    }
}

/// Lets `latest` in a directory refer to another name in it. `create` creates a symbolic link.
fn link(
    directory: &Path,
    target: &str,
    create: impl Fn(&str, &Path) -> io::Result<()>,
) -> Result<(), String> {
    let (path, temporary) = (directory.join(LATEST_LINK), directory.join(NEW_LINK));
    match fs::symlink_metadata(&path) {
        // A symbolic link of somebody else, or a file with other content, is replaced; a directory is not.
        Ok(found) if found.is_dir() => {
            return Err(format!(
                "`{}` is a directory, so it does not refer to the newest backup",
                path.display()
            ));
        }
        _ => {}
    }
    let linked = match create(target, &temporary) {
        Ok(()) => fs::rename(&temporary, &path).map_err(|error| error.to_string()),
        // Without symbolic links, a file contains the name of the directory.
        Err(_) => replace(&path, &temporary, format!("{target}\n").as_bytes()).map_err(|error| error.chain()),
    };
    linked.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        format!("`{}` does not refer to the newest backup: {error}", path.display())
    })
}

#[cfg(unix)]
fn symbolic_link(target: &str, link: &Path) -> io::Result<()> {
    match fs::remove_file(link) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn symbolic_link(_: &str, _: &Path) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_symbolic_links_a_file_contains_the_name_of_the_directory() {
        let folder = tempfile::tempdir().expect("a folder is created");
        let unsupported = |_: &str, _: &Path| Err(io::Error::from(io::ErrorKind::Unsupported));
        for target in ["2025-10-02T15-30-45Z", "2025-10-03T15-30-45Z"] {
            link(folder.path(), target, unsupported).expect("the file is written");
            let content = fs::read_to_string(folder.path().join(LATEST_LINK)).expect("the file is read");
            assert_eq!(content.trim_end(), target);
        }
        assert_eq!(fs::read_dir(folder.path()).expect("the folder is listed").count(), 1);
    }
}
