//! Determines whether a table refuses every new row because of the values that SQLite stores in the columns
//! without a field.
//!
//! These values are evaluated in an in-memory database. Its table has only the columns without a field, and
//! the generated columns that are computed from these columns alone.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Result};

use super::catalog::{Column, table_sql};
use super::clauses::{Element, elements};
use super::collation::Collations;
use super::derived::tokens::tokens;
use super::mapping::Mapping;
use super::pragmas::{Role, set_all};
use koan_backup_sql::identifier::quoted;

/// Returns the reasons why no record can be inserted into a table, whatever the values of the record are. The
/// result is empty if no reason was found.
pub(super) fn refusals(
    connection: &Connection,
    collations: &Collations,
    mapping: &Mapping,
) -> Result<Vec<String>> {
    let Some(sql) = table_sql(connection, &mapping.table.name)? else { return Ok(Vec::new()) };
    let elements = elements(&sql);
    let memory = Connection::open_in_memory()?;
    set_all(&memory, Role::Read)?;
    // A quoted name of a column that this in-memory database does not have must be an error, not a string.
    memory.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    memory.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    collations.define(&memory)?;
    let strict = "SELECT strict FROM pragma_table_list WHERE schema = 'main' AND name = ?1";
    let strict: bool = connection.query_row(strict, [&mapping.table.name], |row| row.get(0))?;
    let evaluation = Evaluation {
        memory,
        table: quoted(&mapping.table.name),
        suffix: if strict { " STRICT" } else { "" },
    };
    Ok(evaluation.refusals(mapping, &elements))
}

/// The in-memory database in which the values of new rows are evaluated.
struct Evaluation {
    memory: Connection,
    /// The quoted name of the table.
    table: String,
    /// The option after the list of columns in the `CREATE TABLE` statement.
    suffix: &'static str,
}

impl Evaluation {
    fn refusals(&self, mapping: &Mapping, elements: &[Element]) -> Vec<String> {
        let table = &mapping.table.name;
        let find = |column: &Column| {
            let is_column = |name: &str| name.eq_ignore_ascii_case(&column.name);
            elements.iter().find(|element| element.column.as_deref().is_some_and(is_column))
        };
        let is_alias =
            |column: &Column| mapping.table.rowid_alias().is_some_and(|alias| alias.name == column.name);
        let (mut refusals, mut known) = (Vec::new(), Vec::new());
        for column in &mapping.unmapped_columns {
            // `findings::of_mapping` reports a column that requires a value and has no default.
            if column.not_null && !column.has_default && !is_alias(column) {
                continue;
            }
            let Some(element) = find(column) else { continue };
            match self.insert_defaults(&[element]) {
                // The in-memory database does not accept the definition of the column, so the default cannot
                // be evaluated.
                None => {}
                Some(Ok(())) => known.push(element),
                Some(Err(error)) => refusals.push(format!(
                    "column `{}` of table `{table}` has no field, and the table refuses its default \
                     ({error}), so no record can be inserted; correct the default, or add the field",
                    column.name
                )),
            }
        }
        if known.is_empty() {
            return refusals;
        }
        let mut generated: Vec<&Element> =
            mapping.table.columns.iter().filter(|column| column.generated).filter_map(find).collect();
        // A generated column may be computed from another generated column.
        while let Some(index) =
            generated.iter().position(|element| self.try_create(&with_element(&known, element)))
        {
            let element = generated.remove(index);
            known.push(element);
            if let Some(Err(error)) = self.insert_defaults(&known) {
                let name = element.column.as_deref().unwrap_or_default();
                refusals.push(format!(
                    "generated column `{name}` of table `{table}` is computed from columns without a field, \
                     and cannot be computed from their defaults ({error}), so no record can be inserted; add \
                     the fields, or change the defaults"
                ));
                return refusals;
            }
        }
        if !matches!(self.insert_defaults(&known), Some(Ok(()))) {
            return refusals;
        }
        for check in elements.iter().flat_map(|element| &element.checks) {
            if may_read_rowid(&check.condition) {
                continue;
            }
            let violations = format!("SELECT count(*) FROM {} WHERE NOT ({})", self.table, check.condition);
            // A condition that reads other columns does not compile in this database.
            if self.memory.query_row(&violations, [], |row| row.get::<_, i64>(0)) == Ok(1) {
                refusals.push(format!(
                    "{} of table `{table}` depends on columns without a field, and their defaults violate \
                     it, so no record can be inserted; add the fields, or change the defaults or the \
                     constraint",
                    check.description()
                ));
            }
        }
        refusals
    }

    /// Creates a table with these columns. Returns whether SQLite accepts its definition.
    fn try_create(&self, elements: &[&Element]) -> bool {
        let list: Vec<&str> = elements.iter().map(|element| element.text.as_str()).collect();
        let (table, suffix) = (&self.table, self.suffix);
        let create =
            format!("DROP TABLE IF EXISTS {table}; CREATE TABLE {table} ({}){suffix}", list.join(", "));
        self.memory.execute_batch(&create).is_ok()
    }

    /// Creates a table with these columns and inserts a row of defaults. Returns `None` if the table cannot
    /// be created.
    fn insert_defaults(&self, elements: &[&Element]) -> Option<Result<()>> {
        let insert = format!("INSERT INTO {} DEFAULT VALUES", self.table);
        self.try_create(elements).then(|| self.memory.execute(&insert, []).map(drop))
    }
}

fn with_element<'e>(known: &[&'e Element], other: &&'e Element) -> Vec<&'e Element> {
    known.iter().chain([other]).copied().collect()
}

/// Returns whether an expression may read the rowid, which has another value in the in-memory database.
fn may_read_rowid(expression: &str) -> bool {
    tokens(expression).iter().any(|token| ["rowid", "_rowid_", "oid"].iter().any(|name| token.is_name(name)))
}
