//! The paths of files in a storage profile and of entries inside an archive.

use jiff::Timestamp;
use object_store::path::Path;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::compression::{Coding, CompressionMethod, EntryEncryption};
use super::manifest::Manifest;
use crate::encryption::ArchiveEncryption;
use crate::foundation::id::{BackupId, BackupName, SetName};

/// The characters that are not percent-encoded in the name of an entry.
pub(super) const UNESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'#').remove(b'-');

/// The names of the entries that do not contain records.
pub(crate) mod entry {
    pub(crate) const CHECKSUMS: &str = "verification/checksums.json";
    pub(crate) const ENCRYPTED_DOCUMENT: &str = "verification/sealed.json.age";
    pub(crate) const SCHEMA_SNAPSHOTS: &str = "verification/schema-snapshots.json";
    pub(crate) const DISCOVERY_INFO: &str = "metadata/discovery-info.json";
    pub(crate) const PROVIDER_INFO: &str = "metadata/provider-info.json";
    pub(crate) const BACKUP_STATS: &str = "metadata/backup-stats.json";
    pub(crate) const BLOCKS: &str = "metadata/blocks.json";
    pub(crate) const MANIFEST: &str = "manifest.json";
}

/// Returns the name of the entry for an entity's records, for example `entities/AuditLog#archive.jsonl`.
pub fn entity_file(entity: &str, set: &SetName) -> String {
    let entity = utf8_percent_encode(entity, UNESCAPED);
    if set.is_root() {
        format!("entities/{entity}.jsonl")
    } else {
        format!("entities/{entity}#{}.jsonl", utf8_percent_encode(set.as_str(), UNESCAPED))
    }
}

/// Returns the name of the entry for a part of event streams, for example `streams/order.snapshots.jsonl`.
pub(crate) fn stream_file(part_name: &str) -> String {
    format!("streams/{}.jsonl", utf8_percent_encode(part_name, UNESCAPED))
}

/// Returns the name of the entry for records, for example `entities/Secret.jsonl.gz.age`. `encryption` is the compression
/// of encrypted records, and `None` if they are not encrypted.
pub(crate) fn records_file(lines_file: &str, encryption: Option<CompressionMethod>) -> String {
    match encryption {
        None => lines_file.to_owned(),
        Some(method) => format!("{lines_file}{}.age", method.suffix()),
    }
}

/// Returns the name that an entry of records would have if it were not encrypted.
pub(crate) fn lines_file(file: &str) -> &str {
    let Some(encrypted) = file.strip_suffix(".age") else { return file };
    let suffixes = [CompressionMethod::Deflate.suffix(), CompressionMethod::Zstd.suffix()];
    suffixes.into_iter().find_map(|suffix| encrypted.strip_suffix(suffix)).unwrap_or(encrypted)
}

/// Returns whether an entry contains records, and not a document about the archive.
pub(crate) fn contains_records(file: &str) -> bool {
    file.starts_with("entities/") || file.starts_with("streams/")
}

/// Returns how the blocks of an entry are encoded, according to its name and its ZIP method.
pub(crate) fn coding(file: &str, method: CompressionMethod) -> Coding {
    match file.strip_suffix(".age") {
        None => Coding::for_entry(method, EntryEncryption::Unencrypted),
        Some(encrypted) if encrypted.ends_with(CompressionMethod::Deflate.suffix()) => Coding::Gzip,
        Some(encrypted) if encrypted.ends_with(CompressionMethod::Zstd.suffix()) => Coding::Zstd,
        Some(_) => Coding::Stored,
    }
}

/// Returns the path of a backup's archive in its profile.
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

/// Returns the path of a backup's archive after it was rewritten for other recipients, or copied into another
/// profile.
pub(crate) fn rekeyed_path(manifest: &Manifest, rewrite_id: &BackupId) -> Path {
    let time = manifest.created_at.strftime("%Y%m%d-%H%M%S");
    let (name, id) = (manifest.name.safe(), manifest.id.short());
    let encryption = if manifest.is_encrypted_as_a_whole() {
        ArchiveEncryption::Always
    } else {
        ArchiveEncryption::ByEntity
    };
    Path::from(format!("archives/backup-{name}-{time}-{id}-{}.{}", rewrite_id.short(), extension(encryption)))
}

/// Returns whether a file name has the form of an archive name:
/// `backup-{name}-{yyyyMMdd}-{HHmmss}-{id8}.zip`, optionally with a second `-{id8}` of a rewrite or copy, and
/// with `.age` if the archive is encrypted as a whole.
pub(crate) fn is_archive_name(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".age").unwrap_or(name).strip_suffix(".zip") else { return false };
    let Some(parts) = stem.strip_prefix("backup-") else { return false };
    let parts: Vec<_> = parts.split('-').collect();
    let is_digits =
        |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_hex = |part: &str| part.len() == 8 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let ends_with_time_and_id = |parts: &[&str]| match parts {
        [_, .., day, time, id] => is_digits(day, 8) && is_digits(time, 6) && is_hex(id),
        _ => false,
    };
    match parts.split_last() {
        Some((last, before)) => {
            ends_with_time_and_id(&parts) || (is_hex(last) && ends_with_time_and_id(before))
        }
        None => false,
    }
}

/// Returns whether a file can be an archive even if its name does not have the form of an archive name: the
/// file is directly in the archives folder, and its name ends with `.zip` or `.zip.age`. A person may have
/// copied an archive into the folder under another name.
pub(crate) fn may_be_archive(path: &Path) -> bool {
    let Some(name) = path.as_ref().strip_prefix("archives/").filter(|name| !name.contains('/')) else {
        return false;
    };
    let stem = name.strip_suffix(".age").unwrap_or(name);
    !name.starts_with('.') && stem.ends_with(".zip")
}

/// Returns the path of a backup's manifest in its profile. The backup exists once this file exists.
pub(crate) fn manifest_path(id: &BackupId) -> Path {
    Path::from(format!("manifests/{id}.json"))
}

/// Returns the id of the backup whose manifest is at `path`, or `None` if `path` is not the path of a
/// manifest.
pub(crate) fn manifest_id(path: &Path) -> Option<BackupId> {
    let id = path.filename()?.strip_suffix(".json")?.parse().ok()?;
    (manifest_path(&id) == *path).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_archive_form_are_archive_names() {
        for encryption in [ArchiveEncryption::ByEntity, ArchiveEncryption::Always] {
            let id: BackupId = "01a20039-2e20-73ff-b80d-43944b669d73".parse().expect("the id is valid");
            let name = BackupName::new("Nightly 2026-11-21").expect("the name is valid");
            let path = archive_path(
                &name,
                "2026-11-21T03:00:00Z".parse().expect("the timestamp is valid"),
                &id,
                encryption,
            );
            assert!(path.filename().is_some_and(is_archive_name), "{path}");
        }
        assert!(
            is_archive_name("backup-nightly-20261121-030000-4b669d73-0a1b2c3d.zip"),
            "the name of an archive that was rewritten for other recipients, or copied"
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
    fn entry_names_never_refer_to_another_folder() {
        let set = |name: &str| SetName::new(name).expect("the set name is valid");
        assert_eq!(entity_file("User", &SetName::root()), "entities/User.jsonl");
        assert_eq!(entity_file("AuditLog", &set("archive")), "entities/AuditLog#archive.jsonl");
        assert_eq!(
            records_file(&entity_file("Secret", &SetName::root()), Some(CompressionMethod::Deflate)),
            "entities/Secret.jsonl.gz.age"
        );
        assert_eq!(stream_file("../order.documents"), "streams/..%2Forder.documents.jsonl");
        for file in ["streams/order.jsonl", "streams/order.jsonl.gz.age", "streams/order.jsonl.zst.age"] {
            assert_eq!(lines_file(file), "streams/order.jsonl");
            assert!(contains_records(file));
        }
        assert!(!contains_records("metadata/blocks.json"));
        assert_eq!(
            entity_file("../../etc/pass wd", &set("ü/x")),
            "entities/..%2F..%2Fetc%2Fpass%20wd#%C3%BC%2Fx.jsonl"
        );
    }
}
