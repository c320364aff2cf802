//! Uncovered columns that the database fills: by triggers, which do not fire during a restore, or by
//! generated expressions.

use koan_backup_core::{
    Result,
    provider::{Finding, Severity},
};

use super::catalog::Table;
use super::connection::Connection;
use super::error::failed;
use super::literal::literal;
use super::mapping::Mapping;
use super::state::StateOptions;
use koan_backup_sql::identifier::quoted;

/// Selects the triggers of a table that fire before each row, with the name and text of their functions.
const TRIGGERS: &str = "
    SELECT t.tgname::text, p.proname::text, p.pronamespace = 'pg_catalog'::regnamespace, p.prosrc, t.tgargs,
        t.tgtype & 4 <> 0,
           t.tgtype & 20 = 20 AND t.tgqual IS NULL AND pg_catalog.cardinality(t.tgattr::int2[]) = 0
               AND t.tgenabled IN ('O', 'A')
    FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
    WHERE t.tgrelid = $1 AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 3 = 3
        AND t.tgtype & 20 <> 0
    ORDER BY 1";

/// An uncovered column that a restore computes with the function of its trigger. The function is one of
/// PostgreSQL's own, and its result depends only on columns of the archive.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RecomputedColumn {
    pub(super) column: String,
    pub(super) declared: String,
    /// The function, one of [`BUILT_IN`].
    function: String,
    arguments: Vec<String>,
}

/// PostgreSQL's trigger functions that compute a column from other columns.
const BUILT_IN: [&str; 2] = ["tsvector_update_trigger", "tsvector_update_trigger_column"];

impl RecomputedColumn {
    /// Returns the statement that creates the same trigger on a table with the same columns.
    pub(super) fn create_trigger(&self, table: &str) -> String {
        let arguments: Vec<String> = self.arguments.iter().map(|argument| literal(argument)).collect();
        format!(
            "CREATE TRIGGER {} BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION pg_catalog.{}({})",
            quoted(&format!("koan {}", self.column)),
            self.function,
            arguments.join(", ")
        )
    }
}

/// A trigger that fires before each row.
struct RowTrigger {
    name: String,
    function: String,
    /// Whether the function is one of PostgreSQL's own.
    is_built_in: bool,
    text: String,
    arguments: Vec<String>,
    on_insert: bool,
    /// Whether the trigger fires for each inserted and updated row, without a condition.
    is_unconditional: bool,
}

impl RowTrigger {
    fn read(row: &tokio_postgres::Row) -> Result<Self, tokio_postgres::Error> {
        let arguments: Vec<u8> = row.try_get(4)?;
        let mut arguments: Vec<String> = arguments
            .split(|&byte| byte == 0)
            .map(|argument| String::from_utf8_lossy(argument).into_owned())
            .collect();
        // Each argument ends with a zero byte.
        arguments.pop();
        Ok(Self {
            name: row.try_get(0)?,
            function: row.try_get(1)?,
            is_built_in: row.try_get(2)?,
            text: row.try_get(3)?,
            arguments,
            on_insert: row.try_get(5)?,
            is_unconditional: row.try_get(6)?,
        })
    }

    /// Returns whether the trigger computes a text search vector with a function of PostgreSQL.
    fn computes_search_vector(&self) -> bool {
        self.is_built_in && BUILT_IN.contains(&self.function.as_str())
    }

    fn fills(&self, column: &str) -> bool {
        match self.computes_search_vector() {
            true => self.arguments.first().is_some_and(|argument| argument == column),
            false => assigns(&self.text, column),
        }
    }

    /// Returns the columns that the result depends on.
    fn sources(&self) -> impl Iterator<Item = &str> {
        let first = if self.function == "tsvector_update_trigger_column" { 1 } else { 2 };
        self.arguments.iter().skip(first).map(String::as_str)
    }
}

async fn row_triggers(connection: &Connection, mapping: &Mapping) -> Result<Vec<RowTrigger>> {
    // A restore cannot disable the triggers of a table that another role owns.
    if mapping.unmapped_columns.is_empty() || !mapping.table.is_owned {
        return Ok(Vec::new());
    }
    let operation = format!("reading the triggers of table `{}`", mapping.table.display_name);
    let rows = connection.client.query(TRIGGERS, &[&mapping.table.oid]).await;
    let rows = rows.map_err(|error| failed(&operation, &error))?;
    rows.iter().map(|row| RowTrigger::read(row).map_err(|error| failed(&operation, &error))).collect()
}

/// Returns the columns of a table that a restore computes.
pub(super) async fn recomputed(connection: &Connection, mapping: &Mapping) -> Result<Vec<RecomputedColumn>> {
    Ok(recomputed_by(&row_triggers(connection, mapping).await?, mapping))
}

/// Returns the GENERATED columns of a table, each with its expression.
pub(super) async fn generated(connection: &Connection, table: &Table) -> Result<Vec<(String, String)>> {
    let operation = format!("reading the generated columns of table `{}`", table.display_name);
    let rows = connection.client.query(GENERATED, &[&table.oid]).await;
    let rows = rows.map_err(|error| failed(&operation, &error))?;
    let read = |row: &tokio_postgres::Row| Ok((row.try_get(0)?, row.try_get(1)?));
    rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| failed(&operation, &error))
}

const GENERATED: &str = "
    SELECT a.attname::text, pg_catalog.format('(%s)::%s', pg_catalog.pg_get_expr(d.adbin, d.adrelid),
                                              pg_catalog.format_type(a.atttypid, a.atttypmod))
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid
        AND d.adnum = a.attnum
    WHERE a.attrelid = $1 AND a.attgenerated <> '' AND NOT a.attisdropped ORDER BY a.attnum";

fn recomputed_by(triggers: &[RowTrigger], mapping: &Mapping) -> Vec<RecomputedColumn> {
    let is_written = |name: &str| {
        mapping.columns.iter().any(|mapped| mapped.column.name == name && !mapped.column.generated)
    };
    let recomputed_column = |column: &super::catalog::Column| {
        let mut filling = triggers.iter().filter(|trigger| trigger.fills(&column.name));
        let (trigger, None) = (filling.next()?, filling.next()) else { return None };
        // Another trigger that changes a source column may fire after this trigger. The column would then be
        // computed from the previous value of the source column.
        let changes_source = |other: &RowTrigger| trigger.sources().any(|source| other.fills(source));
        let is_known = trigger.computes_search_vector()
            && trigger.is_unconditional
            && trigger.sources().all(is_written)
            && !triggers.iter().any(changes_source);
        is_known.then(|| RecomputedColumn {
            column: column.name.clone(),
            declared: column.declared.clone(),
            function: trigger.function.clone(),
            arguments: trigger.arguments.clone(),
        })
    };
    mapping.unmapped_columns.iter().filter_map(recomputed_column).collect()
}

/// Reports each column that would keep its previous value or its default.
pub(super) async fn findings(
    connection: &Connection,
    entity: &str,
    mapping: &Mapping,
    options: &StateOptions,
) -> Result<Vec<Finding>> {
    let table = &mapping.table.display_name;
    let triggers = row_triggers(connection, mapping).await?;
    let recomputed = recomputed_by(&triggers, mapping);
    let mut findings = Vec::new();
    for trigger in &triggers {
        // A trigger that fires only on UPDATE does not fill the column of a new row.
        let severity = if trigger.on_insert { Severity::Error } else { Severity::Warning };
        for column in mapping.unmapped_columns.iter().filter(|column| trigger.fills(&column.name)) {
            let (name, trigger) = (&column.name, &trigger.name);
            if recomputed.iter().any(|recomputed| recomputed.column == *name) {
                findings.push(Finding::new(
                    Severity::Note,
                    entity,
                    format!(
                        "column `{name}` of table `{table}` has no field; a restore computes its values in the \
                         same way as trigger `{trigger}`"
                    ),
                ));
                continue;
            }
            let cause = format!(
                "column `{name}` of table `{table}` has no field, and trigger `{trigger}`, which fills the \
                 column, does not fire during a restore"
            );
            findings.push(match options.recomputed_columns.get(&format!("{table}.{name}")) {
                Some(description) => Finding::new(
                    Severity::Note,
                    entity,
                    format!("{cause}; recompute `{name}` after the restore ({description})"),
                ),
                None => Finding::new(
                    severity,
                    entity,
                    format!(
                        "{cause}; add the field, make the column a generated column, or recompute it after the \
                         restore and declare this with \
                         `.recomputed_after_restore(\"{table}.{name}\", \"…\")`"
                    ),
                ),
            });
        }
    }
    Ok(findings)
}

/// Returns whether the text of a trigger function assigns a value to a column of the new row.
fn assigns(text: &str, column: &str) -> bool {
    let (text, column) = (text.to_lowercase(), column.to_lowercase());
    [format!("new.{column}"), format!("new.\"{column}\"")].iter().any(|name| {
        text.match_indices(name.as_str()).any(|(start, name)| {
            let (before, after) = (text[..start].trim_end(), text[start + name.len()..].trim_start());
            let ends = !text[start + name.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
            let begins = before.is_empty()
                || before.ends_with(';')
                || ["begin", "then", "else", "loop", "declare", "*/"]
                    .iter()
                    .any(|word| before.ends_with(word))
                || before.rsplit('\n').next().is_some_and(|line| line.trim_start().starts_with("--"));
            let is_into_target = before.ends_with("into") || before.ends_with("into strict");
            ends && (after.starts_with(":=") || is_into_target || (begins && after.starts_with('=')))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assigned_columns_are_distinguished_from_read_columns() {
        for text in [
            "BEGIN NEW.search := to_tsvector(NEW.title); RETURN NEW; END",
            "BEGIN\n  new.search = to_tsvector(new.title);\nEND",
            "BEGIN IF true THEN NEW.\"search\" = 'x'; END IF; END",
            "BEGIN SELECT to_tsvector(t) INTO NEW.search FROM x; END",
        ] {
            assert!(assigns(text, "search"), "{text}");
        }
        for text in [
            "BEGIN IF NEW.search = OLD.search THEN RETURN NEW; END IF; END",
            "BEGIN NEW.search_all := 1; END",
            "BEGIN NEW.title := NEW.search; END",
        ] {
            assert!(!assigns(text, "search"), "{text}");
        }
    }
}
