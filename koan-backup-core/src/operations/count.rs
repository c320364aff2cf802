//! Counts the records of covered entities in their databases.

use std::collections::BTreeMap;

use crate::environment::Environment;
use crate::foundation::error::{Error, Result};
use crate::provider::{Snapshot, snapshot_entry};

/// Counts the records of each covered entity and of each part of covered event streams, in one snapshot for each provider.
/// They are sorted by name.
///
/// # Errors
/// A provider cannot be read. If only one entity cannot be counted, its error is in the result.
pub(crate) async fn records(environment: &Environment) -> Result<Vec<(String, Result<u64>)>> {
    let mut snapshots: BTreeMap<&str, Box<dyn Snapshot>> = BTreeMap::new();
    let mut counts = Vec::new();
    for known in environment.entities.iter().filter(|known| known.policy.is_some()) {
        let provider = known.provider.as_str();
        if !snapshots.contains_key(provider) {
            snapshots.insert(provider, environment.provider(provider)?.snapshot().await?);
        }
        let Some(snapshot) = snapshots.get(provider) else { continue };
        let counted = async {
            let mut records = 0_u64;
            for set in snapshot_entry::sets(snapshot.as_ref(), &known.codec).await? {
                let count = snapshot_entry::count(snapshot.as_ref(), &known.codec, &set).await?;
                records = records.saturating_add(count);
            }
            Ok::<_, Error>(records)
        };
        counts.push((known.codec.name().to_owned(), counted.await));
    }
    Ok(counts)
}
