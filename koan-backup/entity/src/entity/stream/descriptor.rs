//! The type-erased form of declared event streams.

use std::any::TypeId;
use std::fmt;

use super::typed_event::TypedEvent;
use super::{EventStream, StreamDeclaration, StreamDocument, StreamEvent, StreamPart, StreamSnapshot};
use crate::entity::declaration::{EntityDeclaration, FieldDeclaration, Shape};
use crate::entity::descriptor::EntityDescriptor;

/// The descriptor of the streams of one object name. It is built in a constant and registered in a distributed slice.
pub struct StreamDescriptor {
    declaration: StreamDeclaration,
    parts: [EntityDescriptor; 3],
}

impl StreamDescriptor {
    /// Creates the descriptor of streams whose events are decoded as `E`.
    pub const fn new<E: EventStream>(declaration: StreamDeclaration) -> Self {
        let events = EntityDescriptor::of_stream::<TypedEvent<E>>(
            part(&declaration, StreamPart::Events),
            (declaration.object, StreamPart::Events),
        );
        Self::with_events(declaration, events)
    }

    /// Creates the descriptor of streams whose events remain JSON.
    pub const fn raw(declaration: StreamDeclaration) -> Self {
        let events = EntityDescriptor::of_stream::<StreamEvent>(
            part(&declaration, StreamPart::Events),
            (declaration.object, StreamPart::Events),
        );
        Self::with_events(declaration, events)
    }

    const fn with_events(declaration: StreamDeclaration, events: EntityDescriptor) -> Self {
        let documents = EntityDescriptor::of_stream::<StreamDocument>(
            part(&declaration, StreamPart::Documents),
            (declaration.object, StreamPart::Documents),
        );
        let snapshots = EntityDescriptor::of_stream::<StreamSnapshot>(
            part(&declaration, StreamPart::Snapshots),
            (declaration.object, StreamPart::Snapshots),
        );
        Self { declaration, parts: [events, documents, snapshots] }
    }

    /// Returns the declaration.
    pub fn declaration(&self) -> &StreamDeclaration {
        &self.declaration
    }

    /// Returns whether the events remain JSON, because no type is declared for them.
    pub fn is_raw(&self) -> bool {
        self.part(StreamPart::Events).type_id() == TypeId::of::<StreamEvent>()
    }

    /// Returns the object name.
    pub fn object(&self) -> &'static str {
        self.declaration.object
    }

    /// Returns the descriptor of the records of a part.
    pub fn part(&self, part: StreamPart) -> &EntityDescriptor {
        let [events, documents, snapshots] = &self.parts;
        match part {
            StreamPart::Events => events,
            StreamPart::Documents => documents,
            StreamPart::Snapshots => snapshots,
        }
    }
}

impl fmt::Debug for StreamDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamDescriptor({} of {:?})", self.object(), self.part(StreamPart::Events))
    }
}

const fn part(declaration: &StreamDeclaration, part: StreamPart) -> EntityDeclaration {
    let (index, key_type, fields): (_, _, &'static [FieldDeclaration]) = match part {
        StreamPart::Events => (0, "(String, String, u64)", EVENT_FIELDS),
        StreamPart::Documents => (1, "String", DOCUMENT_FIELDS),
        StreamPart::Snapshots => (2, "(String, String, u64)", SNAPSHOT_FIELDS),
    };
    EntityDeclaration {
        name: declaration.part_names[index],
        aliases: &[],
        table: None,
        provider: declaration.provider,
        route: None,
        module_path: declaration.module_path,
        ident: declaration.part_idents[index],
        file: declaration.file,
        line: declaration.line,
        key_type,
        policy: declaration.policy,
        shape: Shape::Struct(fields),
    }
}

/// The type of a field that contains any JSON, for its logical type in the schema.
type Json = serde_json::Value;

const EVENT_FIELDS: &[FieldDeclaration] = &[
    FieldDeclaration::new::<String>("objectId", "String").key(),
    FieldDeclaration::new::<String>("streamId", "String").key(),
    FieldDeclaration::new::<u64>("version", "u64").key(),
    FieldDeclaration::new::<String>("type", "String"),
    FieldDeclaration::new::<Option<String>>("schemaVersion", "Option<String>"),
    FieldDeclaration::new::<Option<String>>("externalSequencer", "Option<String>"),
    FieldDeclaration::new::<Option<String>>("action", "Option<String>"),
    FieldDeclaration::new::<Option<String>>("timestamp", "Option<String>"),
    FieldDeclaration::new::<Option<i64>>("position", "Option<i64>"),
    FieldDeclaration::new::<Option<Json>>("metadata", "Option<Json>"),
    FieldDeclaration::new::<Option<String>>("metadataText", "Option<String>"),
    FieldDeclaration::new::<Json>("payload", "Json"),
    FieldDeclaration::new::<Option<String>>("payloadText", "Option<String>"),
];

const DOCUMENT_FIELDS: &[FieldDeclaration] = &[
    FieldDeclaration::new::<String>("objectId", "String").key(),
    FieldDeclaration::new::<String>("activeStream", "String"),
    FieldDeclaration::new::<Option<u64>>("version", "Option<u64>"),
    FieldDeclaration::new::<Json>("chunks", "Vec<StreamChunk>").defaulted(),
    FieldDeclaration::new::<Json>("snapshots", "Vec<u64>").defaulted(),
    FieldDeclaration::new::<Json>("terminatedStreams", "Vec<TerminatedStream>").defaulted(),
    FieldDeclaration::new::<Json>("attributes", "Map<String, Json>").defaulted(),
];

const SNAPSHOT_FIELDS: &[FieldDeclaration] = &[
    FieldDeclaration::new::<String>("objectId", "String").key(),
    FieldDeclaration::new::<String>("streamId", "String").key(),
    FieldDeclaration::new::<u64>("version", "u64").key(),
    FieldDeclaration::new::<Option<u64>>("number", "Option<u64>"),
    FieldDeclaration::new::<Option<String>>("name", "Option<String>"),
    FieldDeclaration::new::<Option<String>>("timestamp", "Option<String>"),
    FieldDeclaration::new::<Json>("payload", "Json"),
    FieldDeclaration::new::<Option<String>>("payloadText", "Option<String>"),
];
