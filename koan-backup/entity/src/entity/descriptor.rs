//! The type-erased form of an entity: its declaration and its codec functions.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::declaration::EntityDeclaration;
use super::stream::StreamPart;
use super::stream::record::{self as stream_record, StreamRecord};
use super::{Entity, PolicyDeclaration};
use crate::entity::codec::{self, LineTokens, Projection, Record, RecordError, RoundTrip, Row};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::schema::{EntitySchema, Unordered};
use crate::foundation::value::{KeyText, Value};

type Encode = for<'r, 'v> fn(&'r Row<'v>, &EntitySchema, &mut Vec<u8>) -> Result<Vec<&'r str>, RecordError>;

/// The descriptor of an entity. It is built in a constant and registered in a distributed slice.
///
/// ```
/// use koan_backup::Entity as _;
/// # use koan_backup_shop::User;
///
/// let user = User::descriptor();
/// assert_eq!(user.name(), "User");
/// assert_eq!(user.key_type(), "i64");
/// println!("declared at {}", user.location());
/// ```
pub struct EntityDescriptor {
    declaration: EntityDeclaration,
    type_id: fn() -> TypeId,
    encode: Encode,
    check: fn(&[u8]) -> Result<(), RecordError>,
    round_trip: fn(&[u8], &mut Vec<u8>) -> Result<RoundTrip, RecordError>,
    tokens_round_trip: fn(&LineTokens<'_>) -> bool,
    decode: fn(&[u8], &EntitySchema) -> Result<Record, RecordError>,
    /// The object name and the part, if the records belong to event streams.
    stream: Option<(&'static str, StreamPart)>,
}

impl EntityDescriptor {
    /// Creates the descriptor of `T`. The expansion of the derive contains only this call.
    pub const fn new<T: Entity>(declaration: EntityDeclaration) -> Self {
        Self::of_records::<T>(declaration, None)
    }

    /// Creates the descriptor of one part of event streams, whose records are of type `T`.
    pub(super) const fn of_stream<T: StreamRecord>(
        declaration: EntityDeclaration,
        stream: (&'static str, StreamPart),
    ) -> Self {
        Self {
            check: stream_record::check::<T>,
            round_trip: stream_record::round_trip::<T>,
            ..Self::of_records::<T>(declaration, Some(stream))
        }
    }

    const fn of_records<T: Serialize + DeserializeOwned + 'static>(
        declaration: EntityDeclaration,
        stream: Option<(&'static str, StreamPart)>,
    ) -> Self {
        Self {
            declaration,
            type_id: TypeId::of::<T>,
            encode: codec::encode::<T>,
            check: codec::check::<T>,
            round_trip: codec::round_trip::<T>,
            tokens_round_trip: codec::tokens_round_trip::<T>,
            decode: codec::decode::<T>,
            stream,
        }
    }

    /// Returns the part of event streams to which the records belong. Returns `None` for an entity.
    pub fn stream_part(&self) -> Option<StreamPart> {
        self.stream.map(|(_, part)| part)
    }

    /// Returns the object name of the event streams to which the records belong. Returns `None` for an entity.
    pub fn stream_object(&self) -> Option<&'static str> {
        self.stream.map(|(object, _)| object)
    }

    /// Returns the name of the entity in archives, reports and manifests.
    pub fn name(&self) -> &'static str {
        self.declaration.name
    }

    /// Returns the older names of the entity, which archives may still contain.
    pub fn aliases(&self) -> &'static [&'static str] {
        self.declaration.aliases
    }

    /// Returns the table, if one was declared.
    pub fn table(&self) -> Option<&'static str> {
        self.declaration.table
    }

    /// Returns the provider, if one was declared.
    pub fn provider(&self) -> Option<&'static str> {
        self.declaration.provider
    }

    /// Returns the name in URLs of the HTTP interface, if one was declared.
    pub fn route(&self) -> Option<&'static str> {
        self.declaration.route
    }

    /// Returns the path of the type, for example `shop::models::User`.
    pub fn type_path(&self) -> String {
        format!("{}::{}", self.declaration.module_path, self.declaration.ident)
    }

    /// Returns the crate of the type, as it appears in paths.
    pub fn crate_name(&self) -> &'static str {
        crate_of(self.declaration.module_path)
    }

    /// Returns the location of the declaration, for example `src/models.rs:12`.
    pub fn location(&self) -> String {
        format!("{}:{}", self.declaration.file, self.declaration.line)
    }

    /// Returns the type of the key, as it is written in the source.
    pub fn key_type(&self) -> &'static str {
        self.declaration.key_type
    }

    /// Returns the policy of the `#[entity_backup]` attribute, if there is one.
    pub fn policy(&self) -> Option<PolicyDeclaration> {
        self.declaration.policy
    }

    /// Returns the messages about fields with lists whose elements have no defined order. The first list
    /// contains the proven cases, and the second one the suspected cases.
    #[doc(hidden)]
    pub fn unordered(&self) -> (Vec<String>, Vec<String>) {
        const REMEDY: &str =
            "use `BTreeSet` or `Vec`, or sort the elements with `#[serde(serialize_with = \"…\")]`";
        let (mut proven, mut suspected) = (Vec::new(), Vec::new());
        for (field, found) in self.declaration.unordered() {
            let field_path =
                |path: &str| format!("{}.{}", self.name(), format!("{field}{path}").trim_start_matches('.'));
            match found {
                Unordered::Proven(path) => proven.push(format!(
                    "`{}` is serialized with its elements in a different order each time, as a `HashSet` is, so that \
                     backups would fail at random; {REMEDY}",
                    field_path(&path)
                )),
                Unordered::Untested(path) => suspected.push(format!(
                    "the order of lists in `{}` could not be tested when the application started, because its type \
                     reads all values before it requests a specific one; if it contains a `HashSet` or a similar \
                     collection, backups fail at random; {REMEDY}",
                    field_path(&path)
                )),
                Unordered::Suspected(path, kind) => suspected.push(format!(
                    "`{}` is a `{kind}`, whose elements have no defined order, and the order in which it is \
                     serialized could not be tested; if the order changes, backups fail at random; {REMEDY}",
                    field_path(&path)
                )),
            }
        }
        (proven, suspected)
    }

    /// Returns the id of the Rust type.
    pub fn type_id(&self) -> TypeId {
        (self.type_id)()
    }

    /// Builds the schema. Each call traces the type again; [`EntityCodec`] stores the result.
    pub fn schema(&self) -> EntitySchema {
        self.declaration.schema()
    }
}

impl fmt::Debug for EntityDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntityDescriptor({} at {})", self.type_path(), self.location())
    }
}

/// Returns the first segment of a module path.
pub fn crate_of(module_path: &'static str) -> &'static str {
    module_path.split_once("::").map_or(module_path, |(root, _)| root)
}

/// A descriptor with its schema. All readers and writers of the entity share it.
#[derive(Clone, Debug)]
pub struct EntityCodec {
    descriptor: &'static EntityDescriptor,
    schema: Arc<EntitySchema>,
    /// The projection of the schema.
    fields: Arc<Projection>,
    /// Whether each field of the schema has a scalar value.
    is_of_scalars: bool,
    keys: KeyVisibility,
}

/// Whether errors and warnings show the keys of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyVisibility {
    Shown,
    Hidden,
}

impl EntityCodec {
    /// Creates the codec of an entity and traces its schema.
    pub fn new(descriptor: &'static EntityDescriptor) -> Self {
        let schema = descriptor.schema();
        let fields = Arc::new(Projection::of(&schema));
        let is_of_scalars = schema.has_only_scalars();
        Self { descriptor, schema: Arc::new(schema), fields, is_of_scalars, keys: KeyVisibility::Shown }
    }

    /// Returns the codec for encrypted records, whose keys are secret content and must not appear in errors
    /// and warnings.
    #[doc(hidden)]
    pub fn with_hidden_keys(self) -> Self {
        Self { keys: KeyVisibility::Hidden, ..self }
    }

    /// Returns whether errors may show the keys of records. Errors must not show the keys of encrypted
    /// records.
    pub fn shows_keys(&self) -> bool {
        self.keys == KeyVisibility::Shown
    }

    /// Formats the key of a row for an error: `id=7` or `order_id=1, line=2`.
    pub fn row_key(&self, row: &Row<'_>) -> String {
        self.key_text(row.key_parts())
    }

    /// Formats the key of a record for an error.
    pub fn record_key(&self, record: &Record) -> String {
        let parts = self.schema.key_fields();
        self.key_text(parts.map(|(index, field)| (field.name.as_str(), &record.values[index])))
    }

    /// Formats a key for an error, from the names and values of its fields.
    pub fn key_text<'v>(&self, parts: impl Iterator<Item = (&'v str, &'v Value<'v>)>) -> String {
        let part = |(name, value): (&str, &Value<'_>)| match self.keys {
            KeyVisibility::Shown => format!("{name}={}", KeyText(value)),
            KeyVisibility::Hidden => format!("{name}=(hidden)"),
        };
        parts.map(part).collect::<Vec<_>>().join(", ")
    }

    /// Returns the descriptor of the entity.
    pub fn descriptor(&self) -> &'static EntityDescriptor {
        self.descriptor
    }

    /// Checks that the type has the declared key, of a type that can be one, and that its fields have distinct names.
    #[doc(hidden)]
    pub fn check_declaration(&self) -> Result<()> {
        match self.descriptor.declaration.fault(&self.schema) {
            None => Ok(()),
            Some(fault) => Err(Error::new(
                ErrorKind::Configuration,
                format!("entity `{}` at {} is invalid: {fault}", self.name(), self.descriptor.location()),
            )),
        }
    }

    /// Returns the name of the entity in archives, reports and manifests.
    pub fn name(&self) -> &'static str {
        self.descriptor.name()
    }

    /// Returns the schema.
    pub fn schema(&self) -> &EntitySchema {
        &self.schema
    }

    /// Appends the line of a row, with its line feed. Returns the names of the values that the type does not
    /// serialize unchanged, for example because it has fewer digits, nested fields or variants than the
    /// column.
    ///
    /// # Errors
    /// The row does not decode as the type; `out` is then unchanged.
    pub fn encode<'r>(&self, row: &'r Row<'_>, out: &mut Vec<u8>) -> Result<Vec<&'r str>, RecordError> {
        self.guarded(|| (self.descriptor.encode)(row, &self.schema, out))
    }

    /// Appends the line of a row, with its line feed, if the line can be written from the values alone and
    /// round-trips through the type, which proves that the type serializes every value unchanged. `scratch`
    /// is overwritten.
    ///
    /// Returns `false` and leaves `out` unchanged if the caller must use [`encode`](Self::encode) instead.
    pub fn encode_fast(&self, row: &Row<'_>, out: &mut Vec<u8>, scratch: &mut Vec<u8>) -> bool {
        let tokens_round_trip = |line: &LineTokens<'_>| self.is_of_scalars && self.tokens_round_trip(line);
        codec::encode_fast(row, out, tokens_round_trip, |line| self.check_round_trip(line, scratch))
    }

    /// Returns whether a line of scalars is proven to round-trip. If it returns `false`, the general path
    /// must decide.
    fn tokens_round_trip(&self, line: &LineTokens<'_>) -> bool {
        self.guarded(|| Ok((self.descriptor.tokens_round_trip)(line))).unwrap_or(false)
    }

    /// Appends the line of a record with a line feed. Returns the values of its key fields.
    ///
    /// # Errors
    /// `T` is not the type of this entity, or the record cannot be written as JSON; `out` is then unchanged.
    pub fn write_record<T: Entity>(
        &self,
        record: &T,
        out: &mut Vec<u8>,
    ) -> Result<Vec<Value<'static>>, RecordError> {
        if self.descriptor.type_id() != TypeId::of::<T>() {
            return Err(RecordError::new("the type of the record is not the type of the entity"));
        }
        let start = out.len();
        let written = self.guarded(|| {
            codec::write_line(record, out)?;
            codec::key_values(&record.key(), &self.schema)
        });
        written.inspect_err(|_| out.truncate(start))
    }

    /// Returns the fields of a record as values.
    ///
    /// # Errors
    /// A field cannot be converted to a value.
    pub fn record<T: Entity>(&self, record: &T) -> Result<Record, RecordError> {
        self.guarded(|| codec::to_record(record, &self.schema))
    }

    /// Checks that a line can be deserialized as the type.
    ///
    /// # Errors
    /// The line cannot be deserialized.
    pub fn check(&self, line: &[u8]) -> Result<(), RecordError> {
        self.guarded(|| (self.descriptor.check)(line))
    }

    /// Returns whether a line round-trips: whether its decoded value serializes as exactly this line.
    /// `scratch` is overwritten.
    ///
    /// # Errors
    /// The line does not decode as the type.
    pub fn round_trips(&self, line: &[u8], scratch: &mut Vec<u8>) -> Result<bool, RecordError> {
        let tokens = self.is_of_scalars.then(|| LineTokens::scan(line, &self.fields)).flatten();
        if tokens.is_some_and(|tokens| self.tokens_round_trip(&tokens)) {
            return Ok(true);
        }
        self.guarded(|| Ok((self.descriptor.round_trip)(line, scratch)?.is_exact()))
    }

    /// Checks that a line round-trips: that its decoded value serializes as exactly this line. `scratch` is
    /// overwritten.
    ///
    /// # Errors
    /// The line does not decode as the type, or does not round-trip; the error contains the name of the field
    /// if it is known.
    pub fn check_round_trip(&self, line: &[u8], scratch: &mut Vec<u8>) -> Result<(), RecordError> {
        self.guarded(|| (self.descriptor.round_trip)(line, scratch)?.into_result(line, scratch))
    }

    /// Returns the values of the fields of a line, in order, without deserializing the type. The result is
    /// valid only for a line that is known to [round-trip](Self::round_trips). Returns `None` if the values
    /// depend on the type.
    pub fn extract_values<'l>(&self, line: &'l [u8]) -> Option<Vec<Value<'l>>> {
        codec::extract_values(line, &self.schema, &self.fields)
    }

    /// Returns the values of the fields of a line.
    ///
    /// # Errors
    /// The line cannot be deserialized as the type.
    pub fn decode(&self, line: &[u8]) -> Result<Record, RecordError> {
        self.guarded(|| (self.descriptor.decode)(line, &self.schema))
    }

    /// Runs a codec function, which calls `Serialize` and `Deserialize` of the application. A panic in them
    /// is returned as an error of the record. An error contains the name of a field only if the field may be
    /// shown.
    fn guarded<T>(&self, codec: impl FnOnce() -> Result<T, RecordError>) -> Result<T, RecordError> {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(codec));
        let result = result
            .unwrap_or_else(|_| Err(RecordError::new("`Serialize` or `Deserialize` of its type panicked")));
        result.map_err(|error| error.without_field_unless(|field| self.may_show_name(field)))
    }

    /// Returns the name of a field for an error or a warning: `name` for a declared field, and `*` for a name
    /// that is content of the record, for example a key of a flattened map.
    pub fn message_name<'n>(&self, name: &'n str) -> &'n str {
        if self.may_show_name(name) { name } else { "*" }
    }

    /// Returns whether a name, or the first name of a path, may be shown because it is not content of a
    /// record.
    fn may_show_name(&self, path: &str) -> bool {
        let is_first = |name: &str| {
            path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let is_open = self.schema.open || self.keys == KeyVisibility::Hidden;
        !is_open || path.starts_with('*') || self.schema.fields.iter().any(|field| is_first(&field.name))
    }
}
