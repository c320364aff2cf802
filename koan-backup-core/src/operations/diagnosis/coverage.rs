//! The check of the coverage: whether each entity, table and column is in the backups.

use super::check::{Check, CheckCode, CheckSubject};
use super::wording::count_of;
use crate::environment::Environment;
use crate::provider::ProviderDescription;

/// The maximum number of gaps that the detail lists.
const MAX_LISTED: usize = 5;

/// Checks the coverage of the databases that could be read. Entities that cannot be read are checks of their
/// providers.
pub(super) fn check(environment: &Environment, descriptions: &[(String, ProviderDescription)]) -> Check {
    let inventory = &environment.inventory;
    let mut gaps: Vec<String> =
        inventory.uncovered.iter().map(|entity| format!("entity {}", entity.entity)).collect();
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
    let entities = count_of(inventory.included.len(), "entity");
    if gaps.is_empty() {
        return Check::ok(CheckSubject::Coverage, format!("{entities} covered, and nothing is uncovered"));
    }
    let more = match gaps.len().saturating_sub(MAX_LISTED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let listed = gaps[..gaps.len().min(MAX_LISTED)].join(", ");
    let detail = format!("{} in the coverage: {listed}{more}", count_of(gaps.len(), "gap"));
    Check::warning(CheckSubject::Coverage, CheckCode::Uncovered, detail)
        .with_remedy("`inventory` lists all gaps, each with its remedy")
}
