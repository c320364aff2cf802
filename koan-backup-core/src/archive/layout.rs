//! Where things lie in a storage profile and inside an archive.

use jiff::Timestamp;
use object_store::path::Path;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::compression::{Coding, CompressionMethod, Sealing};
use super::manifest::Manifest;
use crate::encryption::ArchiveEncryption;
use crate::id::{BackupId, BackupName, SetName};

/// What stays as it is in the name of an entry; everything else is percent-encoded.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'#').remove(b'-');

/// The entries beside those of the entities.
pub(crate) mod entry {
    pub(crate) const CHECKSUMS: &str = "verification/checksums.json";
    pub(crate) const SEALED: &str = "verification/sealed.json.age";
    pub(crate) const SCHEMA_SNAPSHOTS: &str = "verification/schema-snapshots.json";
    pub(crate) const DISCOVERY_INFO: &str = "metadata/discovery-info.json";
    pub(crate) const PROVIDER_INFO: &str = "metadata/provider-info.json";
    pub(crate) const BACKUP_STATS: &str = "metadata/backup-stats.json";
    pub(crate) const BLOCKS: &str = "metadata/blocks.json";
    pub(crate) const MANIFEST: &str = "manifest.json";
}

/// The name of the entry that holds an entity's records: `entities/AuditLog#archive.jsonl`.
pub fn entity_file(entity: &str, set: &SetName) -> String {
    let entity = utf8_percent_encode(entity, KEPT);
    if set.is_root() {
        format!("entities/{entity}.jsonl")
    } else {
        format!("entities/{entity}#{}.jsonl", utf8_percent_encode(set.as_str(), KEPT))
    }
}

/// The name of the entry that holds an entity's records encrypted: `entities/Secret.jsonl.gz.age`.
pub(crate) fn sealed_file(entity: &str, set: &SetName, method: CompressionMethod) -> String {
    format!("{}{}.age", entity_file(entity, set), method.suffix())
}

/// How the blocks of an entry are coded, by its name and its ZIP method.
pub(crate) fn coding(file: &str, method: CompressionMethod) -> Coding {
    match file.strip_suffix(".age") {
        None => Coding::of(method, Sealing::Clear),
        Some(sealed) if sealed.ends_with(CompressionMethod::Deflate.suffix()) => Coding::Gzip,
        Some(sealed) if sealed.ends_with(CompressionMethod::Zstd.suffix()) => Coding::Zstd,
        Some(_) => Coding::Stored,
    }
}

/// Where the archive of a backup lies in its profile.
pub(crate) fn archive_path(
    name: &BackupName,
    created_at: Timestamp,
    id: &BackupId,
    encryption: ArchiveEncryption,
) -> Path {
    let time = created_at.strftime("%Y%m%d-%H%M%S");
    Path::from(format!("archives/backup-{}-{time}-{}.{}", name.safe(), id.short(), extension(encryption)))
}

fn extension(encryption: ArchiveEncryption) -> &'static str {
    match encryption {
        ArchiveEncryption::ByEntity => "zip",
        ArchiveEncryption::Always => "zip.age",
    }
}

/// Where the archive of a backup lies once it was written anew: for other recipients, or into another profile.
pub(crate) fn rekeyed_path(manifest: &Manifest, again: &BackupId) -> Path {
    let time = manifest.created_at.strftime("%Y%m%d-%H%M%S");
    let (name, id) = (manifest.name.safe(), manifest.id.short());
    let encryption =
        if manifest.is_sealed() { ArchiveEncryption::Always } else { ArchiveEncryption::ByEntity };
    Path::from(format!("archives/backup-{name}-{time}-{id}-{}.{}", again.short(), extension(encryption)))
}

/// Whether a file beside archives is called as archives are: `backup-{name}-{yyyyMMdd}-{HHmmss}-{id8}.zip`, perhaps with a second
/// part of the id, and sealed.
pub(crate) fn is_archive_name(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".age").unwrap_or(name).strip_suffix(".zip") else { return false };
    let Some(parts) = stem.strip_prefix("backup-") else { return false };
    let parts: Vec<_> = parts.split('-').collect();
    let digits = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    let hex = |part: &str| part.len() == 8 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let ends = |parts: &[&str]| matches!(parts, [_, .., day, time, id] if digits(day, 8) && digits(time, 6) && hex(id));
    match parts.split_last() {
        Some((last, before)) => ends(&parts) || (hex(last) && ends(before)),
        None => false,
    }
}

/// Where all archives lie.
pub(crate) fn archives_prefix() -> Path {
    Path::from("archives")
}

/// Whether a file can be an archive, whatever it is called: it lies directly in the folder of the archives and ends in `.zip` or
/// `.zip.age`. Somebody may have copied it there by hand, under a name of their own.
pub(crate) fn may_be_archive(path: &Path) -> bool {
    let Some(name) = path.as_ref().strip_prefix("archives/").filter(|name| !name.contains('/')) else {
        return false;
    };
    let stem = name.strip_suffix(".age").unwrap_or(name);
    !name.starts_with('.') && stem.ends_with(".zip")
}

/// Where the manifest of a backup lies in its profile. The backup exists once this is there.
pub(crate) fn manifest_path(id: &BackupId) -> Path {
    Path::from(format!("manifests/{id}.json"))
}

/// The backup whose manifest lies there; none if no manifest is called so.
pub(crate) fn manifest_id(path: &Path) -> Option<BackupId> {
    let id = path.filename()?.strip_suffix(".json")?.parse().ok()?;
    (manifest_path(&id) == *path).then_some(id)
}

/// Where all manifests lie.
pub(crate) fn manifests_prefix() -> Path {
    Path::from("manifests")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_called_as_archives_are_is_taken_for_one() {
        for encryption in [ArchiveEncryption::ByEntity, ArchiveEncryption::Always] {
            let id: BackupId = "01a20039-2e20-73ff-b80d-43944b669d73".parse().expect("an id");
            let name = BackupName::new("Nightly 2026-11-21").expect("a name");
            let path =
                archive_path(&name, "2026-11-21T03:00:00Z".parse().expect("an instant"), &id, encryption);
            assert!(path.filename().is_some_and(is_archive_name), "{path}");
        }
        assert!(
            is_archive_name("backup-nightly-20261121-030000-4b669d73-0a1b2c3d.zip"),
            "sealed anew, or copied"
        );
        for name in [
            "notes.zip",
            "backup.zip",
            "backup-nightly.zip",
            "backup-20261121-030000-4b669d73.zip",
            "backup-nightly-20261121-030000-4b669d73.tar",
            "backup-nightly-20261121-030000.zip",
            "my-backup-nightly-20261121-030000-4b669d73.zip",
            "backup-nightly-20261121-030000-4b669d73.zip.part",
        ] {
            assert!(!is_archive_name(name), "{name}");
        }
    }

    #[test]
    fn names_in_paths_cannot_leave_their_folder() {
        let set = |name: &str| SetName::new(name).expect("valid");
        assert_eq!(entity_file("User", &SetName::root()), "entities/User.jsonl");
        assert_eq!(entity_file("AuditLog", &set("archive")), "entities/AuditLog#archive.jsonl");
        assert_eq!(
            sealed_file("Secret", &SetName::root(), CompressionMethod::Deflate),
            "entities/Secret.jsonl.gz.age"
        );
        assert_eq!(
            entity_file("../../etc/pass wd", &set("ü/x")),
            "entities/..%2F..%2Fetc%2Fpass%20wd#%C3%BC%2Fx.jsonl"
        );
    }
}
