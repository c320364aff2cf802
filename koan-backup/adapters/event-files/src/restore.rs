//! Changes that are being committed: their journals and their outcomes.

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use koan_backup_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::document_list::documents;
use crate::document_name::DocumentName;
use crate::objects::{CONCURRENT_REQUESTS, Created, Objects};
use crate::path;

/// The documents that a change writes. They are invisible while the journal exists without an outcome.
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
    /// Reads the journals and outcomes. The documents must be listed before.
    pub(crate) async fn read(objects: &Objects) -> Result<Self> {
        let (mut journals, mut decided) = (BTreeSet::new(), Vec::new());
        let mut listed = objects.list(&path::restores()?);
        while let Some(meta) = listed.try_next().await? {
            let Some(name) = meta.location.filename() else { continue };
            if let Some(restore) = name.strip_suffix(".journal.json") {
                journals.insert(restore.to_owned());
            } else if let Some(restore) = name.strip_suffix(".outcome.json") {
                decided.push(restore.to_owned());
            }
        }
        let outcomes = stream::iter(decided).map(|restore| async move {
            let outcome = outcome(objects, &restore).await?;
            Ok::<_, Error>((restore, outcome))
        });
        let outcomes: Vec<_> = outcomes.buffer_unordered(CONCURRENT_REQUESTS).try_collect().await?;
        let mut restores = Self::default();
        for (restore, outcome) in outcomes {
            let has_journal = journals.remove(&restore);
            match outcome {
                Some(Outcome::Discarded) => drop(restores.discarded.insert(restore)),
                Some(Outcome::Committed) if has_journal => drop(restores.committed.insert(restore)),
                // The journal or the outcome was removed, so the change was completed.
                Some(Outcome::Committed) | None => {}
            }
        }
        restores.undecided = journals;
        Ok(restores)
    }

    /// Returns whether the documents of a change are invisible.
    pub(crate) fn hides(&self, document: &DocumentName) -> bool {
        self.undecided.contains(&document.restore) || self.discarded.contains(&document.restore)
    }
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
        // Only the committing process removes an outcome, after its change was discarded.
        Created::Exists => Ok(outcome(objects, restore).await?.unwrap_or(Outcome::Discarded)),
    }
}

/// Returns the journal of a change, if it exists.
async fn journal(objects: &Objects, restore: &str) -> Result<Option<Journal>> {
    let file = path::journal(restore)?;
    let Some(text) = objects.get(&file).await? else { return Ok(None) };
    serde_json::from_slice(&text).map(Some).map_err(|_| objects.damaged(&file, "is not a journal"))
}

/// Completes a committed change: removes what it has replaced or removed, and the journal.
pub(crate) async fn complete(objects: &Objects, restore: &str) -> Result<()> {
    if let Some(journal) = journal(objects, restore).await? {
        let removals = stream::iter(journal.claims).map(|claim| remove_aggregate(objects, claim));
        removals.buffer_unordered(CONCURRENT_REQUESTS).try_collect::<()>().await?;
    }
    objects.delete_durably(&path::journal(restore)?).await?;
    objects.delete(vec![path::outcome(restore)?]).await
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

/// Removes the documents and the journal of a change that was discarded. The outcome remains, because the process of the
/// change may still write documents.
pub(crate) async fn discard(objects: &Objects, restore: &str) -> Result<()> {
    if let Some(journal) = journal(objects, restore).await? {
        let documents = journal.claims.iter();
        let documents = documents.map(|claim| path::file_in(&claim.object, &claim.object_id, &claim.name));
        objects.delete(documents.collect::<Result<_>>()?).await?;
    }
    objects.delete(vec![path::journal(restore)?]).await
}

/// Completes the changes that were committed by processes that have ended before they completed them.
pub(crate) async fn recover(objects: &Objects) -> Result<()> {
    for restore in Restores::read(objects).await?.committed {
        complete(objects, &restore).await?;
    }
    Ok(())
}
