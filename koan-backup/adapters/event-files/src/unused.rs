//! The removal of files that nothing names.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use futures::TryStreamExt as _;
use jiff::{SignedDuration, Timestamp};
use koan_backup_core::{Error, ErrorKind, Result};
use object_store::ObjectMeta;
use object_store::path::Path;
use uuid::Uuid;

use crate::aggregate::Aggregate;
use crate::document_name::DocumentName;
use crate::listing::visible;
use crate::objects::Objects;
use crate::path;
use crate::restore::{self, Outcome, Restores, names};
use crate::store::EventFiles;

/// Whether a file is older than a time.
struct Age {
    before: Timestamp,
}

impl Age {
    fn is_old(&self, meta: &ObjectMeta) -> bool {
        let seconds = meta.last_modified.timestamp();
        Timestamp::from_second(seconds).is_ok_and(|modified| modified < self.before)
    }
}

impl EventFiles {
    /// Removes the files that no document names and that are older than `older_than`: those of processes that were killed
    /// during a change, and those of replaced events. Documents that were replaced earlier and the outcomes of earlier
    /// changes are removed as well. Changes without an outcome that are older are discarded. Returns the number of removed
    /// files.
    ///
    /// Each change leaves its outcome and the documents that it has replaced to this method, so call it regularly, for example every
    /// day.
    ///
    /// `older_than` must exceed the duration of any restore and any backup, and the difference between the clocks of this
    /// machine and of the storage.
    ///
    /// # Errors
    /// The storage fails, or the duration is too long.
    pub async fn remove_unused(&self, older_than: Duration) -> Result<u64> {
        let invalid = |source| {
            Error::with_source(ErrorKind::Configuration, "the age of unused files is out of range", source)
        };
        let older_than = SignedDuration::try_from(older_than).map_err(invalid)?;
        let age = Age { before: Timestamp::now().checked_sub(older_than).map_err(invalid)? };
        let objects = self.objects();
        let mut removed = decide_old_changes(&objects, &age).await?;
        for folder in objects.folders(&path::streams()?).await? {
            let mut files: BTreeMap<String, Vec<ObjectMeta>> = BTreeMap::new();
            let mut listed = objects.list(&path::object_folder(&folder)?);
            while let Some(meta) = listed.try_next().await? {
                if let Some(id) = meta.location.as_ref().rsplit('/').nth(1).map(str::to_owned) {
                    files.entry(id).or_default().push(meta);
                }
            }
            drop(listed);
            let restores = Restores::read(&objects).await?;
            for files in files.into_values() {
                let unused = unused(&objects, &restores, files, &age).await?;
                removed += u64::try_from(unused.len()).unwrap_or(u64::MAX);
                objects.delete(unused).await?;
            }
        }
        removed += remove_old_decisions(&objects, &age).await?;
        Ok(removed)
    }
}

/// Completes committed changes, and discards old changes without an outcome. Returns the number of changes that were
/// discarded.
async fn decide_old_changes(objects: &Objects, age: &Age) -> Result<u64> {
    restore::recover(objects).await?;
    let by = Uuid::now_v7().simple().to_string();
    let mut removed = 0;
    for journal in old_files(objects, &path::journals()?, age).await? {
        let Some(restore) = restore::restore_of(&journal) else { continue };
        match restore::decide(objects, restore, Outcome::Discarded, &by).await? {
            Outcome::Committed => restore::complete(objects, restore).await?,
            Outcome::Discarded => {
                restore::discard(objects, restore).await?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// Removes the old outcomes and marks of changes without a journal. Returns the number of removed files.
async fn remove_old_decisions(objects: &Objects, age: &Age) -> Result<u64> {
    let outcomes = old_files(objects, &path::outcomes()?, age).await?;
    let marks = old_files(objects, &path::withdrawals()?, age).await?;
    // No journal is created for a change that has an outcome or a mark, so the journals are listed last.
    let journals: BTreeSet<_> = names(objects, &path::journals()?).await?.into_iter().collect();
    let is_finished = |file: &ObjectMeta| restore::restore_of(file).is_some_and(|id| !journals.contains(id));
    let mut removed = 0;
    for mark in marks.into_iter().filter(&is_finished) {
        restore::forget_withdrawal(objects, &mark.location).await?;
        removed += 1;
    }
    let outcomes: Vec<_> = outcomes.into_iter().filter(is_finished).map(|outcome| outcome.location).collect();
    removed += u64::try_from(outcomes.len()).unwrap_or(u64::MAX);
    objects.delete(outcomes).await?;
    Ok(removed)
}

/// Returns the files in a folder that are old.
async fn old_files(objects: &Objects, folder: &Path, age: &Age) -> Result<Vec<ObjectMeta>> {
    let listed = objects.list(folder);
    listed.try_filter(|file| std::future::ready(age.is_old(file))).try_collect().await
}

/// Returns the files of an aggregate that its documents do not name. The documents of discarded changes are among them.
/// A replaced document counts while the document that replaced it is not old, because a reader may use it.
async fn unused(
    objects: &Objects,
    restores: &Restores,
    files: Vec<ObjectMeta>,
    age: &Age,
) -> Result<Vec<Path>> {
    let parse = |meta: &ObjectMeta| meta.location.filename().and_then(DocumentName::parse);
    let documents: Vec<_> = files.iter().filter_map(parse).collect();
    let current = visible(&documents, restores).map(DocumentName::file);
    let named_files = files.iter().filter_map(|meta| Some((parse(meta)?, age.is_old(meta))));
    let committed: BTreeMap<_, _> = named_files.filter(|(name, _)| !restores.hides(name)).collect();
    let is_replaced_recently = |name: &DocumentName| {
        let mut later = committed.range((Bound::Excluded(name), Bound::Unbounded));
        later.next().is_some_and(|(_, is_old)| !is_old)
    };
    let mut named: BTreeSet<String> = BTreeSet::new();
    for meta in &files {
        let Some(name) = parse(meta) else { continue };
        let is_kept = current.as_ref() == Some(&name.file())
            || restores.undecided.contains(&name.restore)
            || restores.committed.contains(&name.restore)
            || !age.is_old(meta)
            || is_replaced_recently(&name);
        if !is_kept {
            continue;
        }
        // A document that was removed in the meantime belongs to an aggregate that is being changed.
        let Some(text) = objects.get(&meta.location).await? else { return Ok(Vec::new()) };
        let aggregate = Aggregate::parse(&text)
            .map_err(|error| error.context(format!("`{}` cannot be read", meta.location)))?;
        named.extend(aggregate.files().cloned());
        named.insert(name.file());
    }
    let is_unused = |meta: &&ObjectMeta| {
        age.is_old(meta) && meta.location.filename().is_some_and(|name| !named.contains(name))
    };
    Ok(files.iter().filter(is_unused).map(|meta| meta.location.clone()).collect())
}
