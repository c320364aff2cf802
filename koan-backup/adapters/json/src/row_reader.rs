//! Converts documents to rows of an entity.

use koan_backup_core::{
    entity::{EntityCodec, Projection, Record, RecordError, Row},
    value::Value,
};

use super::document::{Document, DocumentError};
use super::value::value;
use koan_backup_core::provider::keyed::RecordKey;

/// A converter from documents to rows. It computes the projection only when the names differ from those of
/// the previous document, because most documents have the same names.
#[derive(Debug)]
pub(super) struct RowReader {
    codec: EntityCodec,
    names: Vec<String>,
    projection: Projection,
    /// For each column of the projection, its index in the document and in the schema.
    columns: Vec<(usize, Option<usize>)>,
}

/// The reason why a document is not a record of its type.
#[derive(Debug)]
pub(super) enum InvalidDocument {
    Document(DocumentError),
    Conversion(RecordError),
}

impl From<DocumentError> for InvalidDocument {
    fn from(error: DocumentError) -> Self {
        Self::Document(error)
    }
}

impl From<RecordError> for InvalidDocument {
    fn from(error: RecordError) -> Self {
        Self::Conversion(error)
    }
}

impl RowReader {
    pub(super) fn new(codec: EntityCodec) -> Self {
        Self { codec, names: Vec::new(), projection: Projection::default(), columns: Vec::new() }
    }

    pub(super) fn codec(&self) -> &EntityCodec {
        &self.codec
    }

    /// Returns the projection and the values of a document: fields in the order of the schema, then other
    /// names. Missing fields are omitted, so that serde's defaults apply.
    pub(super) fn row<'r, 'd>(
        &'r mut self,
        document: &Document<'d>,
    ) -> Result<(&'r Projection, Vec<Value<'d>>), DocumentError> {
        if !self.names.iter().map(String::as_str).eq(document.entries.iter().map(|(name, _)| name.as_ref())) {
            self.update_projection(document);
        }
        let fields = &self.codec.schema().fields;
        let value = |(entry, field): &(usize, Option<usize>)| {
            let (name, raw) = &document.entries[*entry];
            value(raw, field.map(|field| &fields[field])).map_err(|mut error| {
                // The names of fields are public; other names may be secret.
                if field.is_some() {
                    error.problem = format!("`{name}` {}", error.problem);
                }
                error
            })
        };
        let values = self.columns.iter().map(value).collect::<Result<_, _>>()?;
        Ok((&self.projection, values))
    }

    /// Returns the record of a document, and the line that the type writes for this record.
    pub(super) fn record(&mut self, document: &Document<'_>) -> Result<(Record, Vec<u8>), InvalidDocument> {
        let codec = self.codec.clone();
        let (projection, values) = self.row(document)?;
        let mut line = Vec::new();
        let row = Row { projection, values: &values };
        codec.encode(&row, &mut line)?;
        line.pop();
        Ok((codec.decode(&line)?, line))
    }

    /// Returns the key from the values of the last row, without decoding the record. Returns `None` if a
    /// component of the key is missing.
    pub(super) fn written_key(&self, values: &[Value<'_>]) -> Option<RecordKey> {
        let component = |index: usize| {
            let column = self.columns.iter().position(|(_, field)| *field == Some(index))?;
            values.get(column).cloned()
        };
        let components: Option<Vec<_>> =
            self.codec.schema().key_fields().map(|(index, _)| component(index)).collect();
        components.map(|components| RecordKey::of_values(&components))
    }

    fn update_projection(&mut self, document: &Document<'_>) {
        let schema = self.codec.schema();
        self.names = document.entries.iter().map(|(name, _)| name.clone().into_owned()).collect();
        let mut columns: Vec<(usize, Option<usize>)> =
            self.names.iter().enumerate().map(|(entry, name)| (entry, schema.position(name))).collect();
        columns.sort_by_key(|(entry, field)| (field.unwrap_or(usize::MAX), *entry));
        // `Projection::new` is not used: it would omit null values of an enum variant, but a document
        // contains only the fields of its variant.
        let mut projection = Projection::default();
        for (entry, field) in &columns {
            match field {
                Some(field) => projection.field(&schema.fields[*field]),
                None => projection.extra(&self.names[*entry]),
            }
        }
        (self.projection, self.columns) = (projection, columns);
    }
}
