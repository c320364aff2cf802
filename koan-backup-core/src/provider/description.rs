//! What a database holds, seen from the entities.

/// What a database holds, and how it maps to entities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderDescription {
    /// The version of the database: `SQLite 3.50.4`.
    pub version: String,
    /// One for each entity that was asked about, in that order.
    pub entities: Vec<EntityCoverage>,
    /// Tables that no entity maps to, sorted.
    pub unmapped_tables: Vec<String>,
    /// Foreign keys between tables.
    pub foreign_keys: Vec<ForeignKey>,
    /// Settings of the provider that do nothing, each with the remedy: an ignored table that does not exist.
    pub warnings: Vec<String>,
    /// What is worth knowing of tables that are in no entity.
    pub notes: Vec<String>,
}

/// How one entity maps to the database.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntityCoverage {
    /// The entity.
    pub entity: String,
    /// Its table, if there is one.
    pub table: Option<String>,
    /// How its table belongs to another one, if it does: a partition of it, or inherits from it.
    pub belongs: Option<String>,
    /// What could be better and needs nothing to be done.
    pub notes: Vec<String>,
    /// Why it cannot be read, with the remedy.
    pub problem: Option<String>,
    /// Columns of the table that are in no field.
    pub unmapped_columns: Vec<String>,
    /// Fields that have no column.
    pub unmapped_fields: Vec<String>,
}

impl EntityCoverage {
    /// An entity of which nothing is known yet.
    pub fn new(entity: impl Into<String>) -> Self {
        Self {
            entity: entity.into(),
            table: None,
            belongs: None,
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
    /// The table that refers.
    pub table: String,
    /// The table referred to.
    pub parent: String,
}
