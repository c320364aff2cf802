//! The tables, columns and types of a database, read from PostgreSQL's catalog.

mod queries;

use std::collections::BTreeMap;

use koan_backup_core::Result;
use tokio_postgres::Row;
use tokio_postgres::types::Oid;

use self::queries::{COLUMNS, PARENTS, REFERENCES, SCHEMAS, TABLES, TYPES, UNIQUE};
use super::composite::{COMPOSITES, Composite, MEMBERS, Member};
use super::connection::Connection;
use super::enumeration;
use super::error::failed;
use super::types::{StoredType, TypeRow};
use koan_backup_sql::identifier::{listed, quoted};

/// All tables and views of the database, except those of PostgreSQL itself and of extensions.
#[derive(Clone, Debug, Default)]
pub(super) struct Catalog {
    /// The tables, ordered by schema and name.
    pub(super) tables: Vec<Table>,
    /// The schemas in which names without a schema are searched.
    pub(super) schemas: Vec<String>,
    /// All schemas. The value is whether the role has the privilege USAGE on the schema.
    pub(super) schema_usage: BTreeMap<String, bool>,
}

/// A table or a view.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) oid: Oid,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) kind: TableKind,
    /// Whether the table is a partition, whose rows belong to a partitioned table.
    pub(super) is_partition: bool,
    /// Whether the role may alter the table.
    pub(super) is_owned: bool,
    /// Whether the role may read the table.
    pub(super) is_readable: bool,
    /// Whether row-level security hides rows from the role.
    pub(super) hides_rows: bool,
    /// The partitioned table if this table is a partition, or the tables that this table inherits from, by
    /// display name.
    pub(super) parents: Vec<String>,
    /// The partitions, or the tables that inherit from this table, by display name.
    pub(super) children: Vec<String>,
    pub(super) columns: Vec<Column>,
    /// The unique indexes that are immediate, not partial, and use the collations and operators of the
    /// columns.
    pub(super) unique: Vec<UniqueIndex>,
    /// The columns of the primary key, which may be deferrable. Empty if there is none.
    pub(super) primary_key: Vec<String>,
    /// The name for messages: with the schema unless the schema is in the search path.
    pub(super) display_name: String,
}

/// A unique index, which may belong to a constraint.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct UniqueIndex {
    /// The name, which is also the name of its constraint.
    pub(super) name: String,
    /// The columns that are unique together.
    pub(super) columns: Vec<String>,
}

/// The type of a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TableKind {
    Table,
    /// A table whose rows are in its partitions.
    Partitioned,
    View,
    MaterializedView,
    Foreign,
}

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    /// Whether the role may read the column; a privilege for the column alone is sufficient.
    pub(super) is_readable: bool,
    pub(super) stored: StoredType,
    /// The type in SQL syntax.
    pub(super) declared: String,
    /// The type modifier: precision, scale or length.
    pub(super) modifier: i32,
    pub(super) not_null: bool,
    /// Whether an INSERT must provide a value for the column: the column or a domain of its type is NOT NULL,
    /// and there is no default.
    pub(super) needs_value: bool,
    /// Whether PostgreSQL assigns a value if an INSERT provides none: there is a default, or the column is an identity
    /// column.
    pub(super) has_default: bool,
    pub(super) identity: Identity,
    pub(super) generated: bool,
    /// Whether the order of the column's values depends on a collation.
    pub(super) is_collated: bool,
    /// Whether the collation of the column orders texts by their bytes.
    pub(super) is_ordered_by_bytes: bool,
    /// Whether the collation of the column considers different texts equal.
    pub(super) has_nondeterministic_collation: bool,
    /// The members of the type, if it is a composite type.
    pub(super) composite: Option<Composite>,
    /// The enum, if the type is an enum or a list of an enum.
    pub(super) enumeration: Option<Oid>,
}

/// Whether the column is an identity column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    None,
    ByDefault,
    Always,
}

/// A foreign key from one table to another.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) child: Oid,
    pub(super) parent: Oid,
}

impl Catalog {
    /// Reads all tables, columns and types from the database.
    pub(super) async fn read(connection: &Connection) -> Result<Self> {
        let read = async {
            let client = &connection.client;
            let mut tables: Vec<Table> = Vec::new();
            for row in client.query(TABLES, &[]).await? {
                tables.push(table(&row, &connection.schemas)?);
            }
            let mut types = BTreeMap::new();
            for row in client.query(TYPES, &[]).await? {
                types.insert(row.try_get::<_, Oid>(0)?, type_row(&row)?);
            }
            let mut composites = BTreeMap::new();
            for row in client.query(COMPOSITES, &[]).await? {
                let flags: (bool, bool) = (row.try_get(1)?, row.try_get(2)?);
                composites.insert(row.try_get::<_, Oid>(0)?, flags);
            }
            let mut members: BTreeMap<Oid, (String, Vec<Member>)> = BTreeMap::new();
            for row in client.query(MEMBERS, &[]).await? {
                let member = Member {
                    name: row.try_get(1)?,
                    is_json: row.try_get(2)?,
                    is_any_json: row.try_get(3)?,
                    has_json: row.try_get(4)?,
                };
                let (base, members_of_type) = members.entry(row.try_get(0)?).or_default();
                *base = row.try_get(5)?;
                members_of_type.push(member);
            }
            let mut columns: BTreeMap<Oid, Vec<Column>> = BTreeMap::new();
            for row in client.query(COLUMNS, &[]).await? {
                let mut column = column(&row, &types)?;
                let type_oid: Oid = row.try_get(2)?;
                let composite = composites.get(&type_oid).filter(|_| column.stored == StoredType::Composite);
                let (base, members) = members.get(&type_oid).cloned().unwrap_or_default();
                column.composite = composite.map(|&(is_scale_significant, has_hstore)| Composite {
                    declared: column.declared.clone(),
                    base,
                    is_scale_significant,
                    members,
                    has_hstore,
                });
                if !connection.money_scale_is_two {
                    column.stored = column.stored.with_money_of_other_scale();
                }
                columns.entry(row.try_get(0)?).or_default().push(column);
            }
            let mut unique: BTreeMap<Oid, Vec<UniqueIndex>> = BTreeMap::new();
            let mut primary_keys = BTreeMap::new();
            for row in client.query(UNIQUE, &[]).await? {
                let index = UniqueIndex { name: row.try_get(1)?, columns: row.try_get(2)? };
                let (is_primary, is_immediate): (bool, bool) = (row.try_get(3)?, row.try_get(4)?);
                if is_primary {
                    primary_keys.insert(row.try_get::<_, Oid>(0)?, index.columns.clone());
                }
                if is_immediate {
                    unique.entry(row.try_get(0)?).or_default().push(index);
                }
            }
            let mut schema_usage = BTreeMap::new();
            for row in client.query(SCHEMAS, &[]).await? {
                schema_usage.insert(row.try_get(0)?, row.try_get(1)?);
            }
            let display_names: BTreeMap<Oid, String> =
                tables.iter().map(|table| (table.oid, table.display_name.clone())).collect();
            let mut parents: BTreeMap<Oid, Vec<String>> = BTreeMap::new();
            let mut children: BTreeMap<Oid, Vec<String>> = BTreeMap::new();
            for row in client.query(PARENTS, &[]).await? {
                let (child, parent): (Oid, Oid) = (row.try_get(0)?, row.try_get(1)?);
                if let (Some(child_name), Some(parent_name)) =
                    (display_names.get(&child), display_names.get(&parent))
                {
                    parents.entry(child).or_default().push(parent_name.clone());
                    children.entry(parent).or_default().push(child_name.clone());
                }
            }
            for table in &mut tables {
                table.parents = parents.remove(&table.oid).unwrap_or_default();
                table.children = children.remove(&table.oid).unwrap_or_default();
                table.columns = columns.remove(&table.oid).unwrap_or_default();
                table.unique = unique.remove(&table.oid).unwrap_or_default();
                table.primary_key = primary_keys.remove(&table.oid).unwrap_or_default();
            }
            Ok::<_, tokio_postgres::Error>((tables, schema_usage))
        };
        let read = read.await;
        let (tables, schema_usage) =
            read.map_err(|error| failed("reading the names of tables and columns", &error))?;
        Ok(Self { tables, schemas: connection.schemas.clone(), schema_usage })
    }

    /// Returns whether the role does not have the privilege USAGE on a schema. The catalog lists the tables
    /// of such a schema, but the tables cannot be read or written.
    pub(super) fn lacks_usage(&self, schema: &str) -> bool {
        self.schema_usage.get(schema).is_some_and(|has_usage| !has_usage)
    }

    /// Returns the name of a table for messages, or `None` if the catalog does not contain the table.
    pub(super) fn table_display_name(&self, oid: Oid) -> Option<&str> {
        self.tables.iter().find(|table| table.oid == oid).map(|table| table.display_name.as_str())
    }

    /// Returns the name of a relation for messages: with the schema unless the schema is in the search path.
    pub(super) fn display_name(&self, schema: &str, name: &str) -> String {
        display_name(schema, name, &self.schemas)
    }

    /// Returns the materialized views.
    pub(super) fn materialized_views(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().filter(|table| table.kind == TableKind::MaterializedView)
    }

    /// Returns the tables that are found by a name without a schema, in the order of the search path.
    pub(super) fn visible(&self) -> impl Iterator<Item = &Table> {
        self.schemas.iter().flat_map(|schema| self.tables.iter().filter(move |table| table.schema == *schema))
    }
}

/// Reads the foreign keys as pairs of child table and parent table, without duplicates.
pub(super) async fn references(connection: &Connection) -> Result<Vec<Reference>> {
    let read = async {
        let rows = connection.client.query(REFERENCES, &[]).await?;
        rows.iter()
            .map(|row| Ok(Reference { child: row.try_get(0)?, parent: row.try_get(1)? }))
            .collect::<std::result::Result<Vec<_>, tokio_postgres::Error>>()
    };
    read.await.map_err(|error: tokio_postgres::Error| failed("reading the foreign keys", &error))
}

impl Table {
    /// Returns the name in SQL syntax.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }

    /// Returns the SQL expression for the rows of this table, without the rows of tables that inherit from
    /// it.
    pub(super) fn rows(&self) -> String {
        match self.kind {
            TableKind::Partitioned => self.quoted(),
            _ => format!("ONLY {}", self.quoted()),
        }
    }

    /// Describes the partitions and inheritance of the table, if there are any.
    pub(super) fn relationship(&self) -> Option<String> {
        let parents = listed(self.parents.iter().map(String::as_str));
        let children = listed(self.children.iter().map(String::as_str));
        let mut parts = Vec::new();
        match (self.parents.is_empty(), self.is_partition) {
            (true, _) => {}
            (false, true) => parts.push(format!("a partition of {parents}")),
            (false, false) => parts.push(format!("inherits from {parents}")),
        }
        match (self.children.is_empty(), self.kind) {
            (true, _) => {}
            (false, TableKind::Partitioned) => parts.push(format!("with its partitions {children}")),
            (false, _) => parts.push(format!("without the rows of {children}, which inherit from it")),
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// Returns whether the relation is a table that can store records.
    pub(super) fn is_table(&self) -> bool {
        matches!(self.kind, TableKind::Table | TableKind::Partitioned)
    }

    /// Returns whether a unique index distinguishes the rows by these columns.
    pub(super) fn is_unique_over<'a>(&self, columns: impl IntoIterator<Item = &'a str>) -> bool {
        self.unique_indexes_over(columns).next().is_some()
    }

    /// Returns the unique indexes over exactly these columns.
    pub(super) fn unique_indexes_over<'a>(
        &self,
        columns: impl IntoIterator<Item = &'a str>,
    ) -> impl Iterator<Item = &UniqueIndex> {
        let mut columns: Vec<&str> = columns.into_iter().collect();
        columns.sort_unstable();
        self.unique.iter().filter(move |index| {
            let mut compared: Vec<&str> = index.columns.iter().map(String::as_str).collect();
            compared.sort_unstable();
            compared == columns
        })
    }
}

fn display_name(schema: &str, name: &str, schemas: &[String]) -> String {
    match schemas.iter().any(|searched| searched == schema) {
        true => name.to_owned(),
        false => format!("{schema}.{name}"),
    }
}

fn table(row: &Row, schemas: &[String]) -> Result<Table, tokio_postgres::Error> {
    let (schema, name): (String, String) = (row.try_get(1)?, row.try_get(2)?);
    let display_name = display_name(&schema, &name, schemas);
    Ok(Table {
        oid: row.try_get(0)?,
        schema,
        name,
        kind: match row.try_get::<_, String>(3)?.as_str() {
            "p" => TableKind::Partitioned,
            "v" => TableKind::View,
            "m" => TableKind::MaterializedView,
            "f" => TableKind::Foreign,
            _ => TableKind::Table,
        },
        is_partition: row.try_get(4)?,
        is_owned: row.try_get(5)?,
        is_readable: row.try_get(6)?,
        hides_rows: row.try_get(7)?,
        parents: Vec::new(),
        children: Vec::new(),
        columns: Vec::new(),
        unique: Vec::new(),
        primary_key: Vec::new(),
        display_name,
    })
}

fn type_row(row: &Row) -> Result<TypeRow, tokio_postgres::Error> {
    Ok(TypeRow {
        name: row.try_get(1)?,
        kind: row.try_get(2)?,
        base: row.try_get(3)?,
        element: row.try_get(4)?,
        is_array: row.try_get(5)?,
        modifier: row.try_get(6)?,
    })
}

fn column(row: &Row, types: &BTreeMap<Oid, TypeRow>) -> Result<Column, tokio_postgres::Error> {
    let (stored, domain_modifier) = StoredType::from_oid(row.try_get(2)?, types);
    let modifier: i32 = row.try_get(9)?;
    Ok(Column {
        name: row.try_get(1)?,
        stored,
        declared: row.try_get(3)?,
        modifier: if modifier < 0 { domain_modifier } else { modifier },
        not_null: row.try_get(4)?,
        needs_value: row.try_get(5)?,
        identity: match row.try_get::<_, String>(6)?.as_str() {
            "a" => Identity::Always,
            "d" => Identity::ByDefault,
            _ => Identity::None,
        },
        generated: !row.try_get::<_, String>(7)?.is_empty(),
        is_collated: row.try_get(8)?,
        is_readable: row.try_get(10)?,
        has_nondeterministic_collation: row.try_get(11)?,
        has_default: row.try_get(12)?,
        is_ordered_by_bytes: row.try_get(13)?,
        composite: None,
        enumeration: enumeration::of_type(row.try_get(2)?, types),
    })
}
