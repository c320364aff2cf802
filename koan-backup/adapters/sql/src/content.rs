//! The data of an entity that a column holds.

use koan_backup_core::entity::EntityCodec;
use koan_backup_core::{Error, ErrorKind};

use super::conversion_error::ConversionError;
use super::coverage::is_bulky;

/// The data of an entity that a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// The field with this index.
    Field(usize),
    /// An entry of a flattened map, under the column's name.
    Extra,
}

impl Content {
    /// Returns whether the column holds a field of the key.
    pub fn is_key(self, entity: &EntityCodec) -> bool {
        match self {
            Self::Field(index) => entity.schema().fields[index].key,
            Self::Extra => false,
        }
    }

    /// Returns the index of the field if the column holds bytes that serde writes as a list of numbers.
    pub fn bulky_field(self, entity: &EntityCodec) -> Option<usize> {
        match self {
            Self::Field(index) => is_bulky(&entity.schema().fields[index]).then_some(index),
            Self::Extra => None,
        }
    }

    /// Returns the error for a value of a column that the field cannot hold. `key` is the key of the row.
    pub fn unreadable(self, entity: &EntityCodec, column: &str, key: &str, why: &ConversionError) -> Error {
        let what = match self {
            Self::Field(index) if entity.schema().fields[index].name != column => {
                format!("field `{}`: column `{column}`", entity.schema().fields[index].name)
            }
            _ => format!("column `{column}`"),
        };
        Error::new(ErrorKind::Record, format!("{} `{key}`: {what} {why}", entity.name()))
    }
}
