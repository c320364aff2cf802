//! Finds what a restore would suspend, without writing.

use std::collections::BTreeMap;

use koan_backup_core::Result;
use koan_backup_core::provider::{Finding, Severity, SuspendedKind};
use tokio_postgres::types::Oid;

use super::super::connection::Connection;
use super::super::error::failed;
use super::acting::{self, Reference, ReferenceSuspension};
use super::extent::Extent;
use super::indexes::Index;
use super::target::Target;
use super::unique::Unique;
use koan_backup_sql::findings;
use koan_backup_sql::identifier::listed;

/// The foreign keys that a restore would suspend for the targets that were added. A restore decides about
/// each foreign key with the first target that it concerns.
#[derive(Debug, Default)]
pub(in super::super) struct SuspensionPreview {
    references: BTreeMap<Oid, Option<ReferenceSuspension>>,
}

impl SuspensionPreview {
    /// Adds the next target of the restore. Returns the findings about the constraints and indexes that it
    /// would suspend or keep.
    pub(in super::super) async fn add(
        &mut self,
        connection: &Connection,
        target: &Target,
        extent: Extent,
    ) -> Result<Vec<Finding>> {
        let (entity, table) = (target.entity.name(), &target.mapping.table);
        let what = format!("reading about table `{}`", table.display_name);
        let (mut dropped, mut deferred, mut checked_at_once) = (Vec::new(), Vec::new(), Vec::new());
        let parent_has_unique = Unique::any_besides_key(&Unique::all(connection, target).await?);
        for row in acting::rows(connection, table.oid, &what).await? {
            let mut reference = Reference::of(&row).map_err(|error| failed(&what, &error))?;
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
                Some(ReferenceSuspension::Dropped) => dropped.push(name),
                Some(ReferenceSuspension::Deferred) => deferred.push(name),
                None if extent.keeps_constraints && !reference.is_deferrable => checked_at_once.push(name),
                None => {}
            }
        }
        let gone = self.references.iter().filter(|(_, known)| **known == Some(ReferenceSuspension::Dropped));
        let gone: Vec<Oid> = gone.map(|(oid, _)| *oid).collect();
        let indexes = Index::droppable(connection, table, extent, &gone, &what).await?;
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
        let (shown, names) = (&table.display_name, listed(dropped));
        let text = format!(
            "constraints {names} of table `{shown}`, or that refer to it, are dropped and added again before the commit; \
             `.keep_constraints()` keeps them"
        );
        add(Severity::Note, names, text);
        let names = listed(deferred.iter().map(String::as_str));
        let text = format!(
            "foreign keys {names} of table `{shown}`, or that refer to it, are checked at the end of the restore; \
             `.keep_constraints()` keeps them as they are declared"
        );
        add(Severity::Note, names, text);
        let names = listed(checked_at_once.iter().map(String::as_str));
        let text = format!(
            "foreign keys {names} of table `{shown}`, or that refer to it, are checked at each statement, because of \
             `keep_constraints`: a record must come after the records that it refers to, and no row that others refer to can be \
             removed"
        );
        add(Severity::Warning, names, text);
        Ok(findings)
    }
}
