//! The state of the single backups of a storage profile: which exist, which are incomplete, and which contents have no
//! `.meta`.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use object_store::path::Path;
use serde::Serialize;

use super::UnreadableStreamBackup;
use super::query::{CONCURRENT_READS, NOT_A_NAME};
use super::stored::{ListedStreamFiles, StoredStreamBackup, list, read};
use crate::archive::stream_file::{MAX_META_BYTES, StreamMeta, content_folder, is_stream_content, meta_id};
use crate::catalog::origin::Origin;
use crate::foundation::error::{ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::foundation::identity::ApplicationIdentity;
use crate::storage::{ListedFile, STREAMS_FOLDER, Storage};

/// How old a content must be before it is unlisted, because the `.meta` of a new backup is created after its content.
const UNLISTED_AFTER_SECONDS: i64 = 3_600;

/// A content of a single backup to which no `.meta` refers. It is never removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UnlistedStreamContent {
    /// The storage profile.
    pub profile: String,
    /// The path of the content.
    pub path: String,
    /// Its size in bytes.
    pub size_bytes: u64,
}

/// A single backup with known damage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DamagedStreamBackup {
    /// The storage profile.
    pub profile: String,
    /// The id of the backup.
    pub id: BackupId,
    /// The problem.
    pub problem: String,
}

/// The health of the single backups of an application, in all storage profiles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StreamBackupHealth {
    /// The number of backups.
    pub backups: u64,
    /// The total size of their contents.
    pub size_bytes: u64,
    /// The number of backups that have expired and still exist.
    pub expired: u64,
    /// The number of these backups that are not the last of their stream, so that a cleanup removes them.
    pub removable: u64,
    /// When the newest backup was made.
    pub newest: Option<Timestamp>,
    /// Backups whose content is missing or has another size than their `.meta` states, or that were found to be damaged by
    /// a verification.
    pub damaged: Vec<DamagedStreamBackup>,
    /// The `.meta` files that cannot be read, of any application.
    pub unreadable: Vec<UnreadableStreamBackup>,
    /// Contents to which no `.meta` refers, of any application. Folders of contents are searched if a backup is in them.
    pub unlisted: Vec<UnlistedStreamContent>,
}

/// A backup that a survey has found.
#[derive(Debug)]
struct Surveyed {
    id: BackupId,
    object: String,
    key_ids: Vec<String>,
    meta_path: Path,
    content: String,
    size_bytes: u64,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    is_own: bool,
}

/// The single backups of a storage profile at one time.
#[derive(Debug, Default)]
pub(crate) struct StreamSurvey {
    backups: Vec<Surveyed>,
    /// The removal records whose `.meta` does not exist.
    pub(crate) removals: Vec<Path>,
    /// The folders in which contents are, as paths in the storage.
    pub(crate) content_folders: BTreeSet<String>,
    /// Backups of this application whose content is missing or has another size.
    pub(crate) incomplete: Vec<DamagedStreamBackup>,
    pub(crate) unreadable: Vec<UnreadableStreamBackup>,
    pub(crate) unlisted: Vec<UnlistedStreamContent>,
}

impl StreamSurvey {
    /// Returns the ids of all backups, of any application, including those whose `.meta` cannot be read.
    pub(crate) fn ids(&self) -> BTreeSet<BackupId> {
        let unreadable = self.unreadable.iter().filter_map(|meta| meta_id(&Path::parse(&meta.path).ok()?));
        self.backups.iter().map(|backup| backup.id).chain(unreadable).collect()
    }

    /// Returns the number of backups of this application by object name.
    pub(crate) fn objects(&self) -> BTreeMap<&str, u64> {
        let mut objects = BTreeMap::new();
        for backup in self.own() {
            *objects.entry(backup.object.as_str()).or_default() += 1;
        }
        objects
    }

    /// Returns the encrypted backups of this application, each with the keys that decrypt it, newest first.
    pub(crate) fn encrypted(&self) -> impl Iterator<Item = (BackupId, &[String])> {
        let mut encrypted: Vec<_> = self.own().filter(|backup| !backup.key_ids.is_empty()).collect();
        encrypted.sort_by_key(|backup| std::cmp::Reverse((backup.created_at, backup.id)));
        encrypted.into_iter().map(|backup| (backup.id, backup.key_ids.as_slice()))
    }

    fn own(&self) -> impl Iterator<Item = &Surveyed> {
        self.backups.iter().filter(|backup| backup.is_own)
    }

    /// Adds the backups of this application to the health. `damaged` are the backups with damage records.
    pub(crate) fn add_to(
        self,
        health: &mut StreamBackupHealth,
        profile: &str,
        damaged: &BTreeMap<BackupId, String>,
        now: Timestamp,
    ) {
        // For each stream: whether a backup remains, and how many have expired.
        let mut streams: BTreeMap<String, (bool, u64)> = BTreeMap::new();
        for backup in self.own() {
            health.backups += 1;
            health.size_bytes = health.size_bytes.saturating_add(backup.size_bytes);
            health.newest = health.newest.max(Some(backup.created_at));
            let folder = backup.meta_path.as_ref().rsplit_once('/').map(|(folder, _)| folder.to_owned());
            let (remains, expired) = streams.entry(folder.unwrap_or_default()).or_default();
            match backup.expires_at.is_some_and(|expiry| expiry <= now) {
                true => *expired += 1,
                false => *remains = true,
            }
            let is_incomplete = self.incomplete.iter().any(|incomplete| incomplete.id == backup.id);
            if let Some(problem) = damaged.get(&backup.id).filter(|_| !is_incomplete) {
                let (profile, problem) = (profile.to_owned(), problem.clone());
                health.damaged.push(DamagedStreamBackup { profile, id: backup.id, problem });
            }
        }
        for (remains, expired) in streams.into_values() {
            health.expired += expired;
            health.removable += if remains { expired } else { expired.saturating_sub(1) };
        }
        health.damaged.extend(self.incomplete);
        health.unreadable.extend(self.unreadable);
        health.unlisted.extend(self.unlisted);
    }
}

/// Examines the single backups of a storage profile. Of the contents, only names and sizes are read.
///
/// # Errors
/// The storage cannot be read.
pub(crate) async fn survey(
    profile: &str,
    storage: &Storage,
    own: &ApplicationIdentity,
    now: Timestamp,
) -> Result<StreamSurvey> {
    let ListedStreamFiles { metas, removals, foreign, contents } = list(storage, None).await?;
    let mut survey = StreamSurvey { removals, ..StreamSurvey::default() };
    if !metas.is_empty() || !contents.is_empty() {
        survey.content_folders.insert(STREAMS_FOLDER.to_owned());
    }
    let unreadable = |path: &Path, problem| UnreadableStreamBackup::new(profile, path, problem);
    survey.unreadable.extend(foreign.iter().map(|path| unreadable(path, NOT_A_NAME.to_owned())));
    // The streams of which a `.meta` cannot be read: it may refer to any of their contents.
    let mut unknown = BTreeSet::new();
    let reads = stream::iter(metas).map(async |(id, path)| (id, read(profile, storage, &path).await, path));
    let mut reads = std::pin::pin!(reads.buffer_unordered(CONCURRENT_READS));
    while let Some((id, stored, path)) = reads.next().await {
        match stored {
            // The backup was removed since it was listed.
            Ok(None) => {}
            Ok(Some(StoredStreamBackup { meta, .. })) => {
                survey.content_folders.extend(content_folder(&meta.path));
                survey.backups.push(Surveyed {
                    id,
                    object: meta.object_name,
                    key_ids: meta.encryption.map(|encryption| encryption.key_ids).unwrap_or_default(),
                    meta_path: path,
                    size_bytes: meta.size_bytes,
                    created_at: meta.created_at,
                    expires_at: meta.expires_at,
                    is_own: meta.producer.origin(own) != Origin::Other,
                    content: meta.path,
                });
            }
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible) => {
                unknown.extend(stream_of(path.as_ref()));
                survey.unreadable.push(unreadable(&path, error.chain()));
            }
            Err(error) => return Err(error),
        }
    }
    let mut contents: BTreeMap<_, _> = contents.into_iter().map(with_path).collect();
    for folder in survey.content_folders.iter().filter(|folder| *folder != STREAMS_FOLDER) {
        let folder = Path::from(folder.as_str());
        let files = storage.list(&folder).await;
        let files = files.map_err(|source| storage.failed(&folder, "listed in", source))?;
        let found = files.into_iter().filter(|file| is_stream_content(file.path.as_ref()));
        contents.extend(found.map(with_path));
    }
    find_incomplete(profile, storage, &contents, &mut survey).await?;
    for backup in &survey.backups {
        contents.remove(&backup.content);
    }
    let is_old = |file: &ListedFile| now.as_second() - file.modified().as_second() > UNLISTED_AFTER_SECONDS;
    contents.retain(|path, file| is_old(file) && stream_of(path).is_none_or(|key| !unknown.contains(&key)));
    if !contents.is_empty() {
        survey.unlisted = unlisted(profile, storage, contents).await?;
    }
    survey.unreadable.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(survey)
}

fn with_path(file: ListedFile) -> (String, ListedFile) {
    (file.path.to_string(), file)
}

/// Returns the object name and the object id in a path.
fn stream_of(path: &str) -> Option<(String, String)> {
    let (folder, _) = path.rsplit_once('/')?;
    let (folder, object_id) = folder.rsplit_once('/')?;
    let (_, object) = folder.rsplit_once('/')?;
    Some((object.to_owned(), object_id.to_owned()))
}

/// Finds the backups whose content is missing or has another size. The state is read again before it is reported, because
/// the backup may have been rewritten or removed since it was listed.
async fn find_incomplete(
    profile: &str,
    storage: &Storage,
    contents: &BTreeMap<String, ListedFile>,
    survey: &mut StreamSurvey,
) -> Result<()> {
    let is_incomplete = |backup: &&Surveyed| {
        let found = contents.get(&backup.content).map(ListedFile::size_bytes);
        found != Some(backup.size_bytes)
    };
    for backup in survey.backups.iter().filter(|backup| backup.is_own).filter(is_incomplete) {
        let Ok(Some(current)) = read(profile, storage, &backup.meta_path).await else { continue };
        let Ok(path) = Path::parse(&current.meta.path) else { continue };
        let stated = current.meta.size_bytes;
        let problem = match storage.size(&path).await? {
            Some(found) if found == stated => continue,
            Some(found) => format!("its content `{path}` has {found} bytes, but its `.meta` states {stated}"),
            None => format!("its content `{path}` is missing"),
        };
        survey.incomplete.push(DamagedStreamBackup { profile: profile.to_owned(), id: backup.id, problem });
    }
    Ok(())
}

/// Returns those of the contents that still exist and that no removal record names. A rekey creates the record of the old
/// content before the `.meta` is replaced, so the records are read before the contents are looked for again.
async fn unlisted(
    profile: &str,
    storage: &Storage,
    mut contents: BTreeMap<String, ListedFile>,
) -> Result<Vec<UnlistedStreamContent>> {
    for record in list(storage, None).await?.removals {
        let Some(bytes) = storage.read(&record, MAX_META_BYTES).await? else { continue };
        if let Ok(meta) = StreamMeta::parse(&bytes) {
            contents.remove(&meta.path);
        }
    }
    let mut unlisted = Vec::new();
    for (path, file) in contents {
        if let Some(size_bytes) = storage.size(&file.path).await? {
            unlisted.push(UnlistedStreamContent { profile: profile.to_owned(), path, size_bytes });
        }
    }
    Ok(unlisted)
}
