//! Records whether each `null` of a column is NULL or JSON `null`, because both are `null` in a record.

use koan_backup_core::{Error, ErrorKind, Result, entity::EntityCodec};

use super::super::mapping::{MappedColumn, Mapping};
use super::super::null_form::{NullRecorder, RecordedNulls};

/// The recorders of all columns; `None` for a column that cannot contain JSON `null`.
#[derive(Debug)]
pub(super) struct JsonNullRecorder(Vec<Option<NullRecorder>>);

impl JsonNullRecorder {
    pub(super) fn new(mapping: &Mapping) -> Self {
        let recorder =
            |mapped: &MappedColumn| mapped.column_type.has_json_nulls().then(NullRecorder::default);
        Self(mapping.columns.iter().map(recorder).collect())
    }

    /// Adds the value of a column in the next row.
    #[inline]
    pub(super) fn record(&mut self, mapping: &Mapping, index: usize, bytes: Option<&[u8]>) {
        if let Some(recorder) = &mut self.0[index] {
            mapping.columns[index].column_type.record_nulls(bytes, recorder);
        }
    }

    /// Fails if a column alternates between NULL and JSON `null` more often than an archive can record.
    pub(super) fn check(&self, entity: &EntityCodec, mapping: &Mapping) -> Result<()> {
        let mut columns = mapping.columns.iter().zip(&self.0);
        let exceeds_limits =
            columns.find(|(_, recorder)| recorder.as_ref().is_some_and(NullRecorder::exceeds_limits));
        exceeds_limits.map_or(Ok(()), |(mapped, _)| Err(alternates_too_often(entity, mapping, mapped)))
    }

    /// Returns the recorded forms.
    pub(super) fn finish(self, entity: &EntityCodec, mapping: &Mapping) -> Result<RecordedNulls> {
        let mut recorded_nulls = RecordedNulls::default();
        for (mapped, recorder) in mapping.columns.iter().zip(self.0) {
            let Some(recorder) = recorder else { continue };
            let recorded = recorder.finish().map_err(|_| alternates_too_often(entity, mapping, mapped))?;
            let Some(recorded) = recorded else { continue };
            let (column, table) = (&mapped.column.name, &mapping.table.display_name);
            if !(mapped.column.not_null && mapped.column_type.reads_json_null_as_null()) {
                recorded_nulls.not_kept_elsewhere.push(format!(
                    "column `{column}` of table `{table}` contained JSON `null`, which is the same as NULL in a \
                     record; only a restore into PostgreSQL writes it as JSON `null` again"
                ));
            }
            recorded_nulls.forms.insert(mapped.field_name(entity).to_owned(), recorded);
        }
        Ok(recorded_nulls)
    }
}

fn alternates_too_often(entity: &EntityCodec, mapping: &Mapping, mapped: &MappedColumn) -> Error {
    let remedy = match mapped.column_type.reads_json_null_as_null() {
        true => "replace JSON `null` with NULL, or make the column NOT NULL",
        false => "use either only NULL or only JSON `null` in the lists of the column",
    };
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "{}: column `{}` of table `{}` alternates between NULL and JSON `null` more often than an archive \
             can record, and a record cannot distinguish them; {remedy}",
            entity.name(),
            mapped.column.name,
            mapping.table.display_name
        ),
    )
}
