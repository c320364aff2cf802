//! How entities cover the tables of a database.

use koan_backup_core::{EntityCodec, EntityCoverage};

use super::tables::shared;

/// What one entity has to do with a database.
pub(crate) struct View<'a, I> {
    pub(crate) entity: &'a EntityCodec,
    /// Its tables, that of the default set first.
    pub(crate) tables: Vec<Seen<I>>,
    /// Why there is none.
    pub(crate) problem: Option<String>,
}

/// A table as an entity sees it.
pub(crate) struct Seen<I> {
    /// What tells it from all others.
    pub(crate) id: I,
    /// Its name as people are told it.
    pub(crate) table: String,
    /// What of it is in the entity, or why that cannot be told.
    pub(crate) matched: Result<Matched, String>,
}

/// What of a table is in an entity.
pub(crate) struct Matched {
    pub(crate) problem: Option<String>,
    pub(crate) covered_columns: Vec<String>,
    pub(crate) unmapped_columns: Vec<String>,
    pub(crate) unmapped_fields: Vec<usize>,
}

/// The coverage of each entity, in their order.
pub(crate) fn of_all<I: PartialEq>(views: &[View<'_, I>]) -> Vec<EntityCoverage> {
    let of = |(index, view): (usize, &View<'_, I>)| {
        let others: Vec<_> =
            views.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, view)| view).collect();
        view.coverage(&others)
    };
    views.iter().enumerate().map(of).collect()
}

/// A table in no entity, as it is told; `root` is the table whose set `root` it would be.
pub(crate) fn unmapped(table: &str, root: Option<&String>) -> String {
    match root {
        Some(root) => format!("{table} (no set: the set `root` is table `{root}` itself; rename this one)"),
        None => table.to_owned(),
    }
}

impl<I: PartialEq> View<'_, I> {
    fn coverage(&self, others: &[&Self]) -> EntityCoverage {
        let mut coverage = EntityCoverage::new(self.entity.name());
        coverage.table = self.tables.first().map(|seen| seen.table.clone());
        let mut problems: Vec<String> = self.problem.iter().cloned().collect();
        let fields = &self.entity.schema().fields;
        let absent = self.tables.first().and_then(|root| root.matched.as_ref().ok());
        let absent = absent.map_or(&[][..], |matched| &matched.unmapped_fields);
        for (index, seen) in self.tables.iter().enumerate() {
            let table = &seen.table;
            let called = |name: &str| match index {
                0 => name.to_owned(),
                _ => format!("{name} (in table `{table}`)"),
            };
            let sharing: Vec<(&Self, &Seen<I>)> = others
                .iter()
                .flat_map(|view| view.tables.iter().map(move |seen| (*view, seen)))
                .filter(|(_, other)| other.id == seen.id)
                .collect();
            if !sharing.is_empty() {
                problems.push(shared(table, sharing.iter().map(|(view, _)| view.entity.name())));
            }
            match &seen.matched {
                Err(problem) => problems.push(problem.clone()),
                Ok(matched) => {
                    problems.extend(matched.problem.clone());
                    let elsewhere = |column: &String| sharing.iter().any(|(_, other)| other.covers(column));
                    let columns = matched.unmapped_columns.iter().filter(|column| !elsewhere(column));
                    coverage.unmapped_columns.extend(columns.map(|column| called(column)));
                    let unmapped = matched
                        .unmapped_fields
                        .iter()
                        .filter(|&&field| index == 0 || !absent.contains(&field));
                    coverage.unmapped_fields.extend(unmapped.map(|&field| called(&fields[field].name)));
                }
            }
        }
        coverage.problem = (!problems.is_empty()).then(|| problems.join("; "));
        coverage
    }
}

impl<I> Seen<I> {
    /// Whether something of the entity is in the column.
    fn covers(&self, column: &String) -> bool {
        self.matched.as_ref().is_ok_and(|matched| matched.covered_columns.contains(column))
    }
}
