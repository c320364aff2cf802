//! Finds out whether a table refuses new rows because of the values that they get in columns without a field.
//!
//! The values are evaluated in an in-memory database, with the columns that have no field and the generated
//! columns that are computed from them alone.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Result};

use super::catalog::{Column, table_sql};
use super::clauses::{Element, elements};
use super::collation::Collations;
use super::derived::tokens::tokens;
use super::mapping::Mapping;
use super::pragmas::{Role, set_all};
use koan_backup_sql::identifier::quoted;

/// Returns the reasons why no record can be inserted into a table, whatever its values are. The result is
/// empty if no reason was found.
pub(super) fn refusals(
    connection: &Connection,
    collations: &Collations,
    mapping: &Mapping,
) -> Result<Vec<String>> {
    let Some(sql) = table_sql(connection, &mapping.table.name)? else { return Ok(Vec::new()) };
    let elements = elements(&sql);
    let memory = Connection::open_in_memory()?;
    set_all(&memory, Role::Read)?;
    // A quoted name of a column that this database does not have must be an error, not a string.
    memory.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    memory.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    collations.define(&memory)?;
    let strict = "SELECT strict FROM pragma_table_list WHERE schema = 'main' AND name = ?1";
    let strict: bool = connection.query_row(strict, [&mapping.table.name], |row| row.get(0))?;
    let trial =
        Trial { memory, table: quoted(&mapping.table.name), suffix: if strict { " STRICT" } else { "" } };
    Ok(trial.refusals(mapping, &elements))
}

struct Trial {
    memory: Connection,
    /// The quoted name of the table.
    table: String,
    suffix: &'static str,
}

impl Trial {
    fn refusals(&self, mapping: &Mapping, elements: &[Element]) -> Vec<String> {
        let table = &mapping.table.name;
        let find = |column: &Column| {
            let is_its = |name: &str| name.eq_ignore_ascii_case(&column.name);
            elements.iter().find(|element| element.column.as_deref().is_some_and(is_its))
        };
        let is_alias =
            |column: &Column| mapping.table.rowid_alias().is_some_and(|alias| alias.name == column.name);
        let (mut refusals, mut known) = (Vec::new(), Vec::new());
        for column in &mapping.unmapped_columns {
            // A required value without a default is reported elsewhere.
            if column.not_null && !column.has_default && !is_alias(column) {
                continue;
            }
            let Some(element) = find(column) else { continue };
            match self.inserted(&[element]) {
                // The default depends on something that this database does not have.
                None => {}
                Some(Ok(())) => known.push(element),
                Some(Err(error)) => refusals.push(format!(
                    "column `{}` of table `{table}` is in no field, and its default is refused ({error}), so no record can be \
                     inserted; correct the default, or add the field",
                    column.name
                )),
            }
        }
        if known.is_empty() {
            return refusals;
        }
        let mut generated: Vec<&Element> =
            mapping.table.columns.iter().filter(|column| column.generated).filter_map(find).collect();
        // A generated column may be computed from another one.
        while let Some(at) = generated.iter().position(|element| self.is_made(&with(&known, element))) {
            let element = generated.remove(at);
            known.push(element);
            if let Some(Err(error)) = self.inserted(&known) {
                let name = element.column.as_deref().unwrap_or_default();
                refusals.push(format!(
                    "generated column `{name}` of table `{table}` is computed from columns that are in no field, and their defaults \
                     are refused for it ({error}), so no record can be inserted; add the fields, or change the defaults"
                ));
                return refusals;
            }
        }
        if !matches!(self.inserted(&known), Some(Ok(()))) {
            return refusals;
        }
        for check in elements.iter().flat_map(|element| &element.checks) {
            if names_rowid(&check.condition) {
                continue;
            }
            let broken = format!("SELECT count(*) FROM {} WHERE NOT ({})", self.table, check.condition);
            // A condition that needs other columns does not compile in this database.
            if self.memory.query_row(&broken, [], |row| row.get::<_, i64>(0)) == Ok(1) {
                refusals.push(format!(
                    "{} of table `{table}` depends on columns that are in no field, and their defaults violate it, so no record can be \
                     inserted; add the fields, or change the defaults or the constraint",
                    check.description()
                ));
            }
        }
        refusals
    }

    fn is_made(&self, elements: &[&Element]) -> bool {
        let list: Vec<&str> = elements.iter().map(|element| element.text.as_str()).collect();
        let (table, suffix) = (&self.table, self.suffix);
        let made =
            format!("DROP TABLE IF EXISTS {table}; CREATE TABLE {table} ({}){suffix}", list.join(", "));
        self.memory.execute_batch(&made).is_ok()
    }

    /// Creates a table with these columns and inserts a row of defaults. Returns `None` if the table cannot
    /// be created.
    fn inserted(&self, elements: &[&Element]) -> Option<Result<()>> {
        let insert = format!("INSERT INTO {} DEFAULT VALUES", self.table);
        self.is_made(elements).then(|| self.memory.execute(&insert, []).map(drop))
    }
}

fn with<'e>(known: &[&'e Element], other: &&'e Element) -> Vec<&'e Element> {
    known.iter().chain([other]).copied().collect()
}

/// Returns whether an expression may read the rowid, which has another value in this database.
fn names_rowid(expression: &str) -> bool {
    tokens(expression).iter().any(|token| ["rowid", "_rowid_", "oid"].iter().any(|name| token.is_name(name)))
}
