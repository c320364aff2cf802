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
    manifests: EarlierManifests,
    acknowledged: Acknowledgements,
    /// The call that accepts the losses of a backup, without the id and the reason.
    acknowledge: String,
    /// The warnings about backups that could not be read.
    warnings: Vec<String>,
}

enum EarlierManifests {
    InProfile(Vec<CatalogEntry>),
    InTree(Vec<Manifest>),
}

/// The backups of a directory tree, with which a backup into the tree is compared.
#[derive(Debug)]
pub(crate) struct EarlierTreeBackups {
    /// The root of the tree, as it is displayed.
    pub(crate) root: String,
    pub(crate) manifests: Vec<Manifest>,
    pub(crate) acknowledged: Acknowledgements,
    /// The warnings about backups that could not be read.
    pub(crate) warnings: Vec<String>,
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
            entries.retain(|entry| is_compared(environment, series, entry.manifest()));
            Ok(EarlierEntries {
                manifests: EarlierManifests::InProfile(entries),
                acknowledged: Acknowledgements::read(storage).await?,
                acknowledge: "koan.catalog().acknowledge(".to_owned(),
                warnings: Vec::new(),
            })
        };
        Self { result: result.await }
    }

    /// Selects the backups of a directory tree with which a new backup is compared.
    pub(super) fn of_tree(environment: &Environment, series: &SeriesName, tree: EarlierTreeBackups) -> Self {
        let EarlierTreeBackups { root, mut manifests, acknowledged, warnings } = tree;
        manifests.retain(|manifest| is_compared(environment, series, manifest));
        Self {
            result: Ok(EarlierEntries {
                manifests: EarlierManifests::InTree(manifests),
                acknowledged,
                acknowledge: format!("koan.acknowledge_in_directory({root:?}, "),
                warnings,
            }),
        }
    }

    /// Returns a warning for each unacknowledged loss in this backup or in an earlier backup of its series.
    /// If the catalog could not be read, this is also only a warning and not an error, because the backup
    /// itself is complete.
    pub(super) fn warnings(&self, environment: &Environment, draft: &Manifest) -> Vec<String> {
        let earlier = match &self.result {
            Ok(earlier) => earlier,
            Err(error) => {
                return vec![format!(
                    "whether entities lost records since the previous backup was not determined: {}",
                    error.chain()
                )];
            }
        };
        let losses = match &earlier.manifests {
            EarlierManifests::InProfile(entries) => {
                losses(environment, entries.iter().map(CatalogEntry::manifest), draft, &earlier.acknowledged)
            }
            EarlierManifests::InTree(manifests) => {
                losses(environment, manifests.iter(), draft, &earlier.acknowledged)
            }
        };
        let mut warnings = earlier.warnings.clone();
        let listed = losses.iter().take(MAX_LISTED_LOSSES);
        warnings.extend(listed.map(|loss| warning(loss, draft, &earlier.acknowledge)));
        if let Some(remaining @ 1..) = losses.len().checked_sub(MAX_LISTED_LOSSES) {
            let listed_by = match &earlier.manifests {
                EarlierManifests::InProfile(_) => "; `koan.catalog().health(…)` lists them",
                EarlierManifests::InTree(_) => "",
            };
            warnings.push(format!("{remaining} more entities or sets lost most of their records{listed_by}"));
        }
        warnings
    }
}

/// Returns whether a new backup of a series is compared with an earlier backup.
fn is_compared(environment: &Environment, series: &SeriesName, manifest: &Manifest) -> bool {
    manifest.status.is_complete()
        && manifest.series_name() == *series
        && manifest.producer.origin(&environment.identity) == Origin::Own
}

fn losses<'m>(
    environment: &Environment,
    earlier: impl Iterator<Item = &'m Manifest>,
    draft: &'m Manifest,
    acknowledged: &Acknowledgements,
) -> Vec<SizeDrop> {
    let canonical = |name: &str| environment.canonical(name);
    catalog::losses(earlier.chain([draft]), canonical, DEFAULT_LOSS_PERCENT, acknowledged)
}

fn warning(loss: &SizeDrop, draft: &Manifest, acknowledge: &str) -> String {
    let SizeDrop { entity, set, before, after, previous, previous_created_at, backup, .. } = loss;
    let lost_in = match *backup == draft.id {
        true => "this backup".to_owned(),
        false => format!("backup {backup}"),
    };
    let set = if set.is_root() { String::new() } else { format!("#{set}") };
    format!(
        "`{entity}{set}` has {after} records in {lost_in}, and had {before} in backup {previous} of \
         {previous_created_at}; restore the missing records from that backup, or accept the loss with \
         `{acknowledge}{backup}, reason)`"
    )
}
