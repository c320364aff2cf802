//! Determines without writing which constraints and indexes a restore would suspend.

use std::collections::BTreeMap;

use koan_backup_core::Result;
use koan_backup_core::provider::{Finding, Severity, SuspendedKind};
use tokio_postgres::types::Oid;

use super::super::connection::Connection;
use super::super::error::failed;
use super::extent::Extent;
use super::foreign_key_actions::{self, ForeignKeyConstraint, ForeignKeySuspension};
use super::indexes::Index;
use super::target::Target;
use super::unique::Unique;
use koan_backup_sql::findings;
use koan_backup_sql::identifier::listed;

/// The foreign keys of the added targets, and how a restore would suspend each of them. A restore decides how
/// to suspend a foreign key at the first target that is its referencing or its referenced table.
#[derive(Debug, Default)]
pub(in super::super) struct SuspensionPreview {
    references: BTreeMap<Oid, Option<ForeignKeySuspension>>,
}

impl SuspensionPreview {
    /// Adds the next target of the restore. Returns the findings about the constraints and indexes that the
    /// restore would suspend or leave active.
    pub(in super::super) async fn add(
        &mut self,
        connection: &Connection,
        target: &Target,
        extent: Extent,
    ) -> Result<Vec<Finding>> {
        let (entity, table) = (target.entity.name(), &target.mapping.table);
        let operation = format!("reading the constraints of table `{}`", table.display_name);
        let (mut dropped, mut deferred, mut not_suspended) = (Vec::new(), Vec::new(), Vec::new());
        let parent_has_unique = Unique::any_besides_key(&Unique::all(connection, target).await?);
        for row in foreign_key_actions::rows(connection, table.oid, &operation).await? {
            let mut reference =
                ForeignKeyConstraint::from_row(&row).map_err(|error| failed(&operation, &error))?;
            if reference.parent == table.oid {
                reference.parent_has_unique = parent_has_unique;
            }
            if self.references.contains_key(&reference.oid) {
                continue;
            }
            let suspension = reference.suspension(extent);
            self.references.insert(reference.oid, suspension);
            let name = reference.plain_name;
            match suspension {
                Some(ForeignKeySuspension::Dropped) => dropped.push(name),
                Some(ForeignKeySuspension::Deferred) => deferred.push(name),
                None if extent.keeps_constraints && !reference.is_deferrable => not_suspended.push(name),
                None => {}
            }
        }
        let dropped_oids = self
            .references
            .iter()
            .filter(|(_, suspension)| **suspension == Some(ForeignKeySuspension::Dropped));
        let dropped_oids: Vec<Oid> = dropped_oids.map(|(oid, _)| *oid).collect();
        let indexes = Index::droppable(connection, table, extent, &dropped_oids, &operation).await?;
        let names = |kind| {
            indexes.iter().filter(move |index| index.kind == kind).map(|index| index.plain_name.as_str())
        };
        let mut findings = Vec::new();
        findings.extend(findings::of_suspended_indexes(
            entity,
            &table.display_name,
            names(SuspendedKind::Index),
        ));
        let dropped = dropped.iter().map(String::as_str).chain(names(SuspendedKind::Constraint));
        let mut add = |severity, names: String, text: String| {
            if !names.is_empty() {
                findings.push(Finding::new(severity, entity, text));
            }
        };
        let (table_name, names) = (&table.display_name, listed(dropped));
        let text = format!(
            "constraints {names}, which belong to table `{table_name}` or refer to it, are dropped and added \
             again before the commit; use `.keep_constraints()` to leave them unchanged"
        );
        add(Severity::Note, names, text);
        let names = listed(deferred.iter().map(String::as_str));
        let text = format!(
            "foreign keys {names}, which belong to table `{table_name}` or refer to it, are checked at the end \
             of the restore; use `.keep_constraints()` to leave them unchanged"
        );
        add(Severity::Note, names, text);
        let names = listed(not_suspended.iter().map(String::as_str));
        let text = format!(
            "foreign keys {names}, which belong to table `{table_name}` or refer to it, are checked at each \
             statement, because of `keep_constraints`: a record must come after the records that it refers \
             to, and a row that other rows refer to cannot be deleted"
        );
        add(Severity::Warning, names, text);
        Ok(findings)
    }
}
