//! Suspends triggers, rules, foreign keys and indexes during a restore, and puts them back before the commit.
//!
//! All of this happens within the transaction, so a restore that fails leaves the database unchanged.

use std::collections::BTreeMap;
use std::time::Instant;

use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::EntityCodec,
    provider::{SuspendedKind, SuspendedObject},
};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Oid;

use super::super::catalog::{Catalog, Table};
use super::super::connection::Connection;
use super::super::error::failed;
use super::super::literal::literal;
use super::super::mapping::Mapping;
use super::extent::Extent;
use super::foreign_key_actions::{self, ForeignKeyConstraint, ForeignKeySuspension};
use super::indexes::Index;
use super::interference::Interference;
use super::references::{ForeignKey, SubstituteRows};
use super::rules;
use super::suspended_work::PutBackStatement;
use super::target::Target;
use super::triggers::TRIGGERS;
use super::unique::Unique;
use koan_backup_sql::identifier::quoted;

/// The suspended objects of a restore, and how they are put back.
#[derive(Debug, Default)]
pub(super) struct Suspended {
    /// Whether triggers that cannot be disabled may fire.
    pub(super) interference: Interference,
    /// The foreign keys that were examined, and how each is suspended.
    references: BTreeMap<Oid, Option<ForeignKeySuspension>>,
    /// The examined foreign keys whose violating rows can be found.
    foreign_keys: Vec<ForeignKey>,
    /// The unique and exclusion constraints of the targets, which must be satisfied at the end.
    unique: Vec<Unique>,
    /// The dropped indexes.
    indexes: Vec<PutBackStatement>,
    /// The disabled triggers and rules, and the altered identity columns.
    tables: Vec<PutBackStatement>,
    /// The dropped or altered foreign keys.
    constraints: Vec<PutBackStatement>,
}

impl Suspended {
    /// Creates the state of a restore that has not suspended any object.
    pub(super) async fn begin(connection: &Connection) -> Result<Self> {
        Ok(Self { interference: Interference::detect(connection).await?, ..Self::default() })
    }

    /// Suspends the objects that would change, refuse or slow down the records of a target, as far as the
    /// role and the options permit.
    pub(super) async fn suspend(
        &mut self,
        connection: &Connection,
        catalog: &Catalog,
        target: &Target,
        extent: Extent,
    ) -> Result<()> {
        let table = &target.mapping.table;
        let operation = format!("preparing table `{}`", table.display_name);
        self.suspend_triggers_and_rules(connection, table, &operation).await?;
        let unique = Unique::all(connection, target).await?;
        // If there are other unique constraints than that of the key, a record may contain a unique value
        // that another row has.
        let has_unique = Unique::any_besides_key(&unique);
        self.unique.extend(unique);
        self.allow_identity_updates(connection, target, extent, &operation).await?;
        for row in foreign_key_actions::rows(connection, table.oid, &operation).await? {
            let mut reference =
                ForeignKeyConstraint::from_row(&row).map_err(|error| failed(&operation, &error))?;
            if reference.parent == table.oid {
                reference.parent_has_unique = has_unique;
            }
            let suspension = match self.references.get(&reference.oid) {
                Some(known) => *known,
                None => {
                    let foreign_key = ForeignKey::from_row(&row, foreign_key_actions::FOREIGN_KEY);
                    self.foreign_keys.extend(foreign_key.map_err(|error| failed(&operation, &error))?);
                    let suspension = reference.suspension(extent);
                    if let Some(suspension) = suspension {
                        self.suspend_reference(connection, catalog, &reference, suspension, &operation)
                            .await?;
                    }
                    self.references.insert(reference.oid, suspension);
                    suspension
                }
            };
            if suspension != Some(ForeignKeySuspension::Dropped)
                && let Some(refusal) = reference.refusal(target, extent)
            {
                return Err(Error::new(ErrorKind::Unsupported, refusal));
            }
        }
        let indexes = Index::droppable(connection, table, extent, &[], &operation).await?;
        if indexes.is_empty() || !lock_exclusively(connection, table, &operation).await? {
            return Ok(());
        }
        for index in indexes {
            connection.run(&operation, &index.drop).await?;
            self.indexes.push(PutBackStatement {
                kind: index.kind,
                name: index.plain_name,
                table: table.display_name.clone(),
                operation: format!("rebuilding index {}", index.name),
                sql: index.create,
            });
        }
        Ok(())
    }

    /// Disables the rules of a table, and its triggers as far as the role can.
    ///
    /// # Errors
    /// The role cannot disable a rule that applies.
    pub(super) async fn suspend_triggers_and_rules(
        &mut self,
        connection: &Connection,
        table: &Table,
        operation: &str,
    ) -> Result<()> {
        let rules = rules::disable(connection, table, operation).await?;
        self.tables.extend(rules);
        match table.is_owned {
            true => self.disable_triggers(connection, table, operation).await,
            false => Ok(()),
        }
    }

    async fn disable_triggers(
        &mut self,
        connection: &Connection,
        table: &Table,
        operation: &str,
    ) -> Result<()> {
        let rows = connection.client.query(TRIGGERS, &[&table.oid]).await;
        for row in rows.map_err(|error| failed(operation, &error))? {
            let read = |index| row.try_get::<_, String>(index).map_err(|error| failed(operation, &error));
            // A partition may belong to another role, which alone can disable its triggers.
            if !row.try_get::<_, bool>(4).map_err(|error| failed(operation, &error))? {
                continue;
            }
            let (schema, relation, name, state) = (read(0)?, read(1)?, read(2)?, read(3)?);
            let trigger = quoted(&name);
            let relation = format!("{}.{}", quoted(&schema), quoted(&relation));
            connection
                .run(operation, &format!("ALTER TABLE ONLY {relation} DISABLE TRIGGER {trigger}"))
                .await?;
            let state = match state.as_str() {
                "R" => "ENABLE REPLICA",
                "A" => "ENABLE ALWAYS",
                _ => "ENABLE",
            };
            self.tables.push(PutBackStatement {
                kind: SuspendedKind::Trigger,
                name,
                table: table.display_name.clone(),
                operation: format!("enabling trigger {trigger} of table `{}` again", table.display_name),
                sql: format!("ALTER TABLE ONLY {relation} {state} TRIGGER {trigger}"),
            });
        }
        Ok(())
    }

    /// Alters columns that are GENERATED ALWAYS AS IDENTITY, so that an UPDATE can write them. COPY and
    /// INSERT can write such columns without this change.
    async fn allow_identity_updates(
        &mut self,
        connection: &Connection,
        target: &Target,
        extent: Extent,
        operation: &str,
    ) -> Result<()> {
        let table = &target.mapping.table;
        if let Some(refusal) = target.refusing_identity(extent) {
            return Err(Error::new(ErrorKind::Unsupported, refusal));
        }
        for column in target.updated_identity_columns(extent) {
            let alter = |to: &str| {
                format!(
                    "ALTER TABLE {} ALTER COLUMN {} SET GENERATED {to}",
                    table.quoted(),
                    quoted(&column.name)
                )
            };
            connection.run(operation, &alter("BY DEFAULT")).await?;
            self.tables.push(PutBackStatement {
                kind: SuspendedKind::IdentityColumn,
                name: column.name.clone(),
                table: table.display_name.clone(),
                operation: format!(
                    "setting column `{}` of table `{}` to GENERATED ALWAYS again",
                    column.name, table.display_name
                ),
                sql: alter("ALWAYS"),
            });
        }
        Ok(())
    }

    /// Drops a foreign key, or defers its check to the end.
    async fn suspend_reference(
        &mut self,
        connection: &Connection,
        catalog: &Catalog,
        reference: &ForeignKeyConstraint,
        suspension: ForeignKeySuspension,
        operation: &str,
    ) -> Result<()> {
        let ForeignKeyConstraint { name, child, .. } = reference;
        let sql = match suspension {
            ForeignKeySuspension::Dropped => {
                connection.run(operation, &format!("ALTER TABLE {child} DROP CONSTRAINT {name}")).await?;
                let mut sql = format!("ALTER TABLE {child} ADD CONSTRAINT {name} {}", reference.definition);
                if let Some(comment) = &reference.comment {
                    let comment = literal(comment);
                    sql.push_str(&format!("; COMMENT ON CONSTRAINT {name} ON {child} IS {comment}"));
                }
                sql
            }
            ForeignKeySuspension::Deferred => {
                let alter = |to: &str| format!("ALTER TABLE {child} ALTER CONSTRAINT {name} {to}");
                connection.run(operation, &alter("DEFERRABLE INITIALLY DEFERRED")).await?;
                alter("NOT DEFERRABLE")
            }
        };
        self.constraints.push(PutBackStatement {
            kind: SuspendedKind::Constraint,
            name: reference.plain_name.clone(),
            table: catalog.table_display_name(reference.child_oid).unwrap_or(child).to_owned(),
            operation: format!("checking foreign key {name} of {child}"),
            sql,
        });
        Ok(())
    }

    /// Returns whether no foreign key refers to the table, as TRUNCATE requires.
    pub(super) async fn is_unreferenced(&self, connection: &Connection, table: &Table) -> Result<bool> {
        let referring = format!(
            "SELECT pg_catalog.count(*) FROM pg_catalog.pg_constraint WHERE contype = 'f' AND confrelid = {}::oid",
            table.oid
        );
        Ok(connection.number(&format!("preparing table `{}`", table.display_name), &referring).await? == 0)
    }

    /// Returns the error for the first violated unique or exclusion constraint, or for the first foreign key
    /// with dangling references. Returns `None` if there is no violation.
    pub(super) async fn violation(
        &self,
        connection: &Connection,
        catalog: &Catalog,
        written: &[(EntityCodec, Mapping)],
    ) -> Result<Option<Error>> {
        // The search for violations of an exclusion constraint compares every row with every other row. It is
        // omitted for an immediate constraint, which the server checked at each statement.
        for unique in self.unique.iter().filter(|unique| !unique.is_exclusion() || !unique.is_immediate) {
            if let Some(error) = unique.violation(connection).await? {
                return Ok(Some(error));
            }
        }
        for foreign_key in &self.foreign_keys {
            let current_rows = SubstituteRows::default();
            if let Some(error) = foreign_key.violation(connection, catalog, written, current_rows).await? {
                return Ok(Some(error));
            }
        }
        Ok(None)
    }

    /// Puts all suspended objects back, and returns them.
    pub(super) async fn put_back(&mut self, connection: &Connection) -> Result<Vec<SuspendedObject>> {
        // Indexes whose definition contains no tablespace were in the default tablespace of the database.
        connection.run("rebuilding indexes", "SET LOCAL default_tablespace = ''").await?;
        let all = self.indexes.drain(..).chain(self.tables.drain(..)).chain(self.constraints.drain(..));
        let mut put_back = Vec::new();
        for PutBackStatement { kind, name, table, operation, sql } in all {
            let started = Instant::now();
            connection.run(&operation, &sql).await?;
            put_back.push(SuspendedObject::put_back(kind, name, table, started));
        }
        Ok(put_back)
    }
}

/// Locks a table exclusively if no other session uses it, and returns whether it is locked. Dropping an index
/// needs this lock. The call does not wait for another session, for example a backup that reads the table.
async fn lock_exclusively(connection: &Connection, table: &Table, operation: &str) -> Result<bool> {
    connection.run(operation, "SAVEPOINT koan_alone").await?;
    let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE NOWAIT", table.quoted());
    match connection.client.batch_execute(&lock).await {
        Ok(()) => connection.run(operation, "RELEASE SAVEPOINT koan_alone").await.map(|()| true),
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            let back = "ROLLBACK TO SAVEPOINT koan_alone; RELEASE SAVEPOINT koan_alone";
            connection.run(operation, back).await.map(|()| false)
        }
        Err(error) => Err(failed(operation, &error)),
    }
}
