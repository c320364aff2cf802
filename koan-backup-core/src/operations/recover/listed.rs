//! The backups of a profile together with its unlisted archives.

use std::collections::BTreeSet;

use super::judgement::unlisted;
use crate::catalog::unlisted::{candidates, without_manifest};
use crate::catalog::{CatalogEntry, Listing, UnlistedArchive};
use crate::environment::Environment;
use crate::foundation::error::Result;
use crate::operations::prune::Survey;
use crate::storage::Storage;

/// The backups of a profile, and the archives to which no manifest refers.
#[derive(Debug)]
pub(crate) struct ListedAndUnlisted {
    pub(crate) listing: Listing,
    pub(crate) unlisted: Vec<UnlistedArchive>,
}

/// Lists the backups of a profile and its unlisted archives. Cached manifests are not read again, unless an archive
/// has no manifest: its state depends on leases and pins as well, so a complete survey is taken then.
///
/// # Errors
/// The storage cannot be read.
pub(crate) async fn listed_and_unlisted(
    environment: &Environment,
    profile: &str,
    storage: &Storage,
) -> Result<ListedAndUnlisted> {
    // The archives are listed first, because the manifest of an archive is published after the archive.
    let archives = candidates(storage).await?;
    let listing = environment.manifests.all(profile, storage).await?;
    let file = |entry: &CatalogEntry| entry.manifest().archive.as_ref().map(|archive| archive.file.clone());
    let files: Vec<_> = listing.entries.iter().filter_map(file).collect();
    let listed: BTreeSet<_> = files.iter().map(String::as_str).collect();
    if without_manifest(&archives, &listed).is_empty() {
        return Ok(ListedAndUnlisted { listing, unlisted: Vec::new() });
    }
    let survey = Survey::take(storage, &environment.clock).await?;
    let unlisted = unlisted(environment, storage, &survey).await?;
    Ok(ListedAndUnlisted { listing, unlisted })
}
