//! The physical form of a table, which an archive records in addition to the records.

use std::collections::BTreeMap;

use koan_backup_core::{
    entity::EntityCodec,
    provider::{ReadSummary, RestoreTarget},
};
use serde::{Deserialize, Serialize};

use super::mapping::Mapping;
use super::null_form::{NullForms, RecordedNulls};
use super::sequence::SequenceState;

/// The physical form of a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PhysicalForm {
    /// The fields without a column. In the records, they have the default value of serde.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) fields_without_column: Vec<String>,
    /// Fields, or columns of a flattened map, whose `null` was always JSON `null`. Only archives of earlier
    /// versions contain this list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) json_null: Vec<String>,
    /// For each field, or column of a flattened map: which of its `null`s were JSON `null` instead of NULL.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) null_forms: BTreeMap<String, NullForms>,
    /// Descriptions of the values that another kind of database cannot store. Restores read them by [the
    /// name](koan_backup_core::provider::NOT_KEPT_ELSEWHERE) of this field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) not_kept_elsewhere: Vec<String>,
    /// The sequences that the table uses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) sequences: Vec<SequenceState>,
}

impl PhysicalForm {
    /// Returns the sequences that an archive recorded for a target.
    pub(super) fn sequences_of(target: &RestoreTarget) -> Vec<SequenceState> {
        let physical = target.physical.as_ref().and_then(|json| Self::deserialize(json).ok());
        physical.map_or_else(Vec::new, |physical| physical.sequences)
    }
}

/// Adds the physical form and its warnings to the summary of a read.
pub(super) fn report(
    entity: &EntityCodec,
    mapping: &Mapping,
    nulls: RecordedNulls,
    sequences: Vec<SequenceState>,
    summary: &mut ReadSummary,
) {
    let fields = &entity.schema().fields;
    let fields_without_column: Vec<String> =
        mapping.unmapped_fields.iter().map(|&field| fields[field].name.clone()).collect();
    for field in &fields_without_column {
        summary.warnings.push(format!(
            "field `{field}` of {} has no column in table `{}`; the records in the archive have its default \
             value",
            entity.name(),
            mapping.table.display_name,
        ));
    }
    let physical = PhysicalForm {
        fields_without_column,
        json_null: Vec::new(),
        null_forms: nulls.forms,
        not_kept_elsewhere: nulls.not_kept_elsewhere,
        sequences,
    };
    summary.physical = serde_json::to_value(physical).ok();
}
