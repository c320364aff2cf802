//! The erased form of an entity's type: its declaration and its codec functions.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use super::declaration::EntityDeclaration;
use super::{Entity, PolicyDeclaration};
use crate::codec::{self, PlainRow, Projection, Record, RecordError, Row};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::{EntitySchema, Unordered};
use crate::value::{KeyText, Value};

type Encode = for<'r, 'v> fn(&'r Row<'v>, &EntitySchema, &mut Vec<u8>) -> Result<Vec<&'r str>, RecordError>;

/// The descriptor of an entity, built in a constant and registered in a distributed slice.
pub struct EntityDescriptor {
    declaration: EntityDeclaration,
    type_id: fn() -> TypeId,
    encode: Encode,
    check: fn(&[u8]) -> Result<(), RecordError>,
    is_written: fn(&[u8], &mut Vec<u8>) -> Result<bool, RecordError>,
    keeps: fn(&PlainRow<'_>) -> bool,
    prove: fn(&[u8], &mut Vec<u8>) -> Result<(), RecordError>,
    decode: fn(&[u8], &EntitySchema) -> Result<Record, RecordError>,
}

impl EntityDescriptor {
    /// Creates the descriptor of `T`. This is the only call in the expansion of the derive.
    pub const fn new<T: Entity>(declaration: EntityDeclaration) -> Self {
        Self {
            declaration,
            type_id: TypeId::of::<T>,
            encode: codec::encode::<T>,
            check: codec::check::<T>,
            is_written: codec::is_written::<T>,
            keeps: codec::keeps::<T>,
            prove: codec::prove::<T>,
            decode: codec::decode::<T>,
        }
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

    /// Returns messages about fields with lists whose elements have no defined order: the proven ones, and
    /// the suspected ones.
    pub(crate) fn unordered(&self) -> (Vec<String>, Vec<String>) {
        const REMEDY: &str =
            "use `BTreeSet` or `Vec`, or sort the elements with `#[serde(serialize_with = \"…\")]`";
        let (mut proven, mut suspected) = (Vec::new(), Vec::new());
        for (field, found) in self.declaration.unordered() {
            let field_path =
                |path: &str| format!("{}.{}", self.name(), format!("{field}{path}").trim_start_matches('.'));
            match found {
                Unordered::Proven(path) => proven.push(format!(
                    "`{}` writes its elements in another order each time, as a `HashSet` does, so that backups would fail by \
                     chance; {REMEDY}",
                        field_path(&path)
                )),
                Unordered::Suspected(path, kind) => suspected.push(format!(
                    "`{}` is a `{kind}`, which has no order of its own; whether it is written in the same order each time could \
                     not be tried; if not, backups fail by chance: {REMEDY}",
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

    /// Builds the schema. It is traced again by each call; [`EntityCodec`] keeps it.
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
pub(crate) fn crate_of(module_path: &'static str) -> &'static str {
    module_path.split_once("::").map_or(module_path, |(root, _)| root)
}

/// A descriptor with its schema, shared by everything that reads or writes the entity.
#[derive(Clone, Debug)]
pub struct EntityCodec {
    descriptor: &'static EntityDescriptor,
    schema: Arc<EntitySchema>,
    /// The projection of the schema, if all fields are scalars.
    scalars: Option<Arc<Projection>>,
    keys: KeyVisibility,
}

/// Whether errors and warnings show the keys of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyVisibility {
    Shown,
    Hidden,
}

impl EntityCodec {
    /// Creates the codec of an entity, and traces its schema.
    pub fn new(descriptor: &'static EntityDescriptor) -> Self {
        let schema = descriptor.schema();
        let scalars = schema.is_of_scalars().then(|| Arc::new(Projection::of(&schema)));
        Self { descriptor, schema: Arc::new(schema), scalars, keys: KeyVisibility::Shown }
    }

    /// Returns the codec for encrypted records: their keys are content and must not appear in errors and
    /// warnings.
    pub(crate) fn with_hidden_keys(self) -> Self {
        Self { keys: KeyVisibility::Hidden, ..self }
    }

    /// Returns whether errors may show the keys of records. They may not if the records are encrypted.
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

    /// Checks that the type has the declared key.
    pub(crate) fn check_key(&self) -> Result<()> {
        match self.descriptor.declaration.key_fault(&self.schema) {
            None => Ok(()),
            Some(fault) => Err(Error::new(
                ErrorKind::Configuration,
                format!("entity `{}` at {}: {fault}", self.name(), self.descriptor.location()),
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

    /// Appends the line of a row, with its line feed. Gives the names of the values that the type does not keep as they
    /// are: a digit, a nested field or a name that it does not know.
    ///
    /// # Errors
    /// The row does not decode as the type; `out` is then as it was.
    pub fn encode<'r>(&self, row: &'r Row<'_>, out: &mut Vec<u8>) -> Result<Vec<&'r str>, RecordError> {
        guarded(|| (self.descriptor.encode)(row, &self.schema, out))
    }

    /// Appends the line of a row, with its line feed, if the type keeps every value of the row as it is, and proves it: the line
    /// that the values make decodes as the type, and the type writes this very line again. `again` is scratch space.
    ///
    /// `false` leaves `out` as it was and says nothing: [`encode`](Self::encode) tells what there is to tell.
    pub fn encode_plain(&self, row: &Row<'_>, out: &mut Vec<u8>, again: &mut Vec<u8>) -> bool {
        let keeps = |row: &PlainRow<'_>| self.scalars.is_some() && self.keeps(row);
        codec::encode_plain(row, out, keeps, |line| self.prove(line, again))
    }

    /// Whether the plain line of a row of scalars decodes as the type, which writes this very line. `false` says nothing.
    fn keeps(&self, row: &PlainRow<'_>) -> bool {
        guarded(|| Ok((self.descriptor.keeps)(row))).unwrap_or(false)
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
            return Err(RecordError::new("it is of another type than the entity"));
        }
        let start = out.len();
        let written = guarded(|| {
            codec::write_line(record, out)?;
            codec::key_values(&record.key(), &self.schema)
        });
        written.inspect_err(|_| out.truncate(start))
    }

    /// The fields of a record as values.
    ///
    /// # Errors
    /// A field cannot be told as a value.
    pub fn record<T: Entity>(&self, record: &T) -> Result<Record, RecordError> {
        guarded(|| codec::to_record(record, &self.schema))
    }

    /// Checks that a line can be deserialized as the type.
    ///
    /// # Errors
    /// The line cannot be deserialized.
    pub fn check(&self, line: &[u8]) -> Result<(), RecordError> {
        guarded(|| (self.descriptor.check)(line))
    }

    /// Whether a line is what the type writes, as which it must decode; `again` is scratch space.
    ///
    /// # Errors
    /// It does not decode.
    pub fn is_written(&self, line: &[u8], again: &mut Vec<u8>) -> Result<bool, RecordError> {
        let scanned = self.scalars.as_ref().and_then(|fields| PlainRow::in_line(line, fields));
        let is_kept = scanned.is_some_and(|row| self.keeps(&row));
        if is_kept { Ok(true) } else { guarded(|| (self.descriptor.is_written)(line, again)) }
    }

    /// The values of the fields of a line of which it is known that it [is what the type writes](Self::is_written), in order;
    /// `None` where the type has to tell.
    pub fn written_values<'l>(&self, line: &'l [u8]) -> Option<Vec<Value<'l>>> {
        codec::written_values(line, &self.schema, self.scalars.as_deref())
    }

    /// Proves that a line decodes as the type, and that the type writes it again; `again` is scratch space.
    ///
    /// # Errors
    /// It does not.
    pub fn prove(&self, line: &[u8], again: &mut Vec<u8>) -> Result<(), RecordError> {
        guarded(|| (self.descriptor.prove)(line, again))
    }

    /// Returns the values of the fields of a line.
    ///
    /// # Errors
    /// The line cannot be deserialized as the type.
    pub fn decode(&self, line: &[u8]) -> Result<Record, RecordError> {
        guarded(|| (self.descriptor.decode)(line, &self.schema))
    }
}

/// Calls the application's `Serialize` and `Deserialize`. A panic in them becomes an error of the record.
fn guarded<T>(codec: impl FnOnce() -> Result<T, RecordError>) -> Result<T, RecordError> {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(codec));
    result.unwrap_or_else(|_| Err(RecordError::new("its type's `Serialize` or `Deserialize` panicked")))
}
