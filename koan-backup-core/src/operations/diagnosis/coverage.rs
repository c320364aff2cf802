//! The check of the coverage: whether each entity, table and column is in the backups.

use std::collections::BTreeSet;

use super::amounts::{count_of, declarations};
use super::check::{Check, CheckCode, CheckSubject};
use crate::declaration::inventory::{DeclarationKind, IncludedEntity};
use crate::environment::Environment;
use crate::foundation::names::names;
use crate::provider::ProviderDescription;

/// The maximum number of gaps that the detail lists.
const MAX_LISTED: usize = 5;

/// Checks the coverage of the databases that could be read. `undeclared` contains the object names that no declaration has,
/// each with its provider. Entities that cannot be read are checks of their
/// providers. Returns `None` if no database could be read and every entity has a policy.
pub(super) fn check(
    environment: &Environment,
    descriptions: &[(String, ProviderDescription)],
    undeclared: &[(String, String)],
) -> Option<Check> {
    let inventory = environment.inventory.get();
    let uncovered = inventory.uncovered.iter().map(|entry| match entry.kind {
        DeclarationKind::Entity => format!("entity {}", entry.entity),
        DeclarationKind::EventStream => format!("event stream {}", entry.entity),
    });
    let undeclared =
        undeclared.iter().map(|(provider, object)| format!("object name `{object}` of {provider}"));
    let mut gaps: Vec<String> = uncovered.chain(undeclared).collect();
    for (provider, description) in descriptions {
        gaps.extend(description.unmapped_tables.iter().map(|table| format!("table `{table}` of {provider}")));
        let covered = description.entities.iter();
        for coverage in covered.filter(|coverage| inventory.policy(&coverage.entity).is_some()) {
            let table = coverage.table.as_deref().unwrap_or(&coverage.entity);
            let columns = coverage.unmapped_columns.iter();
            gaps.extend(columns.map(|column| format!("column `{column}` of `{provider}.{table}`")));
            let fields = coverage.unmapped_fields.iter();
            gaps.extend(fields.map(|field| format!("field `{field}` of {}", coverage.entity)));
        }
    }
    let is_read = |provider: &String| descriptions.iter().any(|(name, _)| name == provider);
    let unread: BTreeSet<_> =
        environment.entities.iter().map(|known| &known.provider).filter(|name| !is_read(name)).collect();
    let unread = match unread.len() {
        0 => String::new(),
        _ => format!("; the tables of {} were not compared", names(unread.iter())),
    };
    if gaps.is_empty() {
        let is_stream = |entry: &&IncludedEntity| entry.kind == DeclarationKind::EventStream;
        let streams = inventory.included.iter().filter(is_stream).count();
        let entities = declarations(inventory.included.len() - streams, streams);
        let detail = format!("{entities} covered, and nothing is uncovered{unread}");
        return (!descriptions.is_empty()).then(|| Check::ok(CheckSubject::Coverage, detail));
    }
    let more = match gaps.len().saturating_sub(MAX_LISTED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let listed = gaps[..gaps.len().min(MAX_LISTED)].join(", ");
    let detail = format!("{} in the coverage: {listed}{more}{unread}", count_of(gaps.len(), "gap"));
    let check = Check::warning(CheckSubject::Coverage, CheckCode::Uncovered, detail);
    Some(check.with_remedy("`inventory` lists all gaps, each with its remedy"))
}
