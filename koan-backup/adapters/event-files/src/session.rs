//! A change of the store: a restore, or a change by the application.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use koan_backup_core::event_store::{BatchValue as _, StreamEvent};
use koan_backup_core::provider::SessionIntent;
use koan_backup_core::{Error, ErrorKind, Result};
use object_store::path::Path;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::aggregate::{Aggregate, EventFile};
use crate::document_name::DocumentName;
use crate::event_file;
use crate::listing::{self, Listing};
use crate::mark::Mark;
use crate::objects::{CONCURRENT_REQUESTS, Objects};
use crate::path;

/// The size at which a file of events is complete.
const FILE_BYTES: usize = 4 << 20;
/// With more aggregates, the whole object name is listed instead of each aggregate.
pub(crate) const FEW_AGGREGATES: usize = 16;

/// The object name and object id of an aggregate.
pub(crate) type Subject = (String, String);

/// A change of the store. Event files are written at once, and nothing names them before the commit.
#[derive(Debug)]
pub(crate) struct FileSession {
    objects: Objects,
    pub(crate) mark: Arc<Mark>,
    pub(crate) intent: SessionIntent,
    /// The id of the change.
    pub(crate) id: String,
    pub(crate) state: SessionState,
    pub(crate) staged: BTreeMap<Subject, Staged>,
    listings: BTreeMap<String, Arc<Listing>>,
    /// Events that are not written to a file yet.
    pending: Option<Pending>,
    /// The file of events that was read last, because the next events are often in the same file.
    pub(crate) last_read: Option<(String, Arc<Vec<StreamEvent>>)>,
    uploads: JoinSet<Result<Uploaded>>,
    /// The files of events and snapshots that were written.
    pub(crate) written: Vec<Path>,
    /// The documents that were written for the commit.
    pub(crate) claimed: Vec<Path>,
}

/// Whether a session can be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionState {
    Intact,
    /// A change failed.
    Failed,
}

/// An aggregate that was read or changed.
#[derive(Debug)]
pub(crate) struct Staged {
    /// The document that was read.
    pub(crate) base: Option<DocumentName>,
    pub(crate) aggregate: Aggregate,
    pub(crate) is_changed: bool,
}

/// Consecutive events of one stream.
#[derive(Debug)]
struct Pending {
    subject: Subject,
    stream_id: String,
    first_version: u64,
    events: Vec<StreamEvent>,
    size_bytes: usize,
}

impl Pending {
    /// Returns the version of the event after the pending ones.
    fn next_version(&self) -> Result<u64> {
        let count = u64::try_from(self.events.len()).ok();
        count.and_then(|count| self.first_version.checked_add(count)).ok_or_else(|| {
            let text = format!(
                "stream `{}` of `{}` has no version after its last event",
                self.stream_id, self.subject.0
            );
            Error::new(ErrorKind::Corrupt, text).with_help("restore the aggregate from a backup")
        })
    }
}

/// A file of events that was written.
#[derive(Debug)]
struct Uploaded {
    subject: Subject,
    stream_id: String,
    file: String,
    size_bytes: u64,
    sha256: String,
}

impl FileSession {
    pub(crate) fn new(objects: Objects, mark: Arc<Mark>, intent: SessionIntent) -> Self {
        Self {
            objects,
            mark,
            intent,
            id: Uuid::now_v7().simple().to_string(),
            state: SessionState::Intact,
            staged: BTreeMap::new(),
            listings: BTreeMap::new(),
            pending: None,
            last_read: None,
            uploads: JoinSet::new(),
            written: Vec::new(),
            claimed: Vec::new(),
        }
    }

    pub(crate) fn objects(&self) -> Objects {
        self.objects.clone()
    }

    /// Lists the aggregates of an object name, once in a session.
    pub(crate) async fn listing(&mut self, object: &str) -> Result<Arc<Listing>> {
        if let Some(listing) = self.listings.get(object) {
            return Ok(Arc::clone(listing));
        }
        let listing = Arc::new(listing::list(&self.objects(), object).await?);
        self.listings.insert(object.to_owned(), Arc::clone(&listing));
        Ok(listing)
    }

    /// Reads aggregates, so that they are in `staged`.
    pub(crate) async fn load(&mut self, object: &str, object_ids: &[String]) -> Result<()> {
        let is_missing = |id: &&String| !self.staged.contains_key(&(object.to_owned(), (*id).clone()));
        let mut missing: Vec<_> = object_ids.iter().filter(is_missing).cloned().collect();
        missing.sort_unstable();
        missing.dedup();
        if missing.len() > FEW_AGGREGATES {
            self.listing(object).await?;
        }
        let (objects, listing) = (self.objects(), self.listings.get(object).map(Arc::clone));
        let loads = stream::iter(missing).map(|id| {
            let (objects, listing) = (&objects, listing.as_ref());
            async move {
                let found = match listing.map(|listing| listing.get(&id)) {
                    None => listing::current(objects, object, &id).await?,
                    Some(None) => None,
                    Some(Some(document)) => {
                        let read = listing::read(objects, object, &id, document).await?;
                        let aggregate = read.ok_or_else(|| changed_by_others(object, &id))?;
                        Some((document.clone(), aggregate))
                    }
                };
                Ok::<_, Error>((id, found))
            }
        });
        let loaded: Vec<_> = loads.buffer_unordered(CONCURRENT_REQUESTS).try_collect().await?;
        for (id, found) in loaded {
            let (base, aggregate) = match found {
                Some((base, aggregate)) => (Some(base), aggregate),
                None => (None, Aggregate::new(object, &id)),
            };
            self.staged.insert((object.to_owned(), id), Staged { base, aggregate, is_changed: false });
        }
        Ok(())
    }

    /// Returns an aggregate, which is read if it was not.
    pub(crate) async fn aggregate(&mut self, object: &str, object_id: &str) -> Result<&mut Staged> {
        let key = (object.to_owned(), object_id.to_owned());
        if !self.staged.contains_key(&key) {
            self.load(object, std::slice::from_ref(&key.1)).await?;
        }
        self.staged
            .get_mut(&key)
            .ok_or_else(|| Error::new(ErrorKind::Internal, format!("`{object}` `{object_id}` was not read")))
    }

    /// Returns the ids of the aggregates that exist in this session.
    pub(crate) async fn ids(
        &mut self,
        object: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>> {
        let listing = self.listing(object).await?;
        let start = || (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let is_listed = |id: &&String| {
            let staged = self.staged.get(&(object.to_owned(), (*id).clone()));
            staged.is_none_or(|staged| !staged.aggregate.is_empty())
        };
        let listed = listing.range::<str, _>(start()).map(|(id, _)| id).filter(is_listed).take(limit);
        let mut ids: Vec<String> = listed.cloned().collect();
        let added = self.staged.iter().filter(|((name, id), staged)| {
            let is_after = after.is_none_or(|after| id.as_str() > after);
            name == object && is_after && !staged.aggregate.is_empty() && !listing.contains_key(id)
        });
        ids.extend(added.map(|((_, id), _)| id.clone()));
        ids.sort_unstable();
        ids.truncate(limit);
        Ok(ids)
    }

    /// Adds the next event of a stream.
    pub(crate) async fn push(&mut self, object: &str, event: StreamEvent) -> Result<()> {
        let subject = (object.to_owned(), event.object_id.clone());
        let is_next = self.pending.as_ref().is_some_and(|pending| {
            pending.subject == subject
                && pending.stream_id == event.stream_id
                && pending.size_bytes < FILE_BYTES
        });
        if !is_next {
            self.flush().await?;
        }
        let next = match &self.pending {
            Some(pending) => pending.next_version()?,
            None => {
                let staged = self.aggregate(object, &event.object_id).await?;
                staged.aggregate.next_version(&event.stream_id)?
            }
        };
        if event.version != next {
            let name = format!("event {} of stream `{}` of `{object}`", event.version, event.stream_id);
            return Err(if event.version < next {
                Error::new(ErrorKind::Conflict, format!("{name} exists already"))
            } else {
                let text = format!("{name} leaves a gap: the next version of the stream is {next}");
                Error::new(ErrorKind::Corrupt, text)
            });
        }
        let pending = self.pending.get_or_insert_with(|| Pending {
            subject,
            stream_id: event.stream_id.clone(),
            first_version: event.version,
            events: Vec::new(),
            size_bytes: 0,
        });
        pending.size_bytes += event.size_bytes();
        pending.events.push(event);
        Ok(())
    }

    /// Begins to write the pending events to a file.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        let Some(Pending { subject, stream_id, first_version, events, .. }) = self.pending.take() else {
            return Ok(());
        };
        let file = format!("{}.jsonl", Uuid::now_v7().simple());
        let path = path::file(&subject.0, &subject.1, &file)?;
        self.written.push(path.clone());
        let event_count = u64::try_from(events.len()).unwrap_or(u64::MAX);
        let entry = EventFile {
            file: file.clone(),
            first_version,
            last_version: first_version.saturating_add(event_count.saturating_sub(1)),
            event_count,
            size_bytes: 0,
            sha256: String::new(),
        };
        let staged = self.aggregate(&subject.0, &subject.1).await?;
        staged.aggregate.add_file(&stream_id, entry);
        staged.is_changed = true;
        while self.uploads.len() >= CONCURRENT_REQUESTS {
            self.next_upload().await?;
        }
        let objects = self.objects();
        self.uploads.spawn(async move {
            let (text, sha256) = event_file::encode(events).await?;
            let size_bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
            objects.put(&path, text).await?;
            Ok(Uploaded { subject, stream_id, file, size_bytes, sha256 })
        });
        Ok(())
    }

    /// Waits until all events are in files.
    pub(crate) async fn write_all(&mut self) -> Result<()> {
        self.flush().await?;
        while !self.uploads.is_empty() {
            self.next_upload().await?;
        }
        Ok(())
    }

    /// Waits for one file, and records its size and hash.
    async fn next_upload(&mut self) -> Result<()> {
        let Some(joined) = self.uploads.join_next().await else { return Ok(()) };
        let uploaded = joined.map_err(|source| {
            Error::with_source(ErrorKind::Internal, "the task that wrote events has ended", source)
        })??;
        let staged = self.staged.get_mut(&uploaded.subject);
        let streams = staged.into_iter().flat_map(|staged| &mut staged.aggregate.streams);
        let files = streams.filter(|stream| stream.stream_id == uploaded.stream_id);
        // The events may have been removed again.
        for entry in files.flat_map(|stream| &mut stream.files) {
            if entry.file == uploaded.file {
                entry.size_bytes = uploaded.size_bytes;
                entry.sha256.clone_from(&uploaded.sha256);
            }
        }
        Ok(())
    }

    /// Stops writing files.
    pub(crate) async fn stop(&mut self) {
        self.pending = None;
        self.uploads.shutdown().await;
    }
}

/// Returns the error that an aggregate was changed by others.
pub(crate) fn changed_by_others(object: &str, object_id: &str) -> Error {
    let text = format!("`{object}` `{object_id}` was changed by others during this change");
    Error::new(ErrorKind::Conflict, text).with_help("repeat the operation")
}
