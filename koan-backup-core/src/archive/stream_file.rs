//! The files of a single backup: the content, which is one JSON document with the streams of one aggregate, and
//! `.meta`, which describes it. The backup exists once its `.meta` exists.
//!
//! The content has exactly one form, in lines, so that it can be written and read in pieces, and any tool that reads
//! JSON can read it:
//!
//! ```text
//! {"formatVersion":1,"backupId":…,"createdAt":…,"objectId":…,"objectName":…,…,"eventCount":2,…,"events":[
//! {"version":0,…},
//! {"version":1,…}
//! ],"document":{…},"snapshots":[
//! {"streamId":…,"version":1,…}
//! ],"terminatedStreams":[
//! {"streamId":…,…,"eventCount":1,"events":[
//! {"version":0,…}
//! ]}
//! ]}
//! ```
//!
//! An event has the fields of a [`StreamEvent`](crate::entity::stream::StreamEvent) without `objectId` and `streamId`,
//! and a snapshot those of a [`StreamSnapshot`](crate::entity::stream::StreamSnapshot) without `objectId`, because they
//! follow from the place. The file is compressed with gzip and encrypted with age as a whole.

mod coding;
mod fault;
mod header;
mod item;
mod meta;
mod paths;
mod reader;
mod sequence;
mod stored_bytes;
mod text_reader;
mod text_writer;
mod transfer;
mod writer;

pub(crate) use fault::damaged;
pub use header::StreamIncludes;
pub(crate) use header::{StreamFileHeader, TerminatedHeader};
pub(crate) use item::StreamFileItem;
pub(crate) use meta::{MAX_META_BYTES, SealedSubject, StreamEncryption, StreamMeta, StreamSubject};
pub(crate) use paths::{
    StreamFolder, content_folder, content_name, is_removal_path, is_stream_content, meta_id, meta_path,
    path_segment, removal_path,
};
pub(crate) use reader::{StreamFile, StreamFileKey};
pub(crate) use transfer::StreamTransfer;
pub(crate) use writer::{StreamFileWriter, StreamWriting};

use serde::{Deserialize, Serialize};

use super::key_search;

/// How the content of a single backup is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum StreamCompression {
    /// The file is compressed with gzip.
    #[default]
    Gzip,
    /// The file is not compressed.
    None,
}
