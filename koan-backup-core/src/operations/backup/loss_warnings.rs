//! Warnings about entities that have far fewer records than in the previous backup.

use crate::archive::Manifest;
use crate::catalog::{self, Acknowledgements, CatalogEntry, DEFAULT_LOSS_PERCENT, Origin, SizeDrop};
use crate::environment::Environment;
use crate::foundation::error::Result;
use crate::foundation::series::SeriesName;
use crate::storage::Storage;

/// The maximum number of losses that are listed in warnings. Further losses are only counted, because the
/// size of a manifest is limited.
const MAX_LISTED_LOSSES: usize = 20;

/// The earlier backups with which a new backup is compared. They are read once for each new backup, before
/// the databases are read.
pub(super) struct EarlierBackups {
    result: Result<EarlierEntries>,
}

struct EarlierEntries {
    /// The completed backups of the same series by this application.
    entries: Vec<CatalogEntry>,
    acknowledged: Acknowledgements,
}

impl EarlierBackups {
    /// Reads the catalog; manifests that are cached are not read again. If the catalog cannot be read,
    /// [`warnings`](Self::warnings) returns a warning with the error.
    pub(super) async fn read(
        environment: &Environment,
        profile: &str,
        storage: &Storage,
        series: &SeriesName,
    ) -> Self {
        let result = async {
            let listing = environment.manifests.all(profile, storage).await?;
            listing.unreadable.iter().for_each(|manifest| manifest.log(storage));
            let mut entries = listing.entries;
            entries.retain(|entry| {
                let manifest = entry.manifest();
                manifest.status.is_complete()
                    && manifest.series_name() == *series
                    && manifest.producer.origin(&environment.identity) == Origin::Own
            });
            Ok(EarlierEntries { entries, acknowledged: Acknowledgements::read(storage).await? })
        };
        Self { result: result.await }
    }

    /// Returns a warning for each unacknowledged loss in this backup or in an earlier backup of its series.
    /// If the catalog could not be read, this is also only a warning and not an error, because the backup
    /// itself is complete.
    pub(super) fn warnings(&self, environment: &Environment, draft: &Manifest) -> Vec<String> {
        let EarlierEntries { entries, acknowledged } = match &self.result {
            Ok(earlier) => earlier,
            Err(error) => {
                return vec![format!(
                    "whether entities lost records since the previous backup was not determined: {}",
                    error.chain()
                )];
            }
        };
        let manifests = entries.iter().map(CatalogEntry::manifest).chain([draft]);
        let canonical = |name: &str| environment.canonical(name);
        let losses = catalog::losses(manifests, canonical, DEFAULT_LOSS_PERCENT, acknowledged);
        let mut warnings: Vec<_> =
            losses.iter().take(MAX_LISTED_LOSSES).map(|loss| warning(loss, draft)).collect();
        if let Some(remaining @ 1..) = losses.len().checked_sub(MAX_LISTED_LOSSES) {
            warnings.push(format!(
                "{remaining} more entities or sets lost most of their records; `koan.catalog().health(…)` \
                 lists them"
            ));
        }
        warnings
    }
}

fn warning(loss: &SizeDrop, draft: &Manifest) -> String {
    let SizeDrop { entity, set, before, after, previous, previous_created_at, backup, .. } = loss;
    let lost_in = match *backup == draft.id {
        true => "this backup".to_owned(),
        false => format!("backup {backup}"),
    };
    let set = if set.is_root() { String::new() } else { format!("#{set}") };
    format!(
        "`{entity}{set}` has {after} records in {lost_in}, and had {before} in backup {previous} of \
         {previous_created_at}; restore the missing records from that backup, or accept the loss with \
         `koan.catalog().acknowledge({backup}, reason)`"
    )
}
