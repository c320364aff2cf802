//! The tables of a database and their columns, as PostgreSQL tells them.

use std::collections::BTreeMap;

use koan_backup_core::Result;
use tokio_postgres::Row;
use tokio_postgres::types::Oid;

use super::composite::{COMPOSITES, Composite, MEMBERS, Member};
use super::connection::Connection;
use super::error::failed;
use super::types::{StoredType, TypeRow};
use koan_backup_sql::identifier::{listed, quoted};

/// Everything that is called a table, but for what PostgreSQL and its extensions brought along.
#[derive(Clone, Debug, Default)]
pub(super) struct Catalog {
    /// Ordered by schema and name.
    pub(super) tables: Vec<Table>,
    /// The schemas in which names without one are looked for.
    pub(super) schemas: Vec<String>,
    /// Every schema, and whether the role may use what is in it.
    pub(super) usable: BTreeMap<String, bool>,
}

/// A table, or what looks like one.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) oid: Oid,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) kind: TableKind,
    /// Whether its rows are those of a partitioned table.
    pub(super) is_partition: bool,
    /// Whether the role may alter it.
    pub(super) is_owned: bool,
    /// Whether the role may read it.
    pub(super) is_readable: bool,
    /// Whether row-level security would hide rows from the role.
    pub(super) hides_rows: bool,
    /// The table that it is a partition of, or those that it inherits from, as texts name them.
    pub(super) parents: Vec<String>,
    /// Its partitions, or the tables that inherit from it, as texts name them.
    pub(super) children: Vec<String>,
    pub(super) columns: Vec<Column>,
    /// What keeps its rows apart at once and without a condition.
    pub(super) unique: Vec<UniqueIndex>,
    /// How it is called in texts: with its schema where that is not looked in anyway.
    pub(super) shown: String,
}

/// An index, that of a constraint perhaps, which keeps rows apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct UniqueIndex {
    /// Its name, which is that of its constraint.
    pub(super) name: String,
    /// The columns that it compares.
    columns: Vec<String>,
}

/// What sort of relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TableKind {
    Table,
    /// Its rows are in its partitions.
    Partitioned,
    View,
    MaterializedView,
    Foreign,
}

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    /// Whether the role may read it. Privileges on single columns are enough.
    pub(super) is_readable: bool,
    pub(super) stored: StoredType,
    /// The type as SQL takes it.
    pub(super) declared: String,
    /// What the type was declared with: precision, scale, length.
    pub(super) modifier: i32,
    pub(super) not_null: bool,
    /// Whether an INSERT that does not name it is refused: it, or a domain of its type, is NOT NULL, and nothing fills it.
    pub(super) needs_value: bool,
    pub(super) identity: Identity,
    pub(super) generated: bool,
    /// Whether its order depends on a collation.
    pub(super) is_collated: bool,
    /// What is in its rows, where it is a composite type.
    pub(super) composite: Option<Composite>,
}

/// Whether a column numbers its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    None,
    ByDefault,
    Always,
}

/// A foreign key between two tables.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) child: Oid,
    pub(super) parent: Oid,
}

const TABLES: &str = "
    SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.relispartition,
           pg_catalog.pg_has_role(c.relowner, 'USAGE'), 
           pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
           pg_catalog.row_security_active(c.oid)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\"";

const COLUMNS: &str = "
    SELECT a.attrelid, a.attname::text, a.atttypid, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
           NOT a.atthasdef AND a.attidentity = ''
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_type d WHERE d.oid = a.atttypid AND d.typtype = 'd' AND d.typdefault IS NOT NULL)
               AND (a.attnotnull OR EXISTS (
                   WITH RECURSIVE domains AS (
                       SELECT d.typnotnull, d.typbasetype FROM pg_catalog.pg_type d WHERE d.oid = a.atttypid
                       UNION ALL SELECT d.typnotnull, d.typbasetype FROM domains b JOIN pg_catalog.pg_type d ON d.oid = b.typbasetype)
                   SELECT FROM domains WHERE typnotnull)),
           a.attidentity::text, a.attgenerated::text, a.attcollation <> 0, a.atttypmod,
           pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT')
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
      AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attrelid, a.attnum";

const TYPES: &str = "
    WITH RECURSIVE used AS (
        SELECT a.atttypid AS oid FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND a.attnum > 0
        UNION
        SELECT v.oid FROM used u JOIN pg_catalog.pg_type t ON t.oid = u.oid
        CROSS JOIN LATERAL (VALUES (t.typbasetype), (t.typelem)) v(oid) WHERE v.oid <> 0)
    SELECT t.oid, t.typname::text, t.typtype::text, t.typbasetype, t.typelem,
           t.typcategory = 'A' AND t.typlen = -1 AND t.typelem <> 0, t.typtypmod
    FROM pg_catalog.pg_type t JOIN used u ON u.oid = t.oid";

/// Unique indexes that compare their columns as the columns compare themselves.
const UNIQUE: &str = "
    SELECT i.indrelid, c.relname::text, pg_catalog.array_agg(a.attname::text ORDER BY a.attname)
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
    WHERE i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
      AND NOT EXISTS (
        SELECT FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) p (place)
        JOIN pg_catalog.pg_attribute k ON k.attrelid = i.indrelid AND k.attnum = i.indkey[p.place]
        JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[p.place]
        LEFT JOIN pg_catalog.pg_collation l ON l.oid = k.attcollation
        WHERE o.opcname = 'record_image_ops'
           OR (i.indcollation[p.place] <> k.attcollation AND NOT l.collisdeterministic))
    GROUP BY i.indrelid, c.oid, c.relname";

const SCHEMAS: &str = "
    SELECT n.nspname::text, pg_catalog.has_schema_privilege(n.oid, 'USAGE') FROM pg_catalog.pg_namespace n
    WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'";

const PARENTS: &str = "SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits ORDER BY inhrelid, inhseqno";

const REFERENCES: &str = "
    SELECT DISTINCT conrelid, confrelid FROM pg_catalog.pg_constraint
    WHERE contype = 'f' AND conparentid = 0 ORDER BY 1, 2";

impl Catalog {
    /// Reads the names of all tables and their columns.
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
                let of = members.entry(row.try_get(0)?).or_default();
                of.0 = row.try_get(5)?;
                of.1.push(member);
            }
            let mut columns: BTreeMap<Oid, Vec<Column>> = BTreeMap::new();
            for row in client.query(COLUMNS, &[]).await? {
                let mut column = column(&row, &types)?;
                let kind: Oid = row.try_get(2)?;
                let composite = composites.get(&kind).filter(|_| column.stored == StoredType::Composite);
                let (base, members) = members.get(&kind).cloned().unwrap_or_default();
                column.composite = composite.map(|&(scale_counts, has_hstore)| Composite {
                    declared: column.declared.clone(),
                    base,
                    scale_counts,
                    members,
                    has_hstore,
                });
                if !connection.money_in_hundredths {
                    column.stored = column.stored.with_money_of_other_units();
                }
                columns.entry(row.try_get(0)?).or_default().push(column);
            }
            let mut unique: BTreeMap<Oid, Vec<UniqueIndex>> = BTreeMap::new();
            for row in client.query(UNIQUE, &[]).await? {
                let index = UniqueIndex { name: row.try_get(1)?, columns: row.try_get(2)? };
                unique.entry(row.try_get(0)?).or_default().push(index);
            }
            let mut usable = BTreeMap::new();
            for row in client.query(SCHEMAS, &[]).await? {
                usable.insert(row.try_get(0)?, row.try_get(1)?);
            }
            let shown: BTreeMap<Oid, String> =
                tables.iter().map(|table| (table.oid, table.shown.clone())).collect();
            let mut parents: BTreeMap<Oid, Vec<String>> = BTreeMap::new();
            let mut children: BTreeMap<Oid, Vec<String>> = BTreeMap::new();
            for row in client.query(PARENTS, &[]).await? {
                let (child, parent): (Oid, Oid) = (row.try_get(0)?, row.try_get(1)?);
                if let (Some(child_name), Some(parent_name)) = (shown.get(&child), shown.get(&parent)) {
                    parents.entry(child).or_default().push(parent_name.clone());
                    children.entry(parent).or_default().push(child_name.clone());
                }
            }
            for table in &mut tables {
                table.parents = parents.remove(&table.oid).unwrap_or_default();
                table.children = children.remove(&table.oid).unwrap_or_default();
                table.columns = columns.remove(&table.oid).unwrap_or_default();
                table.unique = unique.remove(&table.oid).unwrap_or_default();
            }
            Ok::<_, tokio_postgres::Error>((tables, usable))
        };
        let read = read.await;
        let (tables, usable) =
            read.map_err(|error| failed("reading the names of tables and columns", &error))?;
        Ok(Self { tables, schemas: connection.schemas.clone(), usable })
    }

    /// Whether the role may not use a schema. What is in it can be named, and neither read nor written.
    pub(super) fn is_closed(&self, schema: &str) -> bool {
        self.usable.get(schema).is_some_and(|usable| !usable)
    }

    /// Returns the name of a table in messages, if the catalog has it.
    pub(super) fn shown_table(&self, oid: Oid) -> Option<&str> {
        self.tables.iter().find(|table| table.oid == oid).map(|table| table.shown.as_str())
    }

    /// The name of a relation in texts: with its schema where that is not looked in anyway.
    pub(super) fn shown(&self, schema: &str, name: &str) -> String {
        shown(schema, name, &self.schemas)
    }

    /// The materialized views.
    pub(super) fn materialized_views(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().filter(|table| table.kind == TableKind::MaterializedView)
    }

    /// The tables in which a name without a schema is looked for, those of the first schema first.
    pub(super) fn visible(&self) -> impl Iterator<Item = &Table> {
        self.schemas.iter().flat_map(|schema| self.tables.iter().filter(move |table| table.schema == *schema))
    }
}

/// The foreign keys between tables, each pair once.
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
    /// The name as SQL takes it.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }

    /// The rows of this table as SQL takes them: those of tables that inherit from it are theirs.
    pub(super) fn rows(&self) -> String {
        match self.kind {
            TableKind::Partitioned => self.quoted(),
            _ => format!("ONLY {}", self.quoted()),
        }
    }

    /// How it belongs to another table, if it does.
    pub(super) fn belongs(&self) -> Option<String> {
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

    /// Whether records can be in it.
    pub(super) fn is_table(&self) -> bool {
        matches!(self.kind, TableKind::Table | TableKind::Partitioned)
    }

    /// Whether the database itself keeps rows with these values in these columns apart.
    pub(super) fn keeps_apart<'a>(&self, columns: impl IntoIterator<Item = &'a str>) -> bool {
        self.kept_apart_by(columns).next().is_some()
    }

    /// What keeps rows with these values in these columns apart.
    pub(super) fn kept_apart_by<'a>(
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

fn shown(schema: &str, name: &str, schemas: &[String]) -> String {
    match schemas.iter().any(|looked_in| looked_in == schema) {
        true => name.to_owned(),
        false => format!("{schema}.{name}"),
    }
}

fn table(row: &Row, schemas: &[String]) -> Result<Table, tokio_postgres::Error> {
    let (schema, name): (String, String) = (row.try_get(1)?, row.try_get(2)?);
    let shown = shown(&schema, &name, schemas);
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
        shown,
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
    let (stored, domain_modifier) = StoredType::of(row.try_get(2)?, types);
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
        composite: None,
    })
}
