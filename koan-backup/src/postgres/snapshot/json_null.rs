//! JSON `null` and NULL in one column, which a record holds as one and the same `null`.

use koan_backup_core::EntityCodec;

use super::super::mapping::{Content, Mapping};
use crate::sql::misfit::Misfit;

/// What each column was seen to hold where a record holds `null`.
#[derive(Debug)]
pub(super) struct JsonNulls(Vec<Seen>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// The column is not JSON, so that only NULL is `null`.
    NotJson,
    Neither,
    Null,
    JsonNull,
}

impl JsonNulls {
    pub(super) fn new(mapping: &Mapping) -> Self {
        let seen = |place: &super::super::mapping::Place| match place.column_type.merges_json_null() {
            true => Seen::Neither,
            false => Seen::NotJson,
        };
        Self(mapping.places.iter().map(seen).collect())
    }

    /// Looks at a value of a column. A column that holds both cannot be restored as it is.
    #[inline]
    pub(super) fn look(
        &mut self,
        mapping: &Mapping,
        index: usize,
        bytes: Option<&[u8]>,
    ) -> Result<(), Misfit> {
        let seen = &mut self.0[index];
        if *seen == Seen::NotJson {
            return Ok(());
        }
        let is = match bytes {
            None => Seen::Null,
            Some(bytes) if mapping.places[index].column_type.is_json_null(bytes) => Seen::JsonNull,
            Some(_) => return Ok(()),
        };
        if *seen != Seen::Neither && *seen != is {
            return Err(Misfit::new(
                "holds NULL in some rows and JSON `null` in others, which a record cannot tell from each other; make all of them \
                 NULL, or make the column NOT NULL",
            ));
        }
        *seen = is;
        Ok(())
    }

    /// The names of the fields, or columns of a flattened map, whose `null` is JSON `null`.
    pub(super) fn names(&self, entity: &EntityCodec, mapping: &Mapping) -> Vec<String> {
        let places = mapping.places.iter().zip(&self.0).filter(|(_, seen)| **seen == Seen::JsonNull);
        let name = |place: &super::super::mapping::Place| match place.content {
            Content::Field(field) => entity.schema().fields[field].name.clone(),
            Content::Extra => place.column.name.clone(),
        };
        places.map(|(place, _)| name(place)).collect()
    }
}
