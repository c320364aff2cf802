//! Moves sequences on, so that what is inserted after a restore gets a number that was never issued.

use koan_backup_core::Result;
use tokio_postgres::types::Oid;

use super::super::catalog::Table;
use super::super::connection::Connection;
use super::super::error::failed;
use super::super::literal::literal;
use super::super::sequence::{Sequence, SequenceState, SequenceUse, Sequences};
use koan_backup_sql::identifier::quoted;

/// Where a sequence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    last_value: i64,
    is_called: bool,
}

/// Moves the sequences of a table to where the archive says that they stood, or to what the rows hold, whichever is further,
/// and never back.
///
/// Whoever owns a sequence alters it first, so that the change is undone with the transaction, and so that no other session takes
/// numbers in between. `setval` alone is not, but it is all that others may call: if the server or this process dies before the commit,
/// such a sequence leaves numbers out.
pub(super) async fn move_on(connection: &Connection, table: &Table, states: &[SequenceState]) -> Result<()> {
    let sequences = Sequences::of(connection, &[table]).await?.all;
    let mut done: Vec<Oid> = Vec::new();
    for sequence in &sequences {
        if done.contains(&sequence.oid) {
            continue;
        }
        done.push(sequence.oid);
        // A function takes numbers from it in its own right; viability warns that it stays where it is.
        if !sequence.may_move && !sequences.iter().any(|other| other.oid == sequence.oid && other.is_needed())
        {
            continue;
        }
        // Several columns may take their numbers from one sequence.
        let uses: Vec<&Sequence> = sequences.iter().filter(|other| other.oid == sequence.oid).collect();
        let recorded: Vec<Position> = uses
            .iter()
            .filter_map(|used| used.recorded(states))
            .map(|state| Position { last_value: state.last_value, is_called: state.is_called })
            .filter(|position| (sequence.min..=sequence.max).contains(&position.last_value))
            .collect();
        let mut wanted = recorded.clone();
        // The numbers of a sequence that has begun again do not tell how far it is.
        if !sequence.cycles || recorded.is_empty() {
            for used in uses.iter().filter(|used| used.usage == SequenceUse::Direct) {
                wanted.extend(held(connection, table, used).await?);
            }
        }
        let Some(furthest) = wanted.into_iter().reduce(|one, other| sequence.further(one, other)) else {
            continue;
        };
        go_to(connection, table, sequence, furthest).await?;
    }
    Ok(())
}

/// The furthest number of a sequence that a column holds.
async fn held(connection: &Connection, table: &Table, sequence: &Sequence) -> Result<Option<Position>> {
    let Some(column) = &sequence.column else { return Ok(None) };
    let furthest = if sequence.is_ascending { "max" } else { "min" };
    let column = quoted(column);
    // Tables that inherit take their numbers from the same sequence.
    let query = format!(
        "SELECT pg_catalog.trunc(pg_catalog.{furthest}({column})::pg_catalog.numeric)::pg_catalog.int8 FROM {} \
         WHERE {column} BETWEEN {} AND {}",
        table.quoted(),
        sequence.min,
        sequence.max,
    );
    let what = format!("looking how far sequence `{}` of table `{}` is", sequence.name, table.display_name);
    let row = connection.client.query_one(&query, &[]).await.map_err(|error| failed(&what, &error))?;
    let number: Option<i64> = row.try_get(0).map_err(|error| failed(&what, &error))?;
    Ok(number.map(|last_value| Position { last_value, is_called: true }))
}

async fn go_to(
    connection: &Connection,
    table: &Table,
    sequence: &Sequence,
    furthest: Position,
) -> Result<()> {
    let moving = format!("moving sequence `{}` of table `{}` on", sequence.name, table.display_name);
    let name = sequence.quoted();
    if sequence.further(position(connection, &name, &moving).await?, furthest) != furthest {
        return Ok(());
    }
    if sequence.is_owned {
        // Changes nothing, and takes the lock of ALTER SEQUENCE (SHARE ROW EXCLUSIVE): it waits for all who have taken numbers in a
        // transaction that is open, and keeps others from taking numbers until the commit. The numbers are in a file of this transaction
        // from here on, so that `setval` is undone with it.
        connection.run(&moving, &format!("ALTER SEQUENCE {name} MINVALUE {}", sequence.min)).await?;
        // Numbers may have been taken while the lock was waited for.
        if sequence.further(position(connection, &name, &moving).await?, furthest) != furthest {
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
    // Whoever does not own the sequence cannot lock it, so that it is read in the statement that moves it.
    let set = format!(
        "SELECT pg_catalog.setval({}::regclass, {last_value}, {is_called}) FROM {name} WHERE {is_behind}",
        literal(&name)
    );
    connection.run(&moving, &set).await
}

/// Where a sequence stands now.
async fn position(connection: &Connection, name: &str, moving: &str) -> Result<Position> {
    let current = format!("SELECT last_value, is_called FROM {name}");
    let row = connection.client.query_one(&current, &[]).await.map_err(|error| failed(moving, &error))?;
    let read = || {
        Ok::<_, tokio_postgres::Error>(Position { last_value: row.try_get(0)?, is_called: row.try_get(1)? })
    };
    read().map_err(|error| failed(moving, &error))
}

impl Sequence {
    /// The position behind which fewer numbers are left; the first of two that are the same.
    fn further(&self, one: Position, other: Position) -> Position {
        let rank = |position: Position| {
            let value = i128::from(position.last_value);
            (if self.is_ascending { value } else { -value }, position.is_called)
        };
        if rank(other) > rank(one) { other } else { one }
    }
}
