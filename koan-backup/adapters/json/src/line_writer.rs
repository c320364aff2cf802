//! Writes records as lines.

use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::{EntityCodec, Projection, Record, Row},
    value::Value,
};

/// A writer that converts records to lines with the serde implementation of their type.
#[derive(Debug)]
pub(super) struct RecordLineWriter {
    codec: EntityCodec,
    /// A projection of all fields.
    fields: Projection,
}

impl RecordLineWriter {
    pub(super) fn new(codec: EntityCodec) -> Self {
        let mut fields = Projection::new(codec.schema());
        codec.schema().fields.iter().for_each(|field| fields.field(field));
        Self { codec, fields }
    }

    /// Returns the line of a record, with its line feed.
    ///
    /// # Errors
    /// Returns an error with entity and key if the type refuses the record.
    pub(super) fn line(&self, record: &Record) -> Result<Vec<u8>> {
        let fields = &self.codec.schema().fields;
        // The type omitted the field when it was serialized, for example because of `skip_serializing_if`.
        // The field must be omitted again, because a field that is not an `Option` refuses null.
        let is_omitted = |(field, value): (&koan_backup_core::schema::FieldSchema, &Value<'_>)| {
            value.is_null() && !field.nullable && !field.required
        };
        let mut line = Vec::new();
        let written = if record.extra.is_empty() && !fields.iter().zip(&record.values).any(is_omitted) {
            let row = Row { projection: &self.fields, values: &record.values };
            self.codec.encode(&row, &mut line).map(drop)
        } else {
            let mut projection = Projection::new(self.codec.schema());
            let mut values: Vec<Value<'_>> = Vec::with_capacity(fields.len() + record.extra.len());
            for (field, value) in fields.iter().zip(&record.values) {
                if !is_omitted((field, value)) {
                    projection.field(field);
                    values.push(value.clone());
                }
            }
            for (name, value) in &record.extra {
                projection.extra(name);
                values.push(value.clone());
            }
            self.codec.encode(&Row { projection: &projection, values: &values }, &mut line).map(drop)
        };
        written.map_err(|error| {
            let text = format!(
                "{} `{}` cannot be written as JSON by its type; check that `Serialize` and `Deserialize` are \
                 inverses of each other",
                self.codec.name(),
                self.codec.record_key(record)
            );
            Error::with_source(ErrorKind::Record, text, error)
        })?;
        Ok(line)
    }
}
