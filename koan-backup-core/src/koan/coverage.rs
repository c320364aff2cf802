//! Whether everything in the databases is in an entity.

use std::sync::Arc;

use crate::entity::EntityCodec;
use crate::environment::KnownEntity;
use crate::error::Result;
use crate::provider::{EntityCoverage, Provider};

/// What is in a database and in no entity, and the other way round.
pub(super) async fn warnings(
    providers: &[(String, Arc<dyn Provider>)],
    entities: &[KnownEntity],
) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    for (name, provider) in providers {
        let here: Vec<EntityCodec> = entities
            .iter()
            .filter(|entity| &entity.provider == name)
            .map(|entity| entity.codec.clone())
            .collect();
        let described = provider.describe(&here).await;
        let described =
            described.map_err(|error| error.context(format!("provider `{name}` cannot be read")))?;
        for coverage in &described.entities {
            let included =
                entities.iter().any(|known| known.codec.name() == coverage.entity && known.policy.is_some());
            if included {
                of_entity(name, coverage, &mut warnings);
            }
        }
        for state in &described.uncovered_state {
            warnings.push(format!("provider `{name}` → {state}"));
        }
        for table in &described.unmapped_tables {
            warnings.push(format!("table `{table}` of `{name}` → in no entity"));
        }
    }
    Ok(warnings)
}

fn of_entity(provider: &str, coverage: &EntityCoverage, warnings: &mut Vec<String>) {
    let entity = &coverage.entity;
    if let Some(problem) = &coverage.problem {
        warnings.push(format!("{entity} → cannot be backed up: {problem}"));
    }
    let table = coverage.table.as_deref().unwrap_or_default();
    for column in &coverage.unmapped_columns {
        warnings.push(format!("column `{column}` of `{provider}.{table}` → in no field of {entity}"));
    }
    for field in &coverage.unmapped_fields {
        warnings.push(format!("field `{field}` of {entity} → in no column of `{provider}.{table}`"));
    }
}
