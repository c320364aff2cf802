//! JSON `null` and NULL in one column, which a record holds as one and the same `null`.

use std::collections::BTreeMap;

use koan_backup_core::{Error, ErrorKind, Result, entity::EntityCodec};

use super::super::mapping::{Mapping, Place};
use super::super::null_form::{NullForms, NullRecorder};

/// What each column was seen to hold where a record holds `null`; `None` where only NULL is `null`.
#[derive(Debug)]
pub(super) struct JsonNulls(Vec<Option<NullRecorder>>);

/// What was seen of all columns, for the archive.
#[derive(Debug, Default)]
pub(in super::super) struct SeenNulls {
    /// By the name of the field, or of the column of a flattened map.
    pub(in super::super) forms: BTreeMap<String, NullForms>,
    /// What another kind of database does not keep.
    pub(in super::super) not_kept_elsewhere: Vec<String>,
}

impl JsonNulls {
    pub(super) fn new(mapping: &Mapping) -> Self {
        let recorder = |place: &Place| place.column_type.has_json_nulls().then(NullRecorder::default);
        Self(mapping.places.iter().map(recorder).collect())
    }

    /// Notes what a column holds in the next row.
    #[inline]
    pub(super) fn note(&mut self, mapping: &Mapping, index: usize, bytes: Option<&[u8]>) {
        if let Some(recorder) = &mut self.0[index] {
            mapping.places[index].column_type.note_nulls(bytes, recorder);
        }
    }

    /// Refuses a column whose `null`s are more mixed than an archive can record.
    pub(super) fn check(&self, entity: &EntityCodec, mapping: &Mapping) -> Result<()> {
        let mut places = mapping.places.iter().zip(&self.0);
        let refused = places.find(|(_, recorder)| recorder.as_ref().is_some_and(NullRecorder::is_overflowed));
        refused.map_or(Ok(()), |(place, _)| Err(too_mixed(entity, mapping, place)))
    }

    /// Ends the read.
    pub(super) fn finish(self, entity: &EntityCodec, mapping: &Mapping) -> Result<SeenNulls> {
        let mut seen = SeenNulls::default();
        for (place, recorder) in mapping.places.iter().zip(self.0) {
            let Some(recorder) = recorder else { continue };
            let recorded = recorder.finish().map_err(|_| too_mixed(entity, mapping, place))?;
            let Some(recorded) = recorded else { continue };
            let (column, table) = (&place.column.name, &mapping.table.shown);
            if !(place.column.not_null && place.column_type.merges_json_null()) {
                seen.not_kept_elsewhere.push(format!(
                    "column `{column}` of table `{table}` held JSON `null`, which a record cannot tell from NULL and only a restore into \
                     PostgreSQL brings back: it becomes no value"
                ));
            }
            seen.forms.insert(place.name(entity).to_owned(), recorded);
        }
        Ok(seen)
    }
}

fn too_mixed(entity: &EntityCodec, mapping: &Mapping, place: &Place) -> Error {
    let remedy = match place.column_type.merges_json_null() {
        true => "make all of them NULL, or make the column NOT NULL",
        false => "use only one of the two in its lists",
    };
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "{}: column `{}` of table `{}` changes between NULL and JSON `null`, which a record cannot tell from each other, more \
             often than an archive can record; {remedy}",
            entity.name(),
            place.column.name,
            mapping.table.shown
        ),
    )
}
