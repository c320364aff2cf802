//! Changes that are being committed: their journals and their outcomes.

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use koan_backup_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::document_list::documents;
use crate::document_name::DocumentName;
use crate::objects::{CONCURRENT_REQUESTS, Created, Objects};
use crate::path;
use object_store::ObjectMeta;
use object_store::path::Path;

/// The documents that a change writes. They are invisible while the journal exists without an outcome. The journal is
/// created before them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Journal {
    pub(crate) restore: String,
    pub(crate) claims: Vec<Claim>,
}

/// The next document of one aggregate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Claim {
    /// The name of the folder of the object name.
    pub(crate) object: String,
    /// The name of the folder of the aggregate.
    pub(crate) object_id: String,
    /// The name of the document.
    pub(crate) name: String,
    /// The name of the document that it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replaces: Option<String>,
}

/// The mark of a change that was not committed and has no journal any more.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Withdrawal {
    /// The paths of its documents. The process of the change may write them after they were removed.
    documents: Vec<String>,
}

/// Whether a change is visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Outcome {
    Committed,
    Discarded,
}

/// The content of the file with the outcome. It is unique, because `by` is the id of the process's own change.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Decision {
    outcome: Outcome,
    by: String,
}

/// The changes whose documents are invisible, or that were not completed.
#[derive(Debug, Default)]
pub(crate) struct Restores {
    /// The changes without an outcome.
    pub(crate) undecided: BTreeSet<String>,
    pub(crate) discarded: BTreeSet<String>,
    /// The changes that were committed and whose journal still exists.
    pub(crate) committed: BTreeSet<String>,
}

impl Restores {
    /// Reads the journals, their outcomes and the marks of withdrawn changes. The documents must be listed before.
    ///
    /// A listed document without a journal was committed, or its change has a mark: the mark is created before the journal is
    /// removed. So the marks are listed after the journals.
    pub(crate) async fn read(objects: &Objects) -> Result<Self> {
        let mut restores = Self::default();
        let journals = stream::iter(names(objects, &path::journals()?).await?).map(|restore| async move {
            let outcome = outcome(objects, &restore).await?;
            Ok::<_, Error>((restore, outcome))
        });
        let journals: Vec<_> = journals.buffer_unordered(CONCURRENT_REQUESTS).try_collect().await?;
        for (restore, outcome) in journals {
            match outcome {
                None => restores.undecided.insert(restore),
                Some(Outcome::Committed) => restores.committed.insert(restore),
                Some(Outcome::Discarded) => restores.discarded.insert(restore),
            };
        }
        restores.discarded.extend(names(objects, &path::withdrawals()?).await?);
        Ok(restores)
    }

    /// Returns whether the documents of a change are invisible.
    pub(crate) fn hides(&self, document: &DocumentName) -> bool {
        self.undecided.contains(&document.restore) || self.discarded.contains(&document.restore)
    }
}

/// Returns the ids of the changes with a file in this folder.
pub(crate) async fn names(objects: &Objects, folder: &Path) -> Result<Vec<String>> {
    let listed = objects.list(folder);
    let name = |meta: ObjectMeta| restore_of(&meta).map(str::to_owned);
    listed.try_filter_map(|meta| std::future::ready(Ok(name(meta)))).try_collect().await
}

/// Returns the id of the change that a journal, an outcome or a mark belongs to.
pub(crate) fn restore_of(meta: &ObjectMeta) -> Option<&str> {
    meta.location.filename()?.strip_suffix(".json")
}

/// Returns the outcome of a change, if there is one.
pub(crate) async fn outcome(objects: &Objects, restore: &str) -> Result<Option<Outcome>> {
    let file = path::outcome(restore)?;
    let Some(text) = objects.get(&file).await? else { return Ok(None) };
    let decision: Decision =
        serde_json::from_slice(&text).map_err(|_| objects.damaged(&file, "is not an outcome"))?;
    Ok(Some(decision.outcome))
}

/// Decides a change, if it was not decided. Returns its outcome.
pub(crate) async fn decide(objects: &Objects, restore: &str, wanted: Outcome, by: &str) -> Result<Outcome> {
    let file = path::outcome(restore)?;
    let decision = Decision { outcome: wanted, by: by.to_owned() };
    let text = serde_json::to_vec(&decision)
        .map_err(|source| Error::with_source(ErrorKind::Internal, "an outcome was not written", source))?;
    match objects.create(&file, text).await? {
        Created::Created => Ok(wanted),
        Created::Exists => outcome(objects, restore).await?.ok_or_else(|| {
            let text =
                format!("`{file}` of the event store in `{}` was removed too early", objects.location());
            let help =
                "let `remove_unused` keep files for longer than any change takes, and repeat the operation";
            Error::new(ErrorKind::Conflict, text).with_help(help)
        }),
    }
}

/// Returns the journal of a change, if it exists.
async fn journal(objects: &Objects, restore: &str) -> Result<Option<Journal>> {
    let file = path::journal(restore)?;
    let Some(text) = objects.get(&file).await? else { return Ok(None) };
    serde_json::from_slice(&text).map(Some).map_err(|_| objects.damaged(&file, "is not a journal"))
}

/// Completes a committed change: removes what it has removed from the store, and the journal. The outcome remains, because
/// another process that has read the journal before may still try to discard the change.
pub(crate) async fn complete(objects: &Objects, restore: &str) -> Result<()> {
    if let Some(journal) = journal(objects, restore).await? {
        let removals = stream::iter(journal.claims).map(|claim| remove_aggregate(objects, claim));
        removals.buffer_unordered(CONCURRENT_REQUESTS).try_collect::<()>().await?;
    }
    objects.delete_durably(&path::journal(restore)?).await
}

/// Removes the documents and files of an aggregate that a committed change has removed. The files that only earlier
/// documents name remain, and nothing names them any more.
async fn remove_aggregate(objects: &Objects, claim: Claim) -> Result<()> {
    let removed = DocumentName::parse(&claim.name).filter(|name| name.is_removed);
    let (Some(removed), Some(replaced)) = (removed, &claim.replaces) else { return Ok(()) };
    let file = |name: &str| path::file_in(&claim.object, &claim.object_id, name);
    let earlier = earlier_documents(objects, &claim, &removed).await?;
    let replaced = file(replaced)?;
    if let Some(text) = objects.get(&replaced).await? {
        let aggregate = crate::aggregate::Aggregate::parse(&text)
            .map_err(|error| error.context(format!("`{replaced}` cannot be read")))?;
        let files: Result<Vec<_>> = aggregate.files().map(|name| file(name)).collect();
        objects.delete(files?).await?;
        objects.delete_durably(&replaced).await?;
    }
    for earlier in earlier {
        objects.delete_durably(&file(&earlier.file())?).await?;
    }
    objects.delete_durably(&file(&claim.name)?).await
}

/// Returns the committed documents of an aggregate before the one that removed it. They would be visible again without
/// it.
async fn earlier_documents(
    objects: &Objects,
    claim: &Claim,
    removed: &DocumentName,
) -> Result<Vec<DocumentName>> {
    let folder = path::aggregate_folder(&claim.object, &claim.object_id)?;
    let documents = documents(objects, &folder).await?;
    let restores = Restores::read(objects).await?;
    // The aggregate can be created again as soon as this document does not exist. While it exists, no document of the
    // new aggregate is committed, so those that were committed when the outcomes were read belong to the removed
    // aggregate.
    if objects.get(&path::file_in(&claim.object, &claim.object_id, &claim.name)?).await?.is_none() {
        return Ok(Vec::new());
    }
    let documents = documents.into_values().flatten();
    Ok(documents.filter(|document| document < removed && !restores.hides(document)).collect())
}

/// Removes the documents and the journal of a change that was discarded. The process of the change may still write
/// documents, which the mark hides.
pub(crate) async fn discard(objects: &Objects, restore: &str) -> Result<()> {
    let Some(journal) = journal(objects, restore).await? else { return Ok(()) };
    let documents = journal.claims.iter();
    let documents = documents.map(|claim| path::file_in(&claim.object, &claim.object_id, &claim.name));
    withdraw(objects, restore, documents.collect::<Result<_>>()?).await
}

/// Removes the documents and the journal of a change that is not committed, after its mark was created. Documents that
/// exist again after a crash would be visible without the journal, so they are removed durably.
pub(crate) async fn withdraw(objects: &Objects, restore: &str, documents: Vec<Path>) -> Result<()> {
    let mark = Withdrawal { documents: documents.iter().map(Path::to_string).collect() };
    let text = serde_json::to_vec(&mark)
        .map_err(|source| Error::with_source(ErrorKind::Internal, "a mark was not written", source))?;
    objects.put(&path::withdrawal(restore)?, text).await?;
    for document in documents {
        objects.delete_durably(&document).await?;
    }
    objects.delete_durably(&path::journal(restore)?).await
}

/// Removes the mark of a withdrawn change, after the documents that it hides.
pub(crate) async fn forget_withdrawal(objects: &Objects, mark: &Path) -> Result<()> {
    let Some(text) = objects.get(mark).await? else { return Ok(()) };
    let Withdrawal { documents } =
        serde_json::from_slice(&text).map_err(|_| objects.damaged(mark, "is not the mark of a change"))?;
    for document in documents {
        let document = Path::parse(&document).map_err(|_| objects.damaged(mark, "names no document"))?;
        objects.delete_durably(&document).await?;
    }
    objects.delete(vec![mark.clone()]).await
}

/// Completes the changes that were committed by processes that have ended before they completed them.
pub(crate) async fn recover(objects: &Objects) -> Result<()> {
    for restore in Restores::read(objects).await?.committed {
        complete(objects, &restore).await?;
    }
    Ok(())
}
