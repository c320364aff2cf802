//! The rows that adapters read: values, and the fields that the values belong to.

use crate::foundation::canonical::push_text;
use crate::foundation::schema::{EntitySchema, FieldSchema, LogicalType, WireForm};
use crate::foundation::value::Value;

/// The description of one value of a row: the field that the value belongs to.
#[derive(Clone, Debug)]
pub struct Slot {
    name: String,
    /// The JSON text of the name with a colon, which precedes the value in a line.
    quoted_name: Vec<u8>,
    logical: LogicalType,
    wire: WireForm,
    is_scalar: bool,
    key: bool,
    /// The names of the untyped members, if the other members of the JSON object are typed. `None` if no
    /// member is typed.
    untyped_members: Option<Vec<String>>,
}

/// Which members and elements of a JSON value are typed. In a typed member, a number is equal to its text,
/// because the type determines which of the two it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum MemberTyping<'a> {
    /// No member or element is typed: all of them are arbitrary JSON.
    Any,
    /// All members and elements are typed, except for these members of the outer object.
    Typed(&'a [String]),
}

/// The description of the values of a row, in their order. A read builds one projection, and all its rows
/// share the projection.
#[derive(Clone, Debug, Default)]
pub struct Projection {
    slots: Vec<Slot>,
    /// Whether NULL values are omitted, because each row contains the fields of one variant of an enum.
    omit_null: bool,
}

/// A row: one value for each slot of its projection.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The fields that the values belong to.
    pub projection: &'a Projection,
    /// The values, as many as the projection has slots.
    pub values: &'a [Value<'a>],
}

impl Slot {
    /// Returns the serde name of the field.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns which members and elements of a JSON value in this slot are typed.
    pub(super) fn member_typing(&self) -> MemberTyping<'_> {
        self.untyped_members.as_deref().map_or(MemberTyping::Any, MemberTyping::Typed)
    }

    pub(super) fn quoted_name(&self) -> &[u8] {
        &self.quoted_name
    }

    pub(super) fn logical(&self) -> &LogicalType {
        &self.logical
    }

    pub(super) fn wire(&self) -> WireForm {
        self.wire
    }

    /// Returns whether serde serializes the field as one value rather than as a list or a structure.
    pub(super) fn is_scalar(&self) -> bool {
        self.is_scalar
    }
}

impl Projection {
    /// Creates a projection without slots, for rows of `schema`.
    pub fn new(schema: &EntitySchema) -> Self {
        Self { slots: Vec::new(), omit_null: schema.variants }
    }

    /// Creates a projection with a slot for each field of `schema`, in order.
    pub fn of(schema: &EntitySchema) -> Self {
        let mut projection = Self::new(schema);
        schema.fields.iter().for_each(|field| projection.field(field));
        projection
    }

    /// Appends a slot for a field.
    pub fn field(&mut self, field: &FieldSchema) {
        self.slots.push(Slot {
            name: field.name.clone(),
            quoted_name: quoted_name(&field.name),
            logical: field.logical.clone(),
            wire: field.wire,
            is_scalar: field.is_scalar(),
            key: field.key,
            untyped_members: None,
        });
    }

    /// Appends a slot for a column that does not belong to a field and becomes an entry of a flattened map.
    pub fn extra(&mut self, name: impl Into<String>) {
        let name = name.into();
        self.slots.push(Slot {
            quoted_name: quoted_name(&name),
            name,
            logical: LogicalType::Json,
            wire: WireForm::Plain,
            is_scalar: false,
            key: false,
            untyped_members: None,
        });
    }

    /// Declares that the members of the JSON value in the last slot are typed, like the fields of a composite
    /// database type. A number and its text are then the same value, except in the members `untyped`, which
    /// contain arbitrary JSON.
    pub fn typed_parts(&mut self, untyped: Vec<String>) {
        if let Some(slot) = self.slots.last_mut() {
            slot.untyped_members = Some(untyped);
        }
    }

    /// Returns whether lines omit NULL values. Such a line does not show whether a field is NULL or belongs
    /// to another variant.
    pub(super) fn omits_null(&self) -> bool {
        self.omit_null
    }

    /// Returns the slots in order.
    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Returns the index of a slot by its name. The slot at the index `expected` is compared first.
    pub(super) fn position_from(&self, expected: usize, name: &str) -> Option<usize> {
        let is_expected = self.slots.get(expected).is_some_and(|slot| slot.name == name);
        if is_expected { Some(expected) } else { self.slots.iter().position(|slot| slot.name == name) }
    }

    /// Returns the number of slots.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns whether there are no slots.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

impl<'a> Row<'a> {
    /// Returns all names and values except the first `count`. In the row of a record, the values after the
    /// fields of the schema are the entries of a flattened map.
    pub fn behind(&self, count: usize) -> impl Iterator<Item = (&'a str, &'a Value<'a>)> + Clone {
        let names = self.projection.slots.iter().map(|slot| slot.name.as_str());
        names.zip(self.values).skip(count)
    }

    /// Returns the names of the JSON values whose text was changed when they were written to `line`.
    #[doc(hidden)]
    pub fn rewritten_json<'l>(&self, line: &'l [u8]) -> impl Iterator<Item = &'a str> + use<'a, 'l> {
        self.slots_and_values().filter_map(move |(slot, value)| match value {
            Value::Json(text) => {
                let unchanged_text = [&slot.quoted_name, text.as_bytes()].concat();
                memchr::memmem::find(line, &unchanged_text).is_none().then_some(slot.name.as_str())
            }
            _ => None,
        })
    }

    /// Returns the name and the size in bytes of the largest value.
    #[doc(hidden)]
    pub fn largest(&self) -> Option<(String, usize)> {
        let sizes = self.slots_and_values().map(|(slot, value)| (slot.name.clone(), size_bytes(value)));
        sizes.max_by_key(|(_, bytes)| *bytes)
    }

    /// Returns the values of the key.
    #[doc(hidden)]
    pub fn key(&self) -> impl Iterator<Item = &'a Value<'a>> {
        self.key_parts().map(|(_, value)| value)
    }

    /// Returns the names and values of the key.
    pub(crate) fn key_parts(&self) -> impl Iterator<Item = (&'a str, &'a Value<'a>)> {
        let key = self.slots_and_values().filter(|(slot, _)| slot.key);
        key.map(|(slot, value)| (slot.name.as_str(), value))
    }

    fn slots_and_values(&self) -> impl Iterator<Item = (&'a Slot, &'a Value<'a>)> + use<'a> {
        self.projection.slots.iter().zip(self.values)
    }
}

/// Returns the length of a value that can be large, and 0 for any other value.
fn size_bytes(value: &Value<'_>) -> usize {
    match value {
        Value::Str(text) | Value::Json(text) | Value::Decimal(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    }
}

/// Returns the JSON text of the name of a field with a colon, which precedes the value in a line.
fn quoted_name(name: &str) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(name.len() + 3);
    push_text(name, &mut quoted);
    quoted.push(b':');
    quoted
}
