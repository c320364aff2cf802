//! What is taken out of the way of a restore and put back before the commit: triggers, rules, foreign keys, indexes.
//!
//! Everything is in the transaction, so that a restore that ends in any other way leaves all as it was.

use std::collections::BTreeMap;

use koan_backup_core::{
    ConflictMode, Error, ErrorKind, RestoreLevel, Result, entity::EntityCodec, provider::SessionOptions,
};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Oid;

use super::super::catalog::{Catalog, Table, TableKind};
use super::super::connection::Connection;
use super::super::error::failed;
use super::super::literal::literal;
use super::super::mapping::Mapping;
use super::acting::{self, Reference};
use super::balance::Interference;
use super::indexes::Index;
use super::references::{ForeignKey, Instead};
use super::rules;
use super::target::Target;
use super::unique::Unique;
use koan_backup_sql::identifier::quoted;

/// What was done, and how it is undone.
#[derive(Debug, Default)]
pub(super) struct Suspended {
    /// Whether triggers may act that cannot be silenced.
    pub(super) interference: Interference,
    /// Foreign keys that were looked at.
    references: BTreeMap<Oid, Suspension>,
    /// Those of them whose rows can be looked for.
    foreign_keys: Vec<ForeignKey>,
    /// What keeps the rows of targets apart once indexes are back and deferred constraints are checked.
    unique: Vec<Unique>,
    /// Statements that put indexes back.
    indexes: Vec<PutBack>,
    /// Statements that put triggers and numbered columns back.
    tables: Vec<PutBack>,
    /// Statements that put foreign keys back.
    constraints: Vec<PutBack>,
}

/// A statement that puts something back.
#[derive(Debug)]
pub(super) struct PutBack {
    pub(super) what: String,
    pub(super) sql: String,
}

/// Whether a foreign key still acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Suspension {
    /// It was dropped, and is added again at the end.
    Dropped,
    /// It is there, deferred perhaps.
    Kept,
}

/// How far a target goes.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Extent {
    pub(in super::super) level: RestoreLevel,
    /// All of its rows come from the archive.
    pub(in super::super) is_bulk: bool,
    /// Rows that are not in the archive go, in this table and others.
    pub(in super::super) replaces: bool,
    /// Rows go that others may refer to.
    pub(in super::super) deletes: bool,
    /// Rows that are there are written again, if they differ.
    pub(in super::super) updates: bool,
    /// The same for any table of the restore.
    pub(in super::super) overwrites: bool,
}

impl Extent {
    /// How far a restore goes in a table that is empty or not.
    pub(in super::super) fn of(options: &SessionOptions, is_empty: bool) -> Self {
        let replaces = options.replace_existing;
        let overwrites = !replaces && options.conflict == ConflictMode::Overwrite;
        Self {
            level: options.level,
            is_bulk: is_empty || replaces,
            replaces,
            deletes: replaces && !is_empty,
            updates: overwrites && !is_empty,
            overwrites,
        }
    }
}

/// Triggers that would fire, of the table and its partitions.
pub(in super::super) const TRIGGERS: &str = "
    SELECT n.nspname::text, c.relname::text, t.tgname::text, t.tgenabled::text,
           pg_catalog.pg_has_role(c.relowner, 'USAGE')
    FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'
      AND (c.oid = $1 OR c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree($1::oid::regclass)))
    ORDER BY 1, 2, 3";

impl Suspended {
    /// Nothing yet.
    pub(super) async fn begin(connection: &Connection) -> Result<Self> {
        Ok(Self { interference: Interference::of(connection).await?, ..Self::default() })
    }

    /// Takes what is in the way of a target out of it, as far as the role may.
    pub(super) async fn suspend(
        &mut self,
        connection: &Connection,
        target: &Target,
        extent: Extent,
    ) -> Result<()> {
        let table = &target.mapping.table;
        let what = format!("preparing table `{}`", table.display_name);
        let rules = rules::disable(connection, table, &what).await?;
        self.tables.extend(rules);
        if table.is_owned {
            self.silence_triggers(connection, table, &what).await?;
        }
        let unique = Unique::all(connection, target).await?;
        // By these, values may be passed on between rows that are there.
        let has_unique = unique.iter().any(|unique| unique.is_immediate && !unique.is_key());
        self.unique.extend(unique);
        self.free_identities(connection, target, extent, &what).await?;
        for row in acting::rows(connection, table.oid, &what).await? {
            let mut reference = Reference::of(&row).map_err(|error| failed(&what, &error))?;
            if reference.parent == table.oid {
                reference.parent_has_unique = has_unique;
            }
            let suspension = match self.references.get(&reference.oid) {
                Some(known) => *known,
                None => {
                    let foreign_key = ForeignKey::of(&row, acting::FOREIGN_KEY);
                    self.foreign_keys.extend(foreign_key.map_err(|error| failed(&what, &error))?);
                    let suspension = self.loosen(connection, &reference, extent, &what).await?;
                    self.references.insert(reference.oid, suspension);
                    suspension
                }
            };
            if suspension == Suspension::Kept
                && let Some(refusal) = reference.refusal(target, extent)
            {
                return Err(Error::new(ErrorKind::Unsupported, refusal));
            }
        }
        // Rebuilding an index costs more than keeping it up when a few records join many.
        if extent.level == RestoreLevel::Fast
            && extent.is_bulk
            && table.is_owned
            && table.kind == TableKind::Table
        {
            let indexes = Index::droppable(connection, table, &what).await?;
            if indexes.is_empty() || !is_alone(connection, table, &what).await? {
                return Ok(());
            }
            for index in indexes {
                connection.run(&what, &index.drop).await?;
                self.indexes
                    .push(PutBack { what: format!("rebuilding index {}", index.name), sql: index.create });
            }
        }
        Ok(())
    }

    async fn silence_triggers(&mut self, connection: &Connection, table: &Table, what: &str) -> Result<()> {
        let rows = connection.client.query(TRIGGERS, &[&table.oid]).await;
        for row in rows.map_err(|error| failed(what, &error))? {
            let read = |index| row.try_get::<_, String>(index).map_err(|error| failed(what, &error));
            // A partition may belong to another role: its triggers fire.
            if !row.try_get::<_, bool>(4).map_err(|error| failed(what, &error))? {
                continue;
            }
            let (schema, relation, trigger, state) = (read(0)?, read(1)?, quoted(&read(2)?), read(3)?);
            let relation = format!("{}.{}", quoted(&schema), quoted(&relation));
            connection.run(what, &format!("ALTER TABLE ONLY {relation} DISABLE TRIGGER {trigger}")).await?;
            let state = match state.as_str() {
                "R" => "ENABLE REPLICA",
                "A" => "ENABLE ALWAYS",
                _ => "ENABLE",
            };
            self.tables.push(PutBack {
                what: format!("switching trigger {trigger} of table `{}` on again", table.display_name),
                sql: format!("ALTER TABLE ONLY {relation} {state} TRIGGER {trigger}"),
            });
        }
        Ok(())
    }

    /// Columns that number rows by themselves take the archive's numbers by COPY and INSERT, but not by UPDATE.
    async fn free_identities(
        &mut self,
        connection: &Connection,
        target: &Target,
        extent: Extent,
        what: &str,
    ) -> Result<()> {
        let table = &target.mapping.table;
        if let Some(refusal) = target.refusing_identity(extent) {
            return Err(Error::new(ErrorKind::Unsupported, refusal));
        }
        for column in target.stubborn_columns(extent) {
            let alter = |to: &str| {
                format!(
                    "ALTER TABLE {} ALTER COLUMN {} SET GENERATED {to}",
                    table.quoted(),
                    quoted(&column.name)
                )
            };
            connection.run(what, &alter("BY DEFAULT")).await?;
            self.tables.push(PutBack {
                what: format!("putting column `{}` of table `{}` back", column.name, table.display_name),
                sql: alter("ALWAYS"),
            });
        }
        Ok(())
    }

    /// Has a foreign key wait until the end: by dropping it, where all its rows change or it would change rows itself,
    /// else by deferring it.
    async fn loosen(
        &mut self,
        connection: &Connection,
        reference: &Reference,
        extent: Extent,
        what: &str,
    ) -> Result<Suspension> {
        let Reference { name, child, .. } = reference;
        if !reference.is_ours() {
            return Ok(Suspension::Kept);
        }
        // The table referred to may be a later target. Rows that swap unique values are removed and inserted again.
        let removes = extent.replaces || (extent.overwrites && reference.parent_has_unique);
        let may_act = reference.on_update != "a" || (removes && reference.on_delete != "a");
        // One that was never validated may have had rows that break it, which come back.
        let is_better = extent.is_bulk && (extent.level == RestoreLevel::Fast || !reference.is_validated);
        if may_act || is_better {
            connection.run(what, &format!("ALTER TABLE {child} DROP CONSTRAINT {name}")).await?;
            let mut sql = format!("ALTER TABLE {child} ADD CONSTRAINT {name} {}", reference.definition);
            if let Some(comment) = &reference.comment {
                sql.push_str(&format!("; COMMENT ON CONSTRAINT {name} ON {child} IS {}", literal(comment)));
            }
            self.constraints.push(PutBack { what: format!("checking foreign key {name} of {child}"), sql });
            return Ok(Suspension::Dropped);
        }
        if !reference.is_deferrable {
            let alter = |to: &str| format!("ALTER TABLE {child} ALTER CONSTRAINT {name} {to}");
            connection.run(what, &alter("DEFERRABLE INITIALLY DEFERRED")).await?;
            self.constraints.push(PutBack {
                what: format!("checking foreign key {name} of {child}"),
                sql: alter("NOT DEFERRABLE"),
            });
        }
        Ok(Suspension::Kept)
    }

    /// Whether no foreign key refers to the table any more, which TRUNCATE asks for.
    pub(super) async fn let_go_of(&self, connection: &Connection, table: &Table) -> Result<bool> {
        let referring = format!(
            "SELECT pg_catalog.count(*) FROM pg_catalog.pg_constraint WHERE contype = 'f' AND confrelid = {}::oid",
            table.oid
        );
        Ok(connection.number(&format!("preparing table `{}`", table.display_name), &referring).await? == 0)
    }

    /// The error of the first unique index that has a key twice, or foreign key under which rows point nowhere, if there is one.
    pub(super) async fn broken(
        &self,
        connection: &Connection,
        catalog: &Catalog,
        written: &[(EntityCodec, Mapping)],
    ) -> Result<Option<Error>> {
        // Comparing every row with every other for an exclusion constraint is worth it only where that was not checked before.
        for unique in self.unique.iter().filter(|unique| !unique.is_exclusion() || !unique.is_immediate) {
            if let Some(error) = unique.broken(connection).await? {
                return Ok(Some(error));
            }
        }
        for foreign_key in &self.foreign_keys {
            if let Some(error) = foreign_key.broken(connection, catalog, written, Instead::default()).await? {
                return Ok(Some(error));
            }
        }
        Ok(None)
    }

    /// Puts everything back as it was.
    pub(super) async fn put_back(&mut self, connection: &Connection) -> Result<()> {
        // Indexes whose definition names no tablespace were in that of the database.
        connection.run("rebuilding indexes", "SET LOCAL default_tablespace = ''").await?;
        let all = self.indexes.drain(..).chain(self.tables.drain(..)).chain(self.constraints.drain(..));
        for PutBack { what, sql } in all {
            connection.run(&what, &sql).await?;
        }
        Ok(())
    }
}

/// Locks a table for this transaction alone, if nobody works with it: an index that others may read cannot be dropped, and a backup
/// that is under way is not waited for.
async fn is_alone(connection: &Connection, table: &Table, what: &str) -> Result<bool> {
    connection.run(what, "SAVEPOINT koan_alone").await?;
    let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE NOWAIT", table.quoted());
    match connection.client.batch_execute(&lock).await {
        Ok(()) => connection.run(what, "RELEASE SAVEPOINT koan_alone").await.map(|()| true),
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            let back = "ROLLBACK TO SAVEPOINT koan_alone; RELEASE SAVEPOINT koan_alone";
            connection.run(what, back).await.map(|()| false)
        }
        Err(error) => Err(failed(what, &error)),
    }
}
