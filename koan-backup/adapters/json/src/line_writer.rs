//! The line that a record is written as.

use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::{EntityCodec, Projection, Record, Row},
    value::Value,
};

/// Writes records as their type does.
#[derive(Debug)]
pub(super) struct LineWriter {
    codec: EntityCodec,
    /// All the fields.
    fields: Projection,
}

impl LineWriter {
    pub(super) fn new(codec: EntityCodec) -> Self {
        let mut fields = Projection::new(codec.schema());
        codec.schema().fields.iter().for_each(|field| fields.field(field));
        Self { codec, fields }
    }

    /// The line of a record, with its line feed.
    ///
    /// # Errors
    /// Its type refuses it: entity and key are named.
    pub(super) fn line(&self, record: &Record) -> Result<Vec<u8>> {
        let fields = &self.codec.schema().fields;
        // What the type did not write was its default; a field that is no option would refuse to be null.
        let is_left_out = |(field, value): (&koan_backup_core::schema::FieldSchema, &Value<'_>)| {
            value.is_null() && !field.nullable && !field.required
        };
        let mut line = Vec::new();
        let written = if record.extra.is_empty() && !fields.iter().zip(&record.values).any(is_left_out) {
            let row = Row { projection: &self.fields, values: &record.values };
            self.codec.encode(&row, &mut line).map(drop)
        } else {
            let mut projection = Projection::new(self.codec.schema());
            let mut values: Vec<Value<'_>> = Vec::with_capacity(fields.len() + record.extra.len());
            for (field, value) in fields.iter().zip(&record.values) {
                if !is_left_out((field, value)) {
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
                "{} `{}` cannot be written as JSON by its type; see that `Serialize` and `Deserialize` are inverse",
                self.codec.name(),
                self.codec.record_key(record)
            );
            Error::with_source(ErrorKind::Record, text, error)
        })?;
        Ok(line)
    }
}
