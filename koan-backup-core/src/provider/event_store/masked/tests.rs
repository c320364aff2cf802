//! Tests with a store whose every error contains an object id.

use super::*;
use crate::provider::event_store::{OpenedStreams, StreamHeads};

const SECRET_ID: &str = "patient-4711";
const OBJECT: &str = "patient";

fn naming_error<T>() -> Result<T> {
    let error = Error::new(ErrorKind::Provider, format!("`{SECRET_ID}` cannot be accessed"));
    Err(error.with_code("57014").with_remaining_changes())
}

/// Fails in every method, and in the streams that it returns.
#[derive(Debug)]
struct NamingStore;

/// A reader whose streams begin, and then fail.
#[derive(Debug)]
struct InterruptedReader;

fn interrupted<'b, T: Send + 'b>() -> Result<Batches<'b, T>> {
    Ok(futures::stream::iter([naming_error()]).boxed())
}

macro_rules! reader {
    ($reader:ty, $batches:ident) => {
        #[async_trait]
        impl EventReader for $reader {
            async fn object_names(&self) -> Result<Vec<String>> {
                naming_error()
            }
            async fn object_ids(&self, _: &str, _: Option<&str>, _: usize) -> Result<Vec<String>> {
                naming_error()
            }
            async fn open(&self, _: &str, _: &str) -> Result<Option<OpenedStreams>> {
                naming_error()
            }
            async fn events(&self, _: &OpenedStreams, _: &str) -> Result<Batches<'_, StreamEvent>> {
                $batches()
            }
            async fn snapshots(&self, _: &OpenedStreams) -> Result<Batches<'_, StreamSnapshot>> {
                $batches()
            }
            async fn all_events(&self, _: &str) -> Result<Batches<'_, StreamEvent>> {
                $batches()
            }
            async fn all_documents(&self, _: &str) -> Result<Batches<'_, StreamDocument>> {
                $batches()
            }
            async fn all_snapshots(&self, _: &str) -> Result<Batches<'_, StreamSnapshot>> {
                $batches()
            }
            async fn count(&self, _: &str, _: StreamPart) -> Result<u64> {
                naming_error()
            }
        }
    };
}

reader!(NamingStore, naming_error);
reader!(InterruptedReader, interrupted);

#[async_trait]
impl EventWriter for NamingStore {
    async fn is_empty(&mut self, _: &str) -> Result<bool> {
        naming_error()
    }
    async fn object_ids(&mut self, _: &str, _: Option<&str>, _: usize) -> Result<Vec<String>> {
        naming_error()
    }
    async fn heads(&mut self, _: &str, _: &[String]) -> Result<Vec<StreamHeads>> {
        naming_error()
    }
    async fn events_at(&mut self, _: &str, _: &[EventKey]) -> Result<Vec<StreamEvent>> {
        naming_error()
    }
    async fn events_with_positions(&mut self, _: &str, _: &[i64]) -> Result<Vec<PositionedEvent>> {
        naming_error()
    }
    async fn documents_of(&mut self, _: &str, _: &[String]) -> Result<Vec<StreamDocument>> {
        naming_error()
    }
    async fn snapshot_keys(&mut self, _: &str, _: &[String]) -> Result<Vec<SnapshotKey>> {
        naming_error()
    }
    async fn snapshots_at(&mut self, _: &str, _: &[SnapshotKey]) -> Result<Vec<StreamSnapshot>> {
        naming_error()
    }
    async fn append(&mut self, _: &str, _: Vec<StreamEvent>) -> Result<u64> {
        naming_error()
    }
    async fn truncate(&mut self, _: &str, _: &str, _: &str, _: u64) -> Result<u64> {
        naming_error()
    }
    async fn remove(&mut self, _: &str, _: &str) -> Result<RemovedObject> {
        naming_error()
    }
    async fn put_document(&mut self, _: &str, _: StreamDocument) -> Result<()> {
        naming_error()
    }
    async fn remove_document(&mut self, _: &str, _: &str) -> Result<bool> {
        naming_error()
    }
    async fn add_snapshots(&mut self, _: &str, _: Vec<StreamSnapshot>) -> Result<u64> {
        naming_error()
    }
    async fn remove_snapshots(&mut self, _: &str, _: &[SnapshotKey]) -> Result<u64> {
        naming_error()
    }
}

#[async_trait]
impl RestoreSession for NamingStore {
    async fn begin<'s>(&'s mut self, _: RestoreTarget) -> Result<Box<dyn TargetWriter + 's>> {
        naming_error()
    }
    async fn check_constraints(&mut self) -> Result<()> {
        naming_error()
    }
    async fn commit(self: Box<Self>) -> Result<CommitReport> {
        naming_error()
    }
    async fn rollback(self: Box<Self>) -> Result<()> {
        naming_error()
    }
}

/// Requires that the error of a method does not contain the id, and is otherwise that of the store.
fn require_masked<T>(method: &str, result: Result<T>) {
    let Err(error) = result else { panic!("{method} succeeded") };
    assert!(!format!("{error:?} {}", error.chain()).contains(SECRET_ID), "{method}: {error:?}");
    assert_eq!((error.kind(), error.code()), (ErrorKind::Provider, Some("57014")), "{method}");
    assert!(error.has_remaining_changes(), "{method}");
}

async fn require_masked_batches<T>(method: &str, batches: Result<Batches<'_, T>>) {
    match batches {
        Err(error) => require_masked(method, Err::<(), _>(error)),
        Ok(batches) => require_masked(method, batches.try_concat().await.map(|_: Vec<T>| ())),
    }
}

fn opened() -> OpenedStreams {
    OpenedStreams {
        object: OBJECT.to_owned(),
        object_id: SECRET_ID.to_owned(),
        streams: Vec::new(),
        document: None,
        snapshot_count: 0,
    }
}

fn document() -> StreamDocument {
    StreamDocument {
        object_id: SECRET_ID.to_owned(),
        active_stream: SECRET_ID.to_owned(),
        version: None,
        chunks: Vec::new(),
        snapshots: Vec::new(),
        terminated_streams: Vec::new(),
        attributes: Default::default(),
    }
}

#[tokio::test]
async fn no_error_of_a_reader_contains_an_id() {
    for store in [&NamingStore as &dyn EventReader, &InterruptedReader] {
        let reader = MaskedReader::new(store, StoreErrors::Masked);
        require_masked("object_ids", reader.object_ids(OBJECT, None, 1).await);
        require_masked("open", reader.open(OBJECT, SECRET_ID).await);
        require_masked("count", reader.count(OBJECT, StreamPart::Events).await);
        require_masked_batches("events", reader.events(&opened(), SECRET_ID).await).await;
        require_masked_batches("snapshots", reader.snapshots(&opened()).await).await;
        require_masked_batches("all_events", reader.all_events(OBJECT).await).await;
        require_masked_batches("all_documents", reader.all_documents(OBJECT).await).await;
        require_masked_batches("all_snapshots", reader.all_snapshots(OBJECT).await).await;
    }
    let shown = MaskedReader::new(&NamingStore, StoreErrors::Shown);
    let shown = shown.open(OBJECT, SECRET_ID).await.expect_err("the store fails");
    assert!(shown.to_string().contains(SECRET_ID), "{shown}");
}

#[tokio::test]
async fn no_error_of_a_writer_contains_an_id() {
    let mut store = NamingStore;
    let mut writer = MaskedWriter::new(&mut store, StoreErrors::Masked);
    require_masked("is_empty", writer.is_empty(OBJECT).await);
    require_masked("object_ids", writer.object_ids(OBJECT, None, 1).await);
    require_masked("heads", writer.heads(OBJECT, &[]).await);
    require_masked("events_at", writer.events_at(OBJECT, &[]).await);
    require_masked("events_with_positions", writer.events_with_positions(OBJECT, &[1]).await);
    require_masked("documents_of", writer.documents_of(OBJECT, &[]).await);
    require_masked("snapshot_keys", writer.snapshot_keys(OBJECT, &[]).await);
    require_masked("snapshots_at", writer.snapshots_at(OBJECT, &[]).await);
    require_masked("append", writer.append(OBJECT, Vec::new()).await);
    require_masked("truncate", writer.truncate(OBJECT, SECRET_ID, SECRET_ID, 0).await);
    require_masked("remove", writer.remove(OBJECT, SECRET_ID).await);
    require_masked("put_document", writer.put_document(OBJECT, document()).await);
    require_masked("remove_document", writer.remove_document(OBJECT, SECRET_ID).await);
    require_masked("add_snapshots", writer.add_snapshots(OBJECT, Vec::new()).await);
    require_masked("remove_snapshots", writer.remove_snapshots(OBJECT, &[]).await);
}

#[tokio::test]
async fn a_writer_of_a_type_that_is_not_encrypted_masks_errors_about_the_streams_of_others() {
    let mut store = NamingStore;
    let mut writer = MaskedWriter::new(&mut store, StoreErrors::Shown);
    let shown = writer.truncate("order", "order-1", "order-1", 0).await.expect_err("the store fails");
    assert!(shown.to_string().contains(SECRET_ID), "{shown}");
    let mut masking = writer.masking_all();
    require_masked("events_with_positions", masking.events_with_positions("order", &[1]).await);
    require_masked("truncate", masking.truncate(OBJECT, SECRET_ID, SECRET_ID, 0).await);
}

#[tokio::test]
async fn no_error_of_the_end_of_a_session_contains_an_id() {
    let session = || MaskedSession::new(Box::new(NamingStore), OBJECT);
    require_masked("check_constraints", session().check_constraints().await);
    require_masked("commit", Box::new(session()).commit().await);
    require_masked("rollback", Box::new(session()).rollback().await);
}

#[test]
fn a_cancellation_remains_one() {
    let masked = StoreErrors::Masked.mask(OBJECT, Error::cancelled());
    assert_eq!(masked.to_string(), Error::cancelled().to_string());
}
