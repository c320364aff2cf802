//! Determines how a restore fills a full-text index from its content table or view: with every row, or with
//! the rows that triggers select.
//!
//! The FTS command `rebuild` indexes every row of the content table. If triggers exclude rows, such as rows
//! that are marked as deleted, `rebuild` would make these rows searchable after a restore. Therefore the
//! statement of the trigger is parsed and run once for the whole table: `INSERT INTO f (…) VALUES (new.…)`
//! under `WHEN c` becomes `INSERT INTO f (…) SELECT new.… FROM docs AS new WHERE c`.

mod trigger;

use rusqlite::{Connection, Result};

use super::super::catalog::Catalog;
use super::external_index::ExternalIndex;
use super::tokens::tokens;
use super::trigger_writes::triggers_that_write;
use koan_backup_sql::identifier::quoted;
use trigger::{Condition, Event, Insertion, Source, Step, Trigger, is_index_name, parse_trigger};

/// The method by which a restore fills an index from its content table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FillMethod {
    /// Runs the command `rebuild`.
    Rebuild,
    /// Empties the index and runs this statement.
    Select(String),
    /// The method cannot be determined, because a trigger writes the index in a way that is not supported.
    Unknown { trigger: String, table: String },
}

/// Reads the triggers that write an index and determines how a restore fills it.
pub(super) fn fill_method(
    connection: &Connection,
    catalog: &Catalog,
    index: &ExternalIndex,
) -> Result<FillMethod> {
    let writers = triggers_that_write(connection, catalog, index)?;
    let mut statement = connection.prepare_cached(
        "SELECT name, tbl_name, sql FROM main.sqlite_schema WHERE type = 'trigger' ORDER BY name",
    )?;
    let mut rows = statement.query([])?;
    let mut triggers = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, table, sql): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let tokens = tokens(&sql);
        if !tokens.iter().any(|token| is_index_name(token, index)) || !writers.may_include(&name, &table) {
            continue;
        }
        match parse_trigger(name.clone(), table.clone(), &sql, &tokens, index) {
            Some(trigger) if trigger.event == Event::Delete || trigger.steps.is_empty() => {}
            Some(trigger) => triggers.push(trigger),
            None => return Ok(FillMethod::Unknown { trigger: name, table }),
        }
    }
    let count = "SELECT count(*) FROM pragma_table_info(?1)";
    let columns: i64 = connection.query_row(count, [&index.name], |row| row.get(0))?;
    Ok(decide(&triggers, index, usize::try_from(columns).unwrap_or(usize::MAX)))
}

/// Determines from the triggers of an index how a restore fills it. `columns` is the number of columns of the
/// index.
fn decide(triggers: &[Trigger], index: &ExternalIndex, columns: usize) -> FillMethod {
    let unknown = |trigger: &Trigger| FillMethod::Unknown {
        trigger: trigger.name.clone(),
        table: trigger.table.clone(),
    };
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
        [] => return triggers.first().map_or(FillMethod::Rebuild, unknown),
        [only] => *only,
        [_, (trigger, _), ..] => return unknown(trigger),
    };
    let has_other_steps = |trigger: &&Trigger| trigger.event == Event::Insert && trigger.steps.len() > 1;
    if let Some(trigger) = triggers.iter().find(has_other_steps) {
        return unknown(trigger);
    }
    let condition = conjunction(trigger.when.as_ref(), insertion.condition.as_ref(), "new");
    if let Some(trigger) = triggers.iter().find(|trigger| {
        trigger.event == Event::Update
            && !update_matches_insertion(trigger, triggers, insertion, condition.as_ref())
    }) {
        return unknown(trigger);
    }
    // Whether the inserted value is `new.column` for the index column `column`. The normalized value has
    // three tokens: `$ . column`.
    let is_same_column = |(column, value): &(String, String)| {
        matches!(column.as_str(), "rowid" | "docid" | "_rowid_" | "oid")
            || value.rsplit(' ').next() == Some(column.as_str()) && value.split(' ').count() == 3
    };
    let is_complete =
        insertion.pairs.len().checked_sub(1) == Some(columns) && insertion.pairs.iter().all(is_same_column);
    match (condition, insertion.source) {
        (None, _) if is_complete => FillMethod::Rebuild,
        (condition, Source::TriggerRow) if index.version == 5 => {
            let (name, table) = (quoted(&index.name), quoted(&trigger.table));
            let filter = condition.map(|condition| format!(" WHERE {}", condition.sql)).unwrap_or_default();
            let (columns, values) = (&insertion.columns, &insertion.values);
            FillMethod::Select(format!(
                "INSERT INTO main.{name} ({columns}) SELECT {values} FROM main.{table} AS new{filter}"
            ))
        }
        _ => unknown(trigger),
    }
}

/// Returns whether the index contains exactly the same rows after an update as after an insertion of the new
/// rows.
///
/// `trigger` fires on updates, `all` contains all triggers that write the index, `inserted` is the statement
/// of the trigger that fires on inserts, and `condition` is the condition of that statement.
fn update_matches_insertion(
    trigger: &Trigger,
    all: &[Trigger],
    inserted: &Insertion,
    condition: Option<&Condition>,
) -> bool {
    // The conditions under which the trigger removes the old row and adds the new row.
    let (mut removed, mut added) = (Vec::new(), Vec::new());
    for step in &trigger.steps {
        match step {
            Step::Insert(insertion) if insertion.pairs != inserted.pairs => return false,
            Step::Insert(insertion) => {
                added.push(conjunction(trigger.when.as_ref(), insertion.condition.as_ref(), "new"));
            }
            Step::Remove(condition) => {
                removed.push(conjunction(trigger.when.as_ref(), condition.as_ref(), "old"))
            }
            Step::NoContentChange => {}
            Step::UpdateInPlace => return condition.is_none() && trigger.steps.len() == 1,
        }
    }
    let Some(condition) = condition else {
        // Each removed row must be added again under the same condition, in this trigger or in another
        // trigger.
        let step_conditions = |update: &Trigger, is_added: bool| {
            let mut found = Vec::new();
            for step in &update.steps {
                match step {
                    Step::Insert(insertion) if is_added => {
                        found.push(conjunction(update.when.as_ref(), insertion.condition.as_ref(), ""))
                    }
                    Step::Remove(condition) if !is_added => {
                        found.push(conjunction(update.when.as_ref(), condition.as_ref(), ""))
                    }
                    _ => {}
                }
            }
            found
                .into_iter()
                .map(|condition| {
                    (update.update_columns.clone(), condition.map(|condition| condition.normalized))
                })
                .collect::<Vec<_>>()
        };
        let updates = || all.iter().filter(|other| other.event == Event::Update);
        let mut removals: Vec<_> = updates().flat_map(|update| step_conditions(update, false)).collect();
        let mut additions: Vec<_> = updates().flat_map(|update| step_conditions(update, true)).collect();
        removals.sort();
        additions.sort();
        return removals == additions;
    };
    // The trigger must fire on every update that may change the result of the condition.
    let words = condition.normalized.split(' ').collect::<Vec<_>>();
    let columns =
        words.windows(3).filter(|window| window[0] == "$" && window[1] == ".").map(|window| window[2]);
    let fires_on_all = trigger.update_columns.is_empty()
        || columns.clone().all(|column| trigger.update_columns.contains(column));
    let is_same = |other: &Option<Condition>| {
        other.as_ref().is_some_and(|other| other.normalized == condition.normalized)
    };
    let is_same_or_none = |other: &Option<Condition>| other.is_none() || is_same(other);
    let updates = || all.iter().filter(|other| other.event == Event::Update);
    let has_step = |is_wanted: fn(&Step) -> bool| updates().any(|other| other.steps.iter().any(is_wanted));
    fires_on_all
        && removed.iter().all(is_same_or_none)
        && added.iter().all(is_same)
        && has_step(|step| matches!(step, Step::Insert(_)))
        && has_step(|step| matches!(step, Step::Remove(_)))
}

/// Returns the conjunction of two conditions. In its normalized form, `$` replaces `row`, the alias of the
/// row in the trigger (`new` or `old`).
fn conjunction(one: Option<&Condition>, other: Option<&Condition>, row: &str) -> Option<Condition> {
    let with_placeholder = |normalized: &str| normalized.replace(&format!("{row} . "), "$ . ");
    let conditions: Vec<&Condition> = one.into_iter().chain(other).collect();
    (!conditions.is_empty()).then(|| {
        let sql = conditions.iter().map(|condition| format!("({})", condition.sql));
        let normalized = conditions.iter().map(|condition| with_placeholder(&condition.normalized));
        Condition {
            sql: sql.collect::<Vec<_>>().join(" AND "),
            normalized: normalized.collect::<Vec<_>>().join(" and "),
        }
    })
}
