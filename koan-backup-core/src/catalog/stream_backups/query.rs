//! Queries of the existing single backups.

use std::sync::Arc;

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use object_store::path::Path;
use serde::Serialize;

use super::StreamBackupHandle;
use super::stored::{ListedStreamFiles, StoredStreamBackup, list, read};
use crate::catalog::origin::Origin;
use crate::encryption::Identities;
use crate::foundation::error::{ErrorKind, Result};
use crate::foundation::identity::ApplicationIdentity;
use crate::storage::Storage;

/// The number of `.meta` files that are read at the same time.
pub(super) const CONCURRENT_READS: usize = 16;
/// The problem of a file whose name only ends like that of a `.meta`.
pub(super) const NOT_A_NAME: &str = "its name is not that of the `.meta` of a single backup";

/// The single backups that match a query, newest first.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StreamBackupPage {
    /// The backups.
    pub backups: Vec<StreamBackupHandle>,
    /// The `.meta` files that were examined and cannot be read. Whether their backups match is not known.
    pub unreadable: Vec<UnreadableStreamBackup>,
    /// The number of encrypted backups of which it is not known whether they match, because no key decrypts their
    /// descriptions or the query uses no keys.
    pub without_key: usize,
}

/// A file that looks like the `.meta` of a single backup and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UnreadableStreamBackup {
    /// The storage profile.
    pub profile: String,
    /// The path of the file.
    pub path: String,
    /// The problem.
    pub problem: String,
}

impl UnreadableStreamBackup {
    /// Creates the entry of a `.meta` that cannot be read.
    pub(crate) fn new(profile: &str, path: &Path, problem: String) -> Self {
        Self { profile: profile.to_owned(), path: path.to_string(), problem }
    }
}

/// The conditions of a query. A condition that is not set matches every backup.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamFilter {
    pub(crate) object: Option<String>,
    pub(crate) object_id: Option<String>,
    /// The earliest creation time.
    pub(crate) created_after: Option<Timestamp>,
    /// The creation time that no backup reaches.
    pub(crate) created_before: Option<Timestamp>,
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) tags: Vec<String>,
    pub(crate) expired_at: Option<Timestamp>,
    /// The application whose backups match.
    pub(crate) application: Option<ApplicationIdentity>,
    pub(crate) take: Option<usize>,
}

impl StreamFilter {
    /// Returns whether the part of a backup matches that is never encrypted.
    fn matches_meta(&self, stored: &StoredStreamBackup<'_>) -> bool {
        let meta = &stored.meta;
        let is_of = |application| meta.producer.origin(application) != Origin::Other;
        self.object.as_ref().is_none_or(|object| *object == meta.object_name)
            && self.created_after.is_none_or(|earliest| meta.created_at >= earliest)
            && self.created_before.is_none_or(|end| meta.created_at < end)
            && self.expired_at.is_none_or(|now| meta.expires_at.is_some_and(|expiry| expiry <= now))
            && self.application.as_ref().is_none_or(is_of)
    }

    /// Returns whether the part of a backup matches that may be encrypted.
    fn matches_subject(&self, handle: &StreamBackupHandle) -> bool {
        let has = |(key, value): &(String, String)| handle.metadata.get(key) == Some(value);
        self.object_id.as_ref().is_none_or(|id| Some(id) == handle.object_id.as_ref())
            && self.metadata.iter().all(has)
            && self.tags.iter().all(|tag| handle.tags.contains(tag))
    }

    /// Returns whether the query depends on the part that may be encrypted.
    fn needs_subject(&self) -> bool {
        self.object_id.is_some() || !self.metadata.is_empty() || !self.tags.is_empty()
    }
}

/// Adds the matching backups of a storage profile to a page, newest first.
///
/// # Errors
/// The storage cannot be read. An incomplete listing is never returned.
pub(crate) async fn query(
    profile: &str,
    storage: &Storage,
    filter: &StreamFilter,
    identities: &Arc<Identities>,
    page: &mut StreamBackupPage,
) -> Result<()> {
    let ListedStreamFiles { metas, foreign, .. } = list(storage, filter.object.as_deref()).await?;
    let unreadable = |path: &Path, problem: String| UnreadableStreamBackup::new(profile, path, problem);
    page.unreadable.extend(foreign.iter().map(|path| unreadable(path, NOT_A_NAME.to_owned())));
    let wanted = filter.take.unwrap_or(usize::MAX);
    let mut found = 0;
    let paths = metas.into_iter().map(|(_, path)| path);
    let mut reads = stream::iter(paths)
        .map(async |path| {
            let stored = read(profile, storage, &path).await;
            (path, stored)
        })
        .buffered(CONCURRENT_READS);
    while found < wanted
        && let Some((path, stored)) = reads.next().await
    {
        let examined = match stored {
            // The backup was removed since it was listed.
            Ok(None) => continue,
            Ok(Some(stored)) if !filter.matches_meta(&stored) => continue,
            Ok(Some(stored)) => stored.handle(identities).await,
            Err(error) => Err(error),
        };
        match examined {
            Ok(handle) if handle.object_id.is_none() && filter.needs_subject() => page.without_key += 1,
            Ok(handle) if filter.matches_subject(&handle) => {
                found += 1;
                page.backups.push(handle);
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible) => {
                page.unreadable.push(unreadable(&path, error.chain()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
