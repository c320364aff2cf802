//! The store.

use std::sync::Arc;

use async_trait::async_trait;
use koan_backup_core::event_store::{EventReader, EventStore, EventStoreCapabilities, EventStoreSession};
use koan_backup_core::provider::{Consistency, SessionIntent};
use koan_backup_core::storage::MachineState;
use koan_backup_core::{Result, Storage};

use crate::mark::Mark;
use crate::objects::Objects;
use crate::reader::FileReader;
use crate::restore;
use crate::session::FileSession;

/// An event store in a directory or bucket: one JSON document for each aggregate, and its events in files of JSON Lines.
/// All clones of a store are the same store.
///
/// Several processes can use the store at the same time. A change that contradicts a change by others fails, and has then
/// changed nothing. The store keeps documents, snapshots and terminated streams. It preserves positions and assigns none.
/// Each stream is read at one version.
///
/// ```
/// use koan_backup::event_store::NewEvent;
/// use koan_backup::prelude::*;
/// use koan_backup::{EventFiles, ExpectedVersion};
/// # koan_backup_shop::run(async |_| {
///
/// // Or `Storage::local("/var/lib/shop/events")?`, `Storage::url("s3://shop/events")?`, …
/// let store = EventFiles::in_storage(Storage::memory());
/// let placed = [NewEvent::new("OrderPlaced", &20)?, NewEvent::new("OrderPaid", &20)?];
/// store.append("order", "order-17", ExpectedVersion::NoEvents, placed).await?;
/// let shipped = [NewEvent::new("OrderShipped", &())?];
/// let version = store.append("order", "order-17", ExpectedVersion::Version(1), shipped).await?;
/// assert_eq!(version, Some(2));
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct EventFiles {
    objects: Objects,
    mark: Arc<Mark>,
}

impl EventFiles {
    /// Opens the store in a storage, below the folder `event-store`. The storage is not contacted yet.
    pub fn in_storage(storage: Storage) -> Self {
        Self { objects: Objects::new(storage), mark: Arc::default() }
    }

    pub(crate) fn objects(&self) -> Objects {
        self.objects.clone()
    }

    /// Begins a change, after the changes of processes that have ended were completed.
    pub(crate) async fn begin(&self) -> Result<FileSession> {
        restore::recover(&self.objects).await?;
        Ok(self.session(SessionIntent::Apply))
    }

    fn session(&self, intent: SessionIntent) -> FileSession {
        FileSession::new(self.objects(), Arc::clone(&self.mark), intent)
    }
}

#[async_trait]
impl EventStore for EventFiles {
    fn kind(&self) -> &'static str {
        "event-files"
    }

    fn source(&self) -> Option<String> {
        Some(self.objects.location().to_owned())
    }

    fn capabilities(&self) -> EventStoreCapabilities {
        let mut capabilities = EventStoreCapabilities::default();
        capabilities.documents = true;
        capabilities.snapshots = true;
        capabilities.terminated_streams = true;
        capabilities
    }

    fn consistency(&self) -> Consistency {
        Consistency::None
    }

    async fn attach(&self, state: &MachineState) -> Result<()> {
        self.mark.attach(&self.objects, state).await
    }

    async fn reader(&self) -> Result<Box<dyn EventReader>> {
        Ok(Box::new(FileReader::new(self.objects())))
    }

    async fn begin_restore(&self, intent: SessionIntent) -> Result<Box<dyn EventStoreSession>> {
        Ok(Box::new(match intent {
            SessionIntent::Apply => self.begin().await?,
            SessionIntent::Compare => self.session(intent),
        }))
    }
}
