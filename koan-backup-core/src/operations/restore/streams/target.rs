//! What the writers of all parts use.

use super::decisions::ObjectDecisions;
use crate::foundation::error::{Error, ErrorKind};
use crate::provider::WriteCounts;
use crate::provider::event_store::{MaskedWriter, OrderCheck};

/// A writer of one part of event streams received records of another.
pub(super) fn other_part() -> Error {
    Error::new(ErrorKind::Internal, "a writer of event streams received records of another part")
}

/// The writer of the store and the decisions, which each part uses.
#[derive(Debug)]
pub(super) struct Target<'s> {
    pub(super) writer: MaskedWriter<'s>,
    pub(super) decisions: &'s mut ObjectDecisions,
    pub(super) counts: WriteCounts,
    pub(super) order: OrderCheck,
}
