//! Advances sequences, so that rows inserted after a restore get numbers that were not issued before.

use koan_backup_core::Result;
use tokio_postgres::types::Oid;

use super::super::catalog::Table;
use super::super::connection::Connection;
use super::super::error::failed;
use super::super::literal::literal;
use super::super::sequence::{Sequence, SequenceState, SequenceUse, Sequences};
use koan_backup_sql::identifier::quoted;

/// The position of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    last_value: i64,
    is_called: bool,
}

/// Advances the sequences of a table to the position in the archive or to the position of the rows, whichever
/// is further. A sequence is never moved back.
///
/// The owner of a sequence alters it first, so that the change is rolled back with the transaction and no
/// other session gets numbers in between. Other roles can only call `setval`, which is not rolled back: if
/// the transaction does not commit, such a sequence skips numbers.
pub(super) async fn advance(connection: &Connection, table: &Table, states: &[SequenceState]) -> Result<()> {
    let sequences = Sequences::read(connection, &[table]).await?.all;
    let mut examined: Vec<Oid> = Vec::new();
    for sequence in &sequences {
        if examined.contains(&sequence.oid) {
            continue;
        }
        examined.push(sequence.oid);
        // Only a function uses this sequence, and the function may run with the privileges of another role.
        // Viability warns that the sequence is not advanced.
        if !sequence.may_advance
            && !sequences.iter().any(|other| other.oid == sequence.oid && other.is_needed())
        {
            continue;
        }
        // Several columns may get their numbers from the same sequence.
        let uses: Vec<&Sequence> = sequences.iter().filter(|other| other.oid == sequence.oid).collect();
        let recorded: Vec<Position> = uses
            .iter()
            .filter_map(|used| used.recorded(states))
            .map(|state| Position { last_value: state.last_value, is_called: state.is_called })
            .filter(|position| (sequence.min..=sequence.max).contains(&position.last_value))
            .collect();
        let mut wanted = recorded.clone();
        // The rows do not show the position of a sequence that has cycled.
        if !sequence.cycles || recorded.is_empty() {
            for used in uses.iter().filter(|used| used.usage == SequenceUse::Direct) {
                wanted.extend(furthest_in_column(connection, table, used).await?);
            }
        }
        let Some(furthest) = wanted.into_iter().reduce(|one, other| sequence.further(one, other)) else {
            continue;
        };
        advance_to(connection, table, sequence, furthest).await?;
    }
    Ok(())
}

/// Reads the maximum of the column within the bounds of its sequence, or the minimum for a descending
/// sequence. Returns `None` if no value is within the bounds.
async fn furthest_in_column(
    connection: &Connection,
    table: &Table,
    sequence: &Sequence,
) -> Result<Option<Position>> {
    let Some(column) = &sequence.column else { return Ok(None) };
    let furthest = if sequence.is_ascending { "max" } else { "min" };
    let column = quoted(column);
    // The query includes child tables, because they use the same sequence.
    let query = format!(
        "SELECT pg_catalog.trunc(pg_catalog.{furthest}({column})::pg_catalog.numeric)::pg_catalog.int8 FROM {} \
         WHERE {column} BETWEEN {} AND {}",
        table.quoted(),
        sequence.min,
        sequence.max,
    );
    let operation = format!(
        "reading the last number of sequence `{}` that table `{}` contains",
        sequence.name, table.display_name
    );
    let row = connection.client.query_one(&query, &[]).await.map_err(|error| failed(&operation, &error))?;
    let number: Option<i64> = row.try_get(0).map_err(|error| failed(&operation, &error))?;
    Ok(number.map(|last_value| Position { last_value, is_called: true }))
}

async fn advance_to(
    connection: &Connection,
    table: &Table,
    sequence: &Sequence,
    furthest: Position,
) -> Result<()> {
    let operation = format!("advancing sequence `{}` of table `{}`", sequence.name, table.display_name);
    let name = sequence.quoted();
    if sequence.further(position(connection, &name, &operation).await?, furthest) != furthest {
        return Ok(());
    }
    if sequence.is_owned {
        // This statement changes nothing, but takes the lock of ALTER SEQUENCE (SHARE ROW EXCLUSIVE). It
        // waits for open transactions that have called `nextval`, and prevents other sessions from calling
        // `nextval` until the commit. The statement gives the sequence a new file that belongs to this
        // transaction, so `setval` is rolled back as well.
        connection.run(&operation, &format!("ALTER SEQUENCE {name} MINVALUE {}", sequence.min)).await?;
        // Other sessions may have called `nextval` before this transaction got the lock.
        if sequence.further(position(connection, &name, &operation).await?, furthest) != furthest {
            return Ok(());
        }
    }
    let Position { last_value, is_called } = furthest;
    let is_behind = match (sequence.is_ascending, is_called) {
        (true, true) => format!("(last_value, is_called) < ({last_value}, true)"),
        (true, false) => format!("last_value < {last_value}"),
        (false, true) => format!(
            "(-last_value::pg_catalog.numeric, is_called) < (-({last_value})::pg_catalog.numeric, true)"
        ),
        (false, false) => format!("last_value > {last_value}"),
    };
    // A role that is not the owner cannot lock the sequence, so the statement that advances it also reads it.
    let set = format!(
        "SELECT pg_catalog.setval({}::regclass, {last_value}, {is_called}) FROM {name} WHERE {is_behind}",
        literal(&name)
    );
    connection.run(&operation, &set).await
}

/// Reads the position of a sequence.
async fn position(connection: &Connection, name: &str, operation: &str) -> Result<Position> {
    let current = format!("SELECT last_value, is_called FROM {name}");
    let row = connection.client.query_one(&current, &[]).await.map_err(|error| failed(operation, &error))?;
    let read = || {
        Ok::<_, tokio_postgres::Error>(Position { last_value: row.try_get(0)?, is_called: row.try_get(1)? })
    };
    read().map_err(|error| failed(operation, &error))
}

impl Sequence {
    /// Returns the further of two positions, or the first if they are equal.
    fn further(&self, one: Position, other: Position) -> Position {
        let rank = |position: Position| {
            let value = i128::from(position.last_value);
            (if self.is_ascending { value } else { -value }, position.is_called)
        };
        if rank(other) > rank(one) { other } else { one }
    }
}
