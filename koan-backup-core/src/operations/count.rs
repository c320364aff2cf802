//! Counts the records of covered entities and event streams in their databases.

use std::collections::BTreeMap;

use crate::environment::Environment;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::Snapshot;

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
            let descriptor = known.codec.descriptor();
            if let (Some(object), Some(part)) = (descriptor.stream_object(), descriptor.stream_part()) {
                let events = snapshot.events().ok_or_else(|| without_events(provider))?;
                return events.count(object, part).await;
            }
            let mut records = 0_u64;
            for set in snapshot.sets(&known.codec).await? {
                records = records.saturating_add(snapshot.count(&known.codec, &set).await?);
            }
            Ok::<_, Error>(records)
        };
        counts.push((known.codec.name().to_owned(), counted.await));
    }
    Ok(counts)
}

fn without_events(provider: &str) -> Error {
    let text = format!("provider `{provider}` has an event store that its snapshots cannot read");
    Error::new(ErrorKind::Internal, text)
}
