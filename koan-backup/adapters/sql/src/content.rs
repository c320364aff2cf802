//! What a column contains for an entity: a field, or an entry of a flattened map.

use koan_backup_core::entity::EntityCodec;
use koan_backup_core::{Error, ErrorKind};

use super::conversion_error::ConversionError;
use super::coverage::is_byte_list;

/// What a column contains for an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// The field with this index in the schema.
    Field(usize),
    /// An entry of a flattened map. The name of the column is the key of the entry.
    Extra,
}

impl Content {
    /// Returns whether the column contains a field of the entity's key.
    pub fn is_key(self, entity: &EntityCodec) -> bool {
        match self {
            Self::Field(index) => entity.schema().fields[index].key,
            Self::Extra => false,
        }
    }

    /// Returns the index of the field if the field contains a variable number of bytes, which serde writes as
    /// a list of numbers.
    pub fn byte_list_field(self, entity: &EntityCodec) -> Option<usize> {
        match self {
            Self::Field(index) => is_byte_list(&entity.schema().fields[index]).then_some(index),
            Self::Extra => None,
        }
    }

    /// Returns the error for a value of a column that cannot be converted to a value of the field. `key` is
    /// the key of the row.
    pub fn unreadable(
        self,
        entity: &EntityCodec,
        column: &str,
        key: &str,
        reason: &ConversionError,
    ) -> Error {
        let location = match self {
            Self::Field(index) if entity.schema().fields[index].name != column => {
                format!("field `{}`: column `{column}`", entity.schema().fields[index].name)
            }
            _ => format!("column `{column}`"),
        };
        Error::new(ErrorKind::Record, format!("{} `{key}`: {location} {reason}", entity.name()))
    }
}
