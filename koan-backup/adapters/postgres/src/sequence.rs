//! The sequences that tables use, and their positions in archives.

mod source;

use std::collections::BTreeSet;

use koan_backup_core::Result;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use tokio_postgres::types::Oid;

use super::catalog::Table;
use super::connection::Connection;
use super::error::failed;
use koan_backup_sql::identifier::quoted;

/// A sequence that generates numbers for a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sequence {
    pub(super) oid: Oid,
    /// The table that uses the sequence.
    pub(super) table: Oid,
    pub(super) schema: String,
    pub(super) name: String,
    /// The column whose numbers the sequence generates, if it is known.
    pub(super) column: Option<String>,
    pub(super) usage: SequenceUse,
    pub(super) is_ascending: bool,
    pub(super) cycles: bool,
    pub(super) min: i64,
    pub(super) max: i64,
    pub(super) may_read: bool,
    pub(super) may_advance: bool,
    pub(super) is_owned: bool,
}

/// How a table uses a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SequenceUse {
    /// The column contains the values that `nextval` returns unchanged, so its rows show which position the
    /// sequence needs.
    Direct,
    /// The column, a trigger or a function may compute other values from the numbers, so only the sequence
    /// itself shows its position.
    Computed,
}

/// The position of a sequence, as an archive records it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SequenceState {
    pub(super) schema: String,
    pub(super) name: String,
    /// The column whose numbers the sequence generates, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) column: Option<String>,
    pub(super) last_value: i64,
    pub(super) is_called: bool,
}

/// The sequences of some tables.
#[derive(Clone, Debug, Default)]
pub(super) struct Sequences {
    pub(super) all: Vec<Sequence>,
    /// Tables with a function that calls `nextval` with a sequence name that is not a literal.
    pub(super) with_computed_names: BTreeSet<Oid>,
}

/// Selects the sequences that columns own, or that PostgreSQL records as part of a default.
const DEPENDENCIES: &str = r#"
    SELECT DISTINCT s.oid, x.relation, n.nspname::text, s.relname::text, a.attname::text,
        a.attidentity <> ''
          OR (pg_catalog.format_type(CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END, NULL)
                IN ('smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision')
              AND coalesce(pg_catalog.pg_get_expr(f.adbin, f.adrelid), '')
                  ~ '^\(?nextval\(''([^'']|'''')*''::regclass\)(\)?::[[:alpha:]_ ."]+)?$'),
        q.seqincrement > 0, q.seqcycle, q.seqmin, q.seqmax,
        pg_catalog.has_sequence_privilege(s.oid, 'SELECT')
            AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
        pg_catalog.has_sequence_privilege(s.oid, 'UPDATE')
            AND pg_catalog.has_sequence_privilege(s.oid, 'SELECT')
          AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
        pg_catalog.pg_has_role(s.relowner, 'USAGE')
    FROM (SELECT d.objid AS sequence, d.refobjid AS relation, d.refobjsubid AS number
        FROM pg_catalog.pg_depend d
          WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
            AND d.deptype IN ('a', 'i')
          UNION
          SELECT d.refobjid, f.adrelid, f.adnum FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_attrdef f ON f.oid = d.objid
          WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass
              AND d.refclassid = 'pg_catalog.pg_class'::regclass) x
    JOIN pg_catalog.pg_class s ON s.oid = x.sequence AND s.relkind = 'S'
    JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = x.relation AND a.attnum = x.number
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
    WHERE x.relation = ANY ($1) ORDER BY 3, 4, 5"#;

/// Selects the sequences with the name `$1`, with the same result columns as [`DEPENDENCIES`]. With an empty
/// name, it selects all sequences of schema `$2`. Names are searched in the catalog because `to_regclass`
/// fails for a schema that the role is not permitted to use.
const NAMED: &str = "
    SELECT s.oid, 0::oid, n.nspname::text, s.relname::text, ''::text, false, q.seqincrement > 0, q.seqcycle,
        q.seqmin, q.seqmax,
        pg_catalog.has_sequence_privilege(s.oid, 'SELECT')
            AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
        pg_catalog.has_sequence_privilege(s.oid, 'UPDATE')
            AND pg_catalog.has_sequence_privilege(s.oid, 'SELECT')
          AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
        pg_catalog.pg_has_role(s.relowner, 'USAGE')
    FROM pg_catalog.pg_class s JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace,
    LATERAL (SELECT CASE WHEN $1 = '' THEN NULL ELSE pg_catalog.parse_ident($1) END AS parts) w
    WHERE ($1 = '' AND n.nspname = $2)
       OR (pg_catalog.cardinality(w.parts) = 2 AND n.nspname = w.parts[1] AND s.relname = w.parts[2])
       OR (pg_catalog.cardinality(w.parts) = 1 AND s.oid = (
            SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace m ON m.oid = c.relnamespace
            WHERE c.relkind = 'S' AND c.relname = w.parts[1]
              AND (m.nspname = ANY (pg_catalog.current_schemas(false)) OR m.nspname = $2)
            ORDER BY pg_catalog.array_position(pg_catalog.current_schemas(false),
                m.nspname) NULLS LAST LIMIT 1))
    ORDER BY 3, 4";

impl Sequences {
    /// Finds the sequences that these tables own, that their defaults use, or that their functions and
    /// triggers use.
    pub(super) async fn read(connection: &Connection, tables: &[&Table]) -> Result<Self> {
        let operation = "reading the sequences of tables";
        let oids: Vec<Oid> = tables.iter().map(|table| table.oid).collect();
        let mut found = Self::default();
        let rows = connection.client.query(DEPENDENCIES, &[&oids]).await;
        for row in rows.map_err(|error| failed(operation, &error))? {
            found.all.push(sequence(&row).map_err(|error| failed(operation, &error))?);
        }
        for source in source::read_texts(connection, &oids).await? {
            let names = source::names(&source.text);
            let mut wanted: Vec<(&str, &str)> = Vec::new();
            for name in &names.literals {
                wanted.push((name, &source.schema));
            }
            let table_schema =
                tables.iter().find(|table| table.oid == source.table).map(|table| table.schema.as_str());
            if names.has_computed_names {
                found.with_computed_names.insert(source.table);
                wanted.push(("", &source.schema));
                let other_schema = table_schema.filter(|schema| *schema != source.schema);
                wanted.extend(other_schema.map(|schema| ("", schema)));
            }
            for (name, schema) in wanted {
                let rows = connection.client.query(NAMED, &[&name, &schema]).await;
                let rows = rows.map_err(|error| failed(operation, &error))?;
                if rows.is_empty() && !name.is_empty() {
                    found.with_computed_names.insert(source.table);
                }
                for row in rows {
                    let mut sequence = sequence(&row).map_err(|error| failed(operation, &error))?;
                    sequence.table = source.table;
                    sequence.column = source.column.clone().filter(|_| !name.is_empty());
                    sequence.usage = match source.stores_value && sequence.column.is_some() {
                        true => SequenceUse::Direct,
                        false => SequenceUse::Computed,
                    };
                    let is_same = |other: &&Sequence| {
                        other.oid == sequence.oid
                            && other.table == sequence.table
                            && (sequence.column.is_none() || other.column == sequence.column)
                    };
                    match found.all.iter().position(|other| is_same(&other)) {
                        None => found.all.push(sequence),
                        // The default belongs to a domain, so the column itself has no default.
                        Some(index) if sequence.usage == SequenceUse::Direct => {
                            found.all[index].usage = SequenceUse::Direct
                        }
                        Some(_) => {}
                    }
                }
            }
        }
        Ok(found)
    }
}

impl Sequence {
    /// Returns whether a role needs privileges on the sequence to insert rows. This is the case if a column
    /// uses the sequence. A function that uses the sequence may run with the privileges of another role.
    pub(super) fn is_needed(&self) -> bool {
        self.usage == SequenceUse::Direct || self.column.is_some()
    }

    /// Returns the name in SQL syntax.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }

    /// Reads the position, as an archive records it.
    pub(super) async fn state(&self, connection: &Connection) -> Result<SequenceState> {
        let operation = format!("reading sequence `{}`", self.name);
        let query = format!("SELECT last_value, is_called FROM {}", self.quoted());
        let read = async {
            let row = connection.client.query_one(&query, &[]).await?;
            Ok::<_, tokio_postgres::Error>((row.try_get(0)?, row.try_get(1)?))
        };
        let (last_value, is_called) = read.await.map_err(|error| failed(&operation, &error))?;
        let (schema, name, column) = (self.schema.clone(), self.name.clone(), self.column.clone());
        Ok(SequenceState { schema, name, column, last_value, is_called })
    }

    /// Finds the recorded position of the sequence: by its column if the column is known, otherwise by its
    /// name.
    pub(super) fn recorded<'s>(&self, states: &'s [SequenceState]) -> Option<&'s SequenceState> {
        let by_column = |state: &&SequenceState| self.column.is_some() && state.column == self.column;
        let by_name = |state: &&SequenceState| state.name == self.name;
        let by_qualified_name = |state: &&SequenceState| by_name(state) && state.schema == self.schema;
        let of_column = || states.iter().filter(by_column);
        of_column()
            .find(by_name)
            .or_else(|| of_column().next().filter(|_| of_column().count() == 1))
            .or_else(|| states.iter().find(by_qualified_name))
            .or_else(|| states.iter().find(by_name))
    }
}

/// Reads the positions of the sequences of a table. Returns a warning for each sequence that cannot be read.
pub(super) async fn states(
    connection: &Connection,
    table: &Table,
) -> Result<(Vec<SequenceState>, Vec<String>)> {
    let sequences = Sequences::read(connection, &[table]).await?;
    let (mut states, mut warnings) = (Vec::new(), Vec::new());
    for sequence in &sequences.all {
        match sequence.may_read {
            true => states.push(sequence.state(connection).await?),
            false => warnings.push(unreadable_message(sequence, table)),
        }
    }
    if sequences.with_computed_names.contains(&table.oid) {
        warnings.push(computed_name_message(table));
    }
    Ok((states, warnings))
}

/// Returns the message for a sequence that the role is not permitted to read.
pub(super) fn unreadable_message(sequence: &Sequence, table: &Table) -> String {
    format!(
        "the role is not permitted to read sequence `{}` of table `{}`, so backups do not contain its position; run \
         `GRANT SELECT ON SEQUENCE {} TO` the role",
        sequence.name,
        table.display_name,
        sequence.quoted(),
    )
}

/// Returns the message for a function that uses a sequence whose name is computed.
fn computed_name_message(table: &Table) -> String {
    format!(
        "a default or trigger of table `{}` calls `nextval` with a computed sequence name; backups contain \
         the positions of all sequences of its schema, but not of sequences in other schemas",
        table.display_name
    )
}

fn sequence(row: &Row) -> Result<Sequence, tokio_postgres::Error> {
    let column: String = row.try_get(4)?;
    Ok(Sequence {
        oid: row.try_get(0)?,
        table: row.try_get(1)?,
        schema: row.try_get(2)?,
        name: row.try_get(3)?,
        column: Some(column).filter(|column| !column.is_empty()),
        usage: if row.try_get(5)? { SequenceUse::Direct } else { SequenceUse::Computed },
        is_ascending: row.try_get(6)?,
        cycles: row.try_get(7)?,
        min: row.try_get(8)?,
        max: row.try_get(9)?,
        may_read: row.try_get(10)?,
        may_advance: row.try_get(11)?,
        is_owned: row.try_get(12)?,
    })
}
