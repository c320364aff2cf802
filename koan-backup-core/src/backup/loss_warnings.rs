//! Warnings of records that are fewer than in the backup before.

use crate::archive::Manifest;
use crate::catalog::{self, Acknowledgements, MOST_PERCENT, Origin, Shrunk};
use crate::environment::Environment;
use crate::error::Result;
use crate::storage::Storage;

/// More losses than these are counted and not named: a manifest has a limit.
const MAX_NAMED: usize = 20;

/// Returns a warning for each entity that lost most of its records in this backup, or in an earlier one of its series, and whose
/// loss nobody has acknowledged. A catalog that cannot be read is a warning as well: the records are in the archive all the same.
pub(super) async fn loss_warnings(
    environment: &Environment,
    storage: &Storage,
    draft: &Manifest,
) -> Vec<String> {
    let losses = match losses(environment, storage, draft).await {
        Ok(losses) => losses,
        Err(error) => {
            return vec![format!(
                "whether entities lost records since the backup before was not determined: {}",
                error.chain()
            )];
        }
    };
    let mut warnings: Vec<_> = losses.iter().take(MAX_NAMED).map(|loss| warning(loss, draft)).collect();
    if let Some(more @ 1..) = losses.len().checked_sub(MAX_NAMED) {
        warnings
            .push(format!("{more} more entities or sets lost most of their records; `health` names them"));
    }
    warnings
}

async fn losses(environment: &Environment, storage: &Storage, draft: &Manifest) -> Result<Vec<Shrunk>> {
    let backups = catalog::list(storage).await?;
    let series = draft.series_name();
    let earlier = backups.iter().map(|backup| &backup.manifest).filter(|manifest| {
        manifest.status.is_complete()
            && manifest.series_name() == series
            && manifest.producer.origin(&environment.identity) == Origin::Own
    });
    let canonical = |name: &str| environment.canonical(name);
    let acknowledged = Acknowledgements::of(storage).await?;
    Ok(catalog::losses(earlier.chain([draft]), canonical, MOST_PERCENT, &acknowledged))
}

fn warning(loss: &Shrunk, draft: &Manifest) -> String {
    let Shrunk { entity, set, before, after, previous, previous_created_at, backup, .. } = loss;
    let lost_in = match *backup == draft.id {
        true => "this backup".to_owned(),
        false => format!("backup {backup}"),
    };
    let set = if set.is_root() { String::new() } else { format!("#{set}") };
    format!(
        "`{entity}{set}` has {after} records in {lost_in}, and had {before} in backup {previous} of {previous_created_at}; \
         restore them from there, or accept the loss with `koan.catalog().acknowledge({backup}, reason)`"
    )
}
