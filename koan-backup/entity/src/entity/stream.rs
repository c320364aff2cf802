//! Event streams: the declaration of an event type, and the records of its streams.
//!
//! An event store contains streams. A stream belongs to one aggregate, which an *object name* (its type, for
//! example `order`) and an *object id* identify. Versions of events start at 0 and have no gaps.

mod declaration;
mod descriptor;
mod document;
mod event;
mod json_text;
mod part;
pub(super) mod record;
mod snapshot;
mod typed_event;

use serde::de::DeserializeOwned;

pub use declaration::{EventLayout, StreamDeclaration};
pub use descriptor::StreamDescriptor;
pub use document::{StreamChunk, StreamDocument, TerminatedStream};
pub use event::StreamEvent;
pub use json_text::JsonText;
pub use part::StreamPart;
pub use snapshot::StreamSnapshot;

/// The type of the events of one type of aggregate. Implement this trait with `#[derive(EventStream)]`.
///
/// Backups and verifications decode every event as this type. The archive contains the stored JSON of the events
/// unchanged, so nothing is lost if the type ignores a part of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not declare event streams",
    label = "not an event type",
    note = "an event type needs two derives: `#[derive(Deserialize, EventStream)]`, and `#[event_stream(object = \"…\")]`"
)]
pub trait EventStream: DeserializeOwned + Send + Sync + 'static {
    /// Returns the descriptor of the streams.
    fn descriptor() -> &'static StreamDescriptor;
}
