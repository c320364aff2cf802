//! Determines how a full-text index is filled from its content: with every row, or with the rows that
//! triggers choose.
//!
//! The command `rebuild` of FTS indexes every row of the content. If triggers leave rows out, such as rows
//! that are marked as deleted, `rebuild` would make these rows searchable after a restore. Therefore the
//! statements of the triggers are parsed and run once for the whole table: `INSERT INTO f (…) VALUES (new.…)`
//! under `WHEN c` becomes `INSERT INTO f (…) SELECT new.… FROM docs AS new WHERE c`.

mod trigger;

use rusqlite::{Connection, Result};

use super::super::catalog::Catalog;
use super::external_index::ExternalIndex;
use super::tokens::tokens;
use super::trigger_writes::triggers_that_write;
use koan_backup_sql::identifier::quoted;
use trigger::{Clause, Event, Insertion, Source, Step, Trigger, names, trigger};

/// How a restore fills an index from its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Follow {
    /// Runs the command `rebuild`.
    Rebuild,
    /// Empties the index and runs this statement.
    Select(String),
    /// The method cannot be determined because of this trigger.
    Unknown { trigger: String, table: String },
}

/// Reads the triggers that write an index and determines how a restore fills it.
pub(super) fn follow(connection: &Connection, catalog: &Catalog, index: &ExternalIndex) -> Result<Follow> {
    let writers = triggers_that_write(connection, catalog, index)?;
    let mut statement = connection.prepare_cached(
        "SELECT name, tbl_name, sql FROM main.sqlite_schema WHERE type = 'trigger' ORDER BY name",
    )?;
    let mut rows = statement.query([])?;
    let mut triggers = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, table, sql): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let tokens = tokens(&sql);
        if !tokens.iter().any(|token| names(token, index)) || !writers.may_include(&name, &table) {
            continue;
        }
        match trigger(name.clone(), table.clone(), &sql, &tokens, index) {
            Some(trigger) if trigger.event == Event::Delete || trigger.steps.is_empty() => {}
            Some(trigger) => triggers.push(trigger),
            None => return Ok(Follow::Unknown { trigger: name, table }),
        }
    }
    let count = "SELECT count(*) FROM pragma_table_info(?1)";
    let columns: i64 = connection.query_row(count, [&index.name], |row| row.get(0))?;
    Ok(decide(&triggers, index, usize::try_from(columns).unwrap_or(usize::MAX)))
}

/// Determines how a restore fills an index from its triggers. `columns` is the number of columns of the
/// index.
fn decide(triggers: &[Trigger], index: &ExternalIndex, columns: usize) -> Follow {
    let unknown =
        |trigger: &Trigger| Follow::Unknown { trigger: trigger.name.clone(), table: trigger.table.clone() };
    let insertions: Vec<(&Trigger, &Insertion)> = triggers
        .iter()
        .filter(|trigger| trigger.event == Event::Insert)
        .flat_map(|trigger| trigger.steps.iter().map(move |step| (trigger, step)))
        .filter_map(|(trigger, step)| match step {
            Step::Insert(insertion) => Some((trigger, insertion)),
            _ => None,
        })
        .collect();
    let (trigger, insertion) = match insertions.as_slice() {
        // No trigger inserts rows, so the application fills the index.
        [] => return triggers.first().map_or(Follow::Rebuild, unknown),
        [one] => *one,
        [_, (trigger, _), ..] => return unknown(trigger),
    };
    let others = |trigger: &&Trigger| trigger.event == Event::Insert && trigger.steps.len() > 1;
    if let Some(trigger) = triggers.iter().find(others) {
        return unknown(trigger);
    }
    let condition = all_of(trigger.when.as_ref(), insertion.condition.as_ref(), "new");
    if let Some(trigger) = triggers.iter().find(|trigger| {
        trigger.event == Event::Update && !keeps_up(trigger, triggers, insertion, condition.as_ref())
    }) {
        return unknown(trigger);
    }
    let is_plain = |(column, value): &(String, String)| {
        matches!(column.as_str(), "rowid" | "docid" | "_rowid_" | "oid")
            || value.rsplit(' ').next() == Some(column.as_str()) && value.split(' ').count() == 3
    };
    let is_whole =
        insertion.pairs.len().checked_sub(1) == Some(columns) && insertion.pairs.iter().all(is_plain);
    match (condition, insertion.source) {
        (None, _) if is_whole => Follow::Rebuild,
        (condition, Source::Row) if index.version == 5 => {
            let (name, table) = (quoted(&index.name), quoted(&trigger.table));
            let filter = condition.map(|clause| format!(" WHERE {}", clause.sql)).unwrap_or_default();
            let (columns, values) = (&insertion.columns, &insertion.values);
            Follow::Select(format!(
                "INSERT INTO main.{name} ({columns}) SELECT {values} FROM main.{table} AS new{filter}"
            ))
        }
        _ => unknown(trigger),
    }
}

/// Returns whether an update leaves exactly those rows in the index that an insertion of the new rows would
/// add.
fn keeps_up(trigger: &Trigger, all: &[Trigger], inserted: &Insertion, condition: Option<&Clause>) -> bool {
    let (mut removed, mut added) = (Vec::new(), Vec::new());
    for step in &trigger.steps {
        match step {
            Step::Insert(insertion) if insertion.pairs != inserted.pairs => return false,
            Step::Insert(insertion) => {
                added.push(all_of(trigger.when.as_ref(), insertion.condition.as_ref(), "new"));
            }
            Step::Remove(clause) => removed.push(all_of(trigger.when.as_ref(), clause.as_ref(), "old")),
            Step::Nothing => {}
            Step::Change => return condition.is_none() && trigger.steps.len() == 1,
        }
    }
    let Some(condition) = condition else {
        // Each removed row must be added again under the same condition, in this trigger or in another one.
        let conditions = |of: &Trigger, is_added: bool| {
            let mut found = Vec::new();
            for step in &of.steps {
                match step {
                    Step::Insert(insertion) if is_added => {
                        found.push(all_of(of.when.as_ref(), insertion.condition.as_ref(), ""))
                    }
                    Step::Remove(clause) if !is_added => {
                        found.push(all_of(of.when.as_ref(), clause.as_ref(), ""))
                    }
                    _ => {}
                }
            }
            found
                .into_iter()
                .map(|clause| (of.of.clone(), clause.map(|clause| clause.normal)))
                .collect::<Vec<_>>()
        };
        let updates = || all.iter().filter(|other| other.event == Event::Update);
        let mut gone: Vec<_> = updates().flat_map(|other| conditions(other, false)).collect();
        let mut back: Vec<_> = updates().flat_map(|other| conditions(other, true)).collect();
        gone.sort();
        back.sort();
        return gone == back;
    };
    // The trigger must fire on every update that may change whether the condition holds.
    let named = condition.normal.split(' ').collect::<Vec<_>>();
    let columns = named.windows(3).filter(|three| three[0] == "$" && three[1] == ".").map(|three| three[2]);
    let sees_all = trigger.of.is_empty() || columns.clone().all(|column| trigger.of.contains(column));
    let is_condition =
        |clause: &Option<Clause>| clause.as_ref().is_some_and(|clause| clause.normal == condition.normal);
    let goes = |clause: &Option<Clause>| clause.is_none() || is_condition(clause);
    let updates = || all.iter().filter(|other| other.event == Event::Update);
    let has = |is_wanted: fn(&Step) -> bool| updates().any(|other| other.steps.iter().any(is_wanted));
    sees_all
        && removed.iter().all(goes)
        && added.iter().all(is_condition)
        && has(|step| matches!(step, Step::Insert(_)))
        && has(|step| matches!(step, Step::Remove(_)))
}

/// Returns the conjunction of two conditions. In their normal form, `$` replaces the name `row`.
fn all_of(one: Option<&Clause>, other: Option<&Clause>, row: &str) -> Option<Clause> {
    let shown = |normal: &str| normal.replace(&format!("{row} . "), "$ . ");
    let clauses: Vec<&Clause> = one.into_iter().chain(other).collect();
    (!clauses.is_empty()).then(|| Clause {
        sql: clauses.iter().map(|clause| format!("({})", clause.sql)).collect::<Vec<_>>().join(" AND "),
        normal: clauses.iter().map(|clause| shown(&clause.normal)).collect::<Vec<_>>().join(" and "),
    })
}
