//! The sequences that number the rows of tables, and what an archive records of them.

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

/// A sequence that a table takes numbers from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sequence {
    pub(super) oid: Oid,
    /// The table.
    pub(super) table: Oid,
    pub(super) schema: String,
    pub(super) name: String,
    /// The column that is numbered, where that is known.
    pub(super) column: Option<String>,
    pub(super) use_: Use,
    pub(super) rises: bool,
    pub(super) cycles: bool,
    pub(super) min: i64,
    pub(super) max: i64,
    pub(super) may_read: bool,
    pub(super) may_move: bool,
    pub(super) is_owned: bool,
}

/// How a table uses a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// The column holds the numbers of the sequence, so that its rows tell how far the sequence must be.
    Plain,
    /// The column, a trigger or a function may make something else of them, so that only the sequence itself tells.
    Computed,
}

/// Where a sequence stands, as an archive records it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SequenceState {
    pub(super) schema: String,
    pub(super) name: String,
    /// The column that it numbers, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) column: Option<String>,
    pub(super) last_value: i64,
    pub(super) is_called: bool,
}

/// The sequences of some tables.
#[derive(Clone, Debug, Default)]
pub(super) struct Sequences {
    pub(super) all: Vec<Sequence>,
    /// Tables that use a function which takes numbers from a sequence that it does not name.
    pub(super) unnamed: BTreeSet<Oid>,
}

/// What columns own a sequence, or take their default from one that PostgreSQL knows of.
const DEPENDENCIES: &str = r#"
    SELECT DISTINCT s.oid, x.relation, n.nspname::text, s.relname::text, a.attname::text,
        a.attidentity <> ''
          OR (pg_catalog.format_type(CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END, NULL)
                IN ('smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision')
              AND coalesce(pg_catalog.pg_get_expr(f.adbin, f.adrelid), '')
                  ~ '^\(?nextval\(''([^'']|'''')*''::regclass\)(\)?::[[:alpha:]_ ."]+)?$'),
        q.seqincrement > 0, q.seqcycle, q.seqmin, q.seqmax,
        pg_catalog.has_sequence_privilege(s.oid, 'SELECT') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
        pg_catalog.has_sequence_privilege(s.oid, 'UPDATE') AND pg_catalog.has_sequence_privilege(s.oid, 'SELECT')
          AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
        pg_catalog.pg_has_role(s.relowner, 'USAGE')
    FROM (SELECT d.objid AS sequence, d.refobjid AS relation, d.refobjsubid AS number FROM pg_catalog.pg_depend d
          WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
            AND d.deptype IN ('a', 'i')
          UNION
          SELECT d.refobjid, f.adrelid, f.adnum FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_attrdef f ON f.oid = d.objid
          WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass) x
    JOIN pg_catalog.pg_class s ON s.oid = x.sequence AND s.relkind = 'S'
    JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = x.relation AND a.attnum = x.number
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
    WHERE x.relation = ANY ($1) ORDER BY 3, 4, 5"#;

/// The sequences of these names, in the same columns. Those of whole schemas have an empty name. Names are looked up in the catalog,
/// because `to_regclass` fails for a schema that the role may not use.
const NAMED: &str = "
    SELECT s.oid, 0::oid, n.nspname::text, s.relname::text, ''::text, false, q.seqincrement > 0, q.seqcycle, q.seqmin, q.seqmax,
        pg_catalog.has_sequence_privilege(s.oid, 'SELECT') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
        pg_catalog.has_sequence_privilege(s.oid, 'UPDATE') AND pg_catalog.has_sequence_privilege(s.oid, 'SELECT')
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
            ORDER BY pg_catalog.array_position(pg_catalog.current_schemas(false), m.nspname) NULLS LAST LIMIT 1))
    ORDER BY 3, 4";

impl Sequences {
    /// The sequences that these tables own, take defaults from, or whose functions and triggers take numbers from.
    pub(super) async fn of(connection: &Connection, tables: &[&Table]) -> Result<Self> {
        let what = "reading the sequences of tables";
        let oids: Vec<Oid> = tables.iter().map(|table| table.oid).collect();
        let mut found = Self::default();
        let rows = connection.client.query(DEPENDENCIES, &[&oids]).await;
        for row in rows.map_err(|error| failed(what, &error))? {
            found.all.push(sequence(&row).map_err(|error| failed(what, &error))?);
        }
        for source in source::of(connection, &oids).await? {
            let names = source::names(&source.text);
            let mut wanted: Vec<(&str, &str)> = Vec::new();
            for name in &names.literal {
                wanted.push((name, &source.schema));
            }
            let own =
                tables.iter().find(|table| table.oid == source.table).map(|table| table.schema.as_str());
            if names.has_others {
                found.unnamed.insert(source.table);
                wanted.push(("", &source.schema));
                wanted.extend(own.filter(|own| *own != source.schema).map(|own| ("", own)));
            }
            for (name, schema) in wanted {
                let rows = connection.client.query(NAMED, &[&name, &schema]).await;
                let rows = rows.map_err(|error| failed(what, &error))?;
                if rows.is_empty() && !name.is_empty() {
                    found.unnamed.insert(source.table);
                }
                for row in rows {
                    let mut sequence = sequence(&row).map_err(|error| failed(what, &error))?;
                    sequence.table = source.table;
                    sequence.column = source.column.clone().filter(|_| !name.is_empty());
                    sequence.use_ = match source.is_plain && sequence.column.is_some() {
                        true => Use::Plain,
                        false => Use::Computed,
                    };
                    let known = |other: &&Sequence| {
                        other.oid == sequence.oid
                            && other.table == sequence.table
                            && (sequence.column.is_none() || other.column == sequence.column)
                    };
                    match found.all.iter().position(|other| known(&other)) {
                        None => found.all.push(sequence),
                        // The default of a domain, which the column itself does not have.
                        Some(place) if sequence.use_ == Use::Plain => found.all[place].use_ = Use::Plain,
                        Some(_) => {}
                    }
                }
            }
        }
        Ok(found)
    }
}

impl Sequence {
    /// Whether inserting rows as this role needs it: a column takes its numbers from it, and no function does so in its own right.
    pub(super) fn is_needed(&self) -> bool {
        self.use_ == Use::Plain || self.column.is_some()
    }

    /// The name as SQL takes it.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }

    /// Where it stands, as the archive is to record it.
    pub(super) async fn state(&self, connection: &Connection) -> Result<SequenceState> {
        let what = format!("reading sequence `{}`", self.name);
        let query = format!("SELECT last_value, is_called FROM {}", self.quoted());
        let read = async {
            let row = connection.client.query_one(&query, &[]).await?;
            Ok::<_, tokio_postgres::Error>((row.try_get(0)?, row.try_get(1)?))
        };
        let (last_value, is_called) = read.await.map_err(|error| failed(&what, &error))?;
        let (schema, name, column) = (self.schema.clone(), self.name.clone(), self.column.clone());
        Ok(SequenceState { schema, name, column, last_value, is_called })
    }

    /// What an archive recorded of it: under the column that it numbers, else under its own name.
    pub(super) fn recorded<'s>(&self, states: &'s [SequenceState]) -> Option<&'s SequenceState> {
        let by_column = |state: &&SequenceState| self.column.is_some() && state.column == self.column;
        let by_name = |state: &&SequenceState| state.name == self.name;
        let exactly = |state: &&SequenceState| by_name(state) && state.schema == self.schema;
        let of_column = || states.iter().filter(by_column);
        of_column()
            .find(by_name)
            .or_else(|| of_column().next().filter(|_| of_column().count() == 1))
            .or_else(|| states.iter().find(exactly))
            .or_else(|| states.iter().find(by_name))
    }
}

/// Reads where the sequences of a table stand. Gives a warning for each that could not be read.
pub(super) async fn states(
    connection: &Connection,
    table: &Table,
) -> Result<(Vec<SequenceState>, Vec<String>)> {
    let sequences = Sequences::of(connection, &[table]).await?;
    let (mut states, mut warnings) = (Vec::new(), Vec::new());
    for sequence in &sequences.all {
        match sequence.may_read {
            true => states.push(sequence.state(connection).await?),
            false => warnings.push(unreadable(sequence, table)),
        }
    }
    if sequences.unnamed.contains(&table.oid) {
        warnings.push(unnamed(table));
    }
    Ok((states, warnings))
}

/// The text on a sequence that the role may not read.
pub(super) fn unreadable(sequence: &Sequence, table: &Table) -> String {
    format!(
        "the role may not read sequence `{}` of table `{}`, so that no backup holds where it stands; GRANT SELECT ON SEQUENCE {} \
         to it",
        sequence.name,
        table.shown,
        sequence.quoted(),
    )
}

/// The text on a function that takes numbers from a sequence that it does not name.
fn unnamed(table: &Table) -> String {
    format!(
        "a default or trigger of table `{}` takes numbers from a sequence that cannot be told from its text; all sequences of its \
         schema are recorded, and one in another schema is not",
        table.shown
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
        use_: if row.try_get(5)? { Use::Plain } else { Use::Computed },
        rises: row.try_get(6)?,
        cycles: row.try_get(7)?,
        min: row.try_get(8)?,
        max: row.try_get(9)?,
        may_read: row.try_get(10)?,
        may_move: row.try_get(11)?,
        is_owned: row.try_get(12)?,
    })
}
