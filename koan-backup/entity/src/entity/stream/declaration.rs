//! The declaration of event streams, which a derive or a registration generates.

use crate::entity::policy::PolicyDeclaration;

/// The declaration of the streams of one object name. All its fields are constant.
#[derive(Clone, Copy, Debug)]
pub struct StreamDeclaration {
    /// The object name: the type of the aggregate, as the event store names it.
    pub object: &'static str,
    /// The names of the parts in archives: the object name, then `{object}.documents` and `{object}.snapshots`.
    pub part_names: [&'static str; 3],
    /// The identifiers of the parts: that of the event type, then `{ident}.documents` and `{ident}.snapshots`.
    pub part_idents: [&'static str; 3],
    /// The provider, if it is not the only one with an event store.
    pub provider: Option<&'static str>,
    /// The value of `module_path!()` at the type.
    pub module_path: &'static str,
    /// The value of `file!()` at the declaration.
    pub file: &'static str,
    /// The value of `line!()` at the declaration.
    pub line: u32,
    /// The `#[entity_backup]` attribute, if there is one.
    pub policy: Option<PolicyDeclaration>,
    /// Where the type of an event is.
    pub layout: EventLayout,
}

/// Where a store keeps the type of an event, and therefore what is decoded as the event type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventLayout {
    /// The payload contains the type of the event, in the form that serde expects.
    InPayload,
    /// The type is stored beside the payload. An event is decoded from an object with these two fields.
    Beside {
        /// The field that contains the type of the event.
        tag: &'static str,
        /// The field that contains the payload.
        content: &'static str,
    },
}
