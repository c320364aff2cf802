//! The parts of the content, in the order in which they are written and read.

use super::header::{StreamFileHeader, TerminatedHeader};
use crate::entity::stream::{StreamDocument, StreamEvent, StreamSnapshot};

/// A part of the content. The order is: the header, the events of the active stream, the document, the snapshots, and
/// then each terminated stream followed by its events.
#[derive(Debug)]
pub(crate) enum StreamFileItem {
    Header(StreamFileHeader),
    /// Some events of the stream that was introduced last.
    Events(Vec<StreamEvent>),
    Document(Option<Box<StreamDocument>>),
    Snapshots(Vec<StreamSnapshot>),
    Terminated(TerminatedHeader),
}
