//! Documents as rows of an entity.

use koan_backup_core::{
    entity::{EntityCodec, Projection, Record, RecordError, Row},
    value::Value,
};

use super::document::{Document, Fault};
use super::value::value;
use koan_backup_core::provider::keyed::RecordKey;

/// Makes rows of documents. Those that follow one another mostly have the same names, so that is worked out once.
#[derive(Debug)]
pub(super) struct Rows {
    codec: EntityCodec,
    names: Vec<String>,
    projection: Projection,
    /// For each place of the projection, where it is in the document and in the schema.
    places: Vec<(usize, Option<usize>)>,
}

/// Why a document is no record of its type.
#[derive(Debug)]
pub(super) enum NoRecord {
    Fault(Fault),
    Refused(RecordError),
}

impl From<Fault> for NoRecord {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<RecordError> for NoRecord {
    fn from(error: RecordError) -> Self {
        Self::Refused(error)
    }
}

impl Rows {
    pub(super) fn new(codec: EntityCodec) -> Self {
        Self { codec, names: Vec::new(), projection: Projection::default(), places: Vec::new() }
    }

    pub(super) fn codec(&self) -> &EntityCodec {
        &self.codec
    }

    /// The places and values of a document: its fields in the order of the schema, then what is in none. What is not there
    /// is left out, so that serde's defaults apply.
    pub(super) fn row<'r, 'd>(
        &'r mut self,
        document: &Document<'d>,
    ) -> Result<(&'r Projection, Vec<Value<'d>>), Fault> {
        if !self.names.iter().map(String::as_str).eq(document.entries.iter().map(|(name, _)| name.as_ref())) {
            self.learn(document);
        }
        let fields = &self.codec.schema().fields;
        let value = |(at, field): &(usize, Option<usize>)| {
            let (name, raw) = &document.entries[*at];
            value(raw, field.map(|field| &fields[field])).map_err(|mut fault| {
                // Names of fields are known; others may be content.
                if field.is_some() {
                    fault.problem = format!("`{name}` {}", fault.problem);
                }
                fault
            })
        };
        let values = self.places.iter().map(value).collect::<Result<_, _>>()?;
        Ok((&self.projection, values))
    }

    /// The record that a document is, and its line as its type writes it.
    pub(super) fn record(&mut self, document: &Document<'_>) -> Result<(Record, Vec<u8>), NoRecord> {
        let codec = self.codec.clone();
        let (projection, values) = self.row(document)?;
        let mut line = Vec::new();
        let row = Row { projection, values: &values };
        codec.encode(&row, &mut line)?;
        line.pop();
        Ok((codec.decode(&line)?, line))
    }

    /// The key among the values of the last row, as they are written; `None` if a part of it is not there.
    pub(super) fn written_key(&self, values: &[Value<'_>]) -> Option<RecordKey> {
        let part = |index: usize| {
            let at = self.places.iter().position(|(_, field)| *field == Some(index))?;
            values.get(at).cloned()
        };
        let parts: Option<Vec<_>> = self.codec.schema().key_fields().map(|(index, _)| part(index)).collect();
        parts.map(|parts| RecordKey::of_values(&parts))
    }

    fn learn(&mut self, document: &Document<'_>) {
        let schema = self.codec.schema();
        self.names = document.entries.iter().map(|(name, _)| name.clone().into_owned()).collect();
        let mut places: Vec<(usize, Option<usize>)> =
            self.names.iter().enumerate().map(|(at, name)| (at, schema.position(name))).collect();
        places.sort_by_key(|(at, field)| (field.unwrap_or(usize::MAX), *at));
        // Not of the schema: a variant's fields that are null are written as that.
        let mut projection = Projection::default();
        for (at, field) in &places {
            match field {
                Some(field) => projection.field(&schema.fields[*field]),
                None => projection.extra(&self.names[*at]),
            }
        }
        (self.projection, self.places) = (projection, places);
    }
}
