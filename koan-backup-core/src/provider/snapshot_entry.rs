//! Reading what becomes one entry of an archive: a set of an entity, or a part of event streams.

use futures::stream::TryStreamExt;

use super::event_store::{
    Batches, EventReader, MaskedReader, OrderCheck, RecordPosition, Start, StoreErrors,
};
use super::{ReadRequest, ReadSummary, RecordSink, Snapshot};
use crate::entity::EntityCodec;
use crate::entity::stream::StreamPart;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::SetName;

/// Returns the sets of an entity. Event streams have only the default set.
///
/// # Errors
/// The entity is not in the database, or the provider has no event store.
pub(crate) async fn sets(snapshot: &dyn Snapshot, codec: &EntityCodec) -> Result<Vec<SetName>> {
    match stream(codec) {
        None => snapshot.sets(codec).await,
        Some((object, _)) => reader(snapshot, codec, object).map(|_| vec![SetName::root()]),
    }
}

/// Returns the number of records of an entry.
///
/// # Errors
/// The database cannot be read.
pub(crate) async fn count(snapshot: &dyn Snapshot, codec: &EntityCodec, set: &SetName) -> Result<u64> {
    match stream(codec) {
        None => snapshot.count(codec, set).await,
        Some((object, part)) => reader(snapshot, codec, object)?.count(object, part).await,
    }
}

/// Reads the records of an entry into `sink`.
///
/// # Errors
/// The database cannot be read, a record cannot be converted, or the versions of a stream have a gap.
pub(crate) async fn read(
    snapshot: &dyn Snapshot,
    codec: &EntityCodec,
    set: &SetName,
    sink: RecordSink,
) -> Result<ReadSummary> {
    let Some((object, part)) = stream(codec) else {
        return snapshot.read(ReadRequest::all(codec.clone(), set.clone()), sink).await;
    };
    let reader = reader(snapshot, codec, object)?;
    match part {
        StreamPart::Events => push_all(reader.all_events(object).await?, codec, part, sink).await,
        StreamPart::Documents => push_all(reader.all_documents(object).await?, codec, part, sink).await,
        StreamPart::Snapshots => push_all(reader.all_snapshots(object).await?, codec, part, sink).await,
    }
}

/// Returns the object name and the part, if the records of the codec belong to event streams.
fn stream(codec: &EntityCodec) -> Option<(&'static str, StreamPart)> {
    let descriptor = codec.descriptor();
    Some((descriptor.stream_object()?, descriptor.stream_part()?))
}

fn reader<'s>(snapshot: &'s dyn Snapshot, codec: &EntityCodec, object: &str) -> Result<MaskedReader<'s>> {
    let reader = snapshot.events().map(|events| MaskedReader::new(events, StoreErrors::of(codec)));
    reader.ok_or_else(|| {
        let text = format!("the provider of the event streams `{object}` has no event store");
        Error::new(ErrorKind::Configuration, text)
            .with_help("add one with `.event_store(…)`, or select another provider in `#[event_stream]`")
    })
}

/// Writes the lines of all records, and checks their order.
async fn push_all<T>(
    mut batches: Batches<'_, T>,
    codec: &EntityCodec,
    part: StreamPart,
    mut sink: RecordSink,
) -> Result<ReadSummary>
where
    T: serde::Serialize,
    for<'t> RecordPosition: From<&'t T>,
{
    let mut order = OrderCheck::new(part, Start::OfPart);
    while let Some(batch) = batches.try_next().await? {
        for record in &batch {
            order.push(RecordPosition::from(record));
            if let Some(fault) = &order.fault {
                let text = format!("event stream {} {}", codec.name(), fault.text(codec.shows_keys()));
                return Err(Error::new(ErrorKind::Record, text)
                    .with_help("repair the event store, or restore the stream from an earlier backup"));
            }
            if sink.push_stream_record(record)? == super::Flow::Flush {
                sink.flush().await?;
            }
        }
    }
    sink.finish().await
}
