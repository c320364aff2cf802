//! The commit of a change.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use koan_backup_core::event_store::{EventStoreSession, EventWriter, check_document};
use koan_backup_core::provider::SessionIntent;
use koan_backup_core::{Error, ErrorKind, Result};

use crate::document_list::Documents;
use crate::document_list::documents;
use crate::document_name::DocumentName;
use crate::objects::{CONCURRENT_REQUESTS, Created, Objects};
use crate::path;
use crate::restore::{self, Claim, Journal, Outcome, Restores};
use crate::session::{FEW_AGGREGATES, FileSession, SessionState, Staged, Subject, changed_by_others};

/// How long a commit waits for the decision of another change of the same aggregate, before it discards the other change.
const DECISION_TIMEOUT: Duration = Duration::from_secs(2);
/// The time between two looks at the decision of another change.
const DECISION_INTERVAL: Duration = Duration::from_millis(50);

/// A document that a change writes.
struct NewDocument {
    subject: Subject,
    name: DocumentName,
    text: Vec<u8>,
}

#[async_trait]
impl EventStoreSession for FileSession {
    fn writer(&mut self) -> &mut dyn EventWriter {
        self
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        match self.publish().await {
            Ok(()) => Ok(()),
            Err(error) => {
                self.withdraw().await;
                Err(error)
            }
        }
    }

    async fn rollback(mut self: Box<Self>) -> Result<()> {
        self.stop().await;
        let written = std::mem::take(&mut self.written);
        self.objects().delete(written).await
    }
}

impl FileSession {
    async fn publish(&mut self) -> Result<()> {
        if self.state == SessionState::Failed {
            let text = "a change of this session failed, so the session cannot be committed";
            return Err(Error::new(ErrorKind::Conflict, text).with_help("repeat the operation"));
        }
        if self.intent == SessionIntent::Compare {
            return Ok(());
        }
        self.write_all().await?;
        let (documents, claims) = self.new_documents()?;
        if documents.is_empty() {
            return Ok(());
        }
        let objects = self.objects();
        self.mark.create(&objects).await?;
        let journal = Journal { restore: self.id.clone(), claims };
        let text = serde_json::to_vec(&journal)
            .map_err(|source| Error::with_source(ErrorKind::Internal, "a journal was not written", source))?;
        let file = path::journal(&self.id)?;
        if objects.create(&file, text).await? == Created::Exists {
            return Err(Error::new(ErrorKind::Internal, format!("`{file}` exists already")));
        }
        for document in &documents {
            let (object, id) = &document.subject;
            self.claimed.push(path::file(object, id, &document.name.file())?);
        }
        let written = &objects;
        let writes = stream::iter(documents).map(|document| write(written, document));
        writes.buffer_unordered(CONCURRENT_REQUESTS).try_collect::<()>().await?;
        self.require_unchanged(&objects).await?;
        self.decide(&objects).await?;
        // The change is committed. Others complete it if this process cannot.
        self.written.clear();
        self.claimed.clear();
        if let Err(error) = restore::complete(&objects, &self.id).await {
            tracing::warn!(
                target: "koan::backup", error = %error,
                "a change of an event store was committed and not completed; the next change completes it"
            );
        }
        Ok(())
    }

    /// Returns the documents that this change writes, and their entries in the journal.
    fn new_documents(&self) -> Result<(Vec<NewDocument>, Vec<Claim>)> {
        let (mut documents, mut claims) = (Vec::new(), Vec::new());
        for (subject, Staged { base, aggregate, is_changed }) in &self.staged {
            let is_removed = aggregate.is_empty();
            if !is_changed || (is_removed && base.is_none()) {
                continue;
            }
            let (object, id) = subject;
            if let Some(document) = &aggregate.document {
                check_document(document, &aggregate.heads())
                    .map_err(|error| error.context(format!("`{object}` `{id}` is inconsistent")))?;
            }
            let generation =
                base.as_ref().map_or(0, |base| base.generation).checked_add(1).ok_or_else(|| {
                    let text = format!("the name of the document of `{object}` `{id}` is damaged");
                    Error::new(ErrorKind::Corrupt, text).with_help("restore the aggregate from a backup")
                })?;
            let name = DocumentName { generation, restore: self.id.clone(), is_removed };
            let mut aggregate = aggregate.clone();
            aggregate.restore.clone_from(&self.id);
            claims.push(Claim {
                object: path::folder_name(object),
                object_id: path::folder_name(id),
                name: name.file(),
                replaces: base.as_ref().map(DocumentName::file),
            });
            documents.push(NewDocument { subject: subject.clone(), name, text: aggregate.text()? });
        }
        Ok((documents, claims))
    }

    /// Checks that nobody else has changed the aggregates that this session has read or changed, and that nobody can commit
    /// a change of those that it has changed.
    async fn require_unchanged(&self, objects: &Objects) -> Result<()> {
        let mut subjects: BTreeMap<&str, Vec<(&str, &Staged)>> = BTreeMap::new();
        for ((object, id), staged) in &self.staged {
            subjects.entry(object).or_default().push((id, staged));
        }
        for (object, aggregates) in subjects {
            let mut listed = Documents::new();
            if aggregates.len() > FEW_AGGREGATES {
                listed = documents(objects, &path::object(object)?).await?;
            } else {
                for (id, _) in &aggregates {
                    listed.extend(documents(objects, &path::aggregate(object, id)?).await?);
                }
            }
            let restores = Restores::read(objects).await?;
            for (id, staged) in aggregates {
                let documents = listed.remove(&path::folder_name(id)).unwrap_or_default();
                let others: Vec<_> =
                    documents.into_iter().filter(|document| document.restore != self.id).collect();
                let undecided = others.iter().filter(|other| restores.undecided.contains(&other.restore));
                let mut committed: Vec<_> =
                    others.iter().filter(|other| !restores.hides(other)).cloned().collect();
                for other in undecided.filter(|_| staged.is_changed) {
                    if self.discard_other(objects, &other.restore).await? == Outcome::Committed {
                        committed.push(other.clone());
                    }
                }
                if committed.iter().max() != staged.base.as_ref() {
                    return Err(changed_by_others(object, id));
                }
            }
        }
        Ok(())
    }

    /// Waits until another change is decided, and discards it if it takes long. Of two changes that wait for each other, the
    /// older one is not discarded at once.
    async fn discard_other(&self, objects: &Objects, other: &str) -> Result<Outcome> {
        let mut waited = Duration::ZERO;
        while other < self.id.as_str() && waited < DECISION_TIMEOUT {
            if let Some(outcome) = restore::outcome(objects, other).await? {
                return Ok(outcome);
            }
            if objects.get(&path::journal(other)?).await?.is_none() {
                // It was withdrawn, or committed and completed. The caller's next listing shows which.
                return Ok(Outcome::Committed);
            }
            tokio::time::sleep(DECISION_INTERVAL).await;
            waited += DECISION_INTERVAL;
        }
        let outcome = restore::decide(objects, other, Outcome::Discarded, &self.id).await?;
        if outcome == Outcome::Discarded {
            restore::discard(objects, other).await?;
        }
        Ok(outcome)
    }

    /// Commits the change.
    async fn decide(&self, objects: &Objects) -> Result<()> {
        match restore::decide(objects, &self.id, Outcome::Committed, &self.id).await {
            Ok(Outcome::Committed) => Ok(()),
            Ok(Outcome::Discarded) => {
                let text =
                    "another change of the same aggregate has discarded this change of the event store";
                Err(Error::new(ErrorKind::Conflict, text).with_help("repeat the operation"))
            }
            // The storage may have created the outcome without confirming it.
            Err(error) => match restore::decide(objects, &self.id, Outcome::Discarded, &self.id).await? {
                Outcome::Committed => Ok(()),
                Outcome::Discarded => Err(error),
            },
        }
    }

    /// Removes what a change has written that is not committed. Until then, it is invisible.
    async fn withdraw(&mut self) {
        self.stop().await;
        let objects = self.objects();
        let id = self.id.clone();
        let (written, claimed) = (std::mem::take(&mut self.written), std::mem::take(&mut self.claimed));
        let withdrawn = async {
            // If it is not known whether the change was committed, nothing is removed.
            if restore::outcome(&objects, &id).await? == Some(Outcome::Committed) {
                return Ok(());
            }
            objects.delete(written).await?;
            if claimed.is_empty() {
                return Ok(());
            }
            restore::withdraw(&objects, &id, claimed).await
        };
        let withdrawn: Result<()> = withdrawn.await;
        if let Err(error) = withdrawn {
            tracing::warn!(
                target: "koan::backup", error = %error,
                "files of a discarded change of an event store were not removed; `remove_unused` removes them"
            );
        }
    }
}

async fn write(objects: &Objects, document: NewDocument) -> Result<()> {
    let (object, id) = &document.subject;
    let file = path::file(object, id, &document.name.file())?;
    objects.put(&file, document.text).await
}
