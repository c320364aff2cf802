//! The description of a database: its content, and how it maps to the entities.

use crate::foundation::id::SetName;

/// The content of a database, and how it maps to entities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderDescription {
    /// The version of the database, for example `SQLite 3.50.4`.
    pub version: String,
    /// The coverage of each requested entity, in the order of the request.
    pub entities: Vec<EntityCoverage>,
    /// Tables to which no entity maps, sorted.
    pub unmapped_tables: Vec<String>,
    /// The foreign keys between tables.
    pub foreign_keys: Vec<ForeignKey>,
    /// Settings of the provider that have no effect, each with the remedy. Example: an ignored table that
    /// does not exist.
    pub warnings: Vec<String>,
    /// Information about tables to which no entity maps.
    pub notes: Vec<String>,
}

/// The mapping of one entity to the database.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntityCoverage {
    /// The name of the entity.
    pub entity: String,
    /// The table of the entity, if there is one.
    pub table: Option<String>,
    /// How the table depends on another table, for example as a partition or through inheritance.
    pub relationship: Option<String>,
    /// The sets of the entity that exist, the default set first. Empty if there are none, or if the provider
    /// does not know them.
    pub sets: Vec<SetName>,
    /// Remarks that need no action.
    pub notes: Vec<String>,
    /// Why the entity cannot be read, with the remedy.
    pub problem: Option<String>,
    /// Columns of the table to which no field maps.
    pub unmapped_columns: Vec<String>,
    /// Fields that have no column.
    pub unmapped_fields: Vec<String>,
}

impl EntityCoverage {
    /// Returns the coverage of an entity without a table and without remarks.
    pub fn new(entity: impl Into<String>) -> Self {
        Self {
            entity: entity.into(),
            table: None,
            relationship: None,
            sets: Vec::new(),
            notes: Vec::new(),
            problem: None,
            unmapped_columns: Vec::new(),
            unmapped_fields: Vec::new(),
        }
    }
}

/// A foreign key between two tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignKey {
    /// The referencing table.
    pub table: String,
    /// The referenced table.
    pub parent: String,
}
