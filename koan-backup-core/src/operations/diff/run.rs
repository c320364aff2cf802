//! Compares two backups, entity by entity, in bounded memory.
//!
//! Records are not always ordered by key, and providers order differently. So the records of an entity are
//! divided into shares by a hash of their keys, each small enough for memory; a large entity is read once for
//! each share.

use std::collections::HashMap;

use tokio_util::sync::CancellationToken;

use super::report::{BackupDiff, Change, Difference, EntityDiff, OnDifference};
use super::side::{ComparedRecord, Side};
use crate::archive::EntityManifest;
use crate::catalog::BackupRef;
use crate::declaration::selection::Selection;
use crate::entity::EntityCodec;
use crate::environment::Environment;
use crate::environment::latest;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::Result;
use crate::foundation::identity::ApplicationIdentity;

/// The maximum number of records in a share, on average.
const MAX_RECORDS_PER_SHARE: u64 = 1 << 18;

/// The options of a comparison.
#[derive(Clone, Debug, Default)]
pub(crate) struct DiffOptions {
    pub(crate) before_profile: Option<String>,
    pub(crate) after_profile: Option<String>,
    /// The applications that made the backups, if they differ from the current one.
    pub(crate) before_application: Option<ApplicationIdentity>,
    pub(crate) after_application: Option<ApplicationIdentity>,
    /// The entities to compare; all if it is empty.
    pub(crate) entities: Vec<String>,
    pub(crate) on_difference: OnDifference,
    pub(crate) cancel: CancellationToken,
}

/// Compares two backups.
pub(crate) async fn run(
    environment: &Environment,
    before: &BackupRef,
    after: &BackupRef,
    options: &DiffOptions,
) -> Result<BackupDiff> {
    until_cancelled(&options.cancel, Box::pin(compare(environment, before, after, options))).await
}

async fn compare(
    environment: &Environment,
    before: &BackupRef,
    after: &BackupRef,
    options: &DiffOptions,
) -> Result<BackupDiff> {
    for name in &options.entities {
        environment.require_entity(name)?;
    }
    let has_archive = |manifest: &crate::archive::Manifest| manifest.archive.is_some();
    let find = async |backup: &BackupRef, profile: &Option<String>, application: &Option<_>| {
        let lookup = environment.lookup(application.as_ref());
        let storage = environment.storage(profile.as_deref())?;
        let selection = Selection { names: options.entities.clone(), ..Selection::default() };
        let found = latest::find(environment, storage, lookup, backup, &selection, has_archive).await?;
        let notes = found.notes(&environment.identity);
        Ok((Side::open(environment, found).await?, notes))
    };
    let (before, mut notes) = find(before, &options.before_profile, &options.before_application).await?;
    let (after, notes_after) = find(after, &options.after_profile, &options.after_application).await?;
    notes.extend(notes_after);
    let mut entities = Vec::new();
    let is_wanted =
        |part: &&EntityManifest| options.entities.is_empty() || options.entities.contains(&part.entity);
    for part in after.parts().filter(is_wanted) {
        let earlier = before.manifest.entity(&part.entity, &part.set);
        let earlier =
            earlier.filter(|earlier| before.parts().any(|part| part.storage_file == earlier.storage_file));
        let pair = EntityPair { part, before: (&before, earlier), after: (&after, Some(part)) };
        entities.push(pair.compare(environment, &options.on_difference).await?);
    }
    for part in before.parts().filter(is_wanted) {
        if !entities.iter().any(|done: &EntityDiff| done.entity == part.entity && done.set == part.set) {
            let pair = EntityPair { part, before: (&before, Some(part)), after: (&after, None) };
            entities.push(pair.compare(environment, &options.on_difference).await?);
        }
    }
    Ok(BackupDiff { before: before.manifest.id, after: after.manifest.id, entities, notes })
}

/// One entity and set in both backups.
struct EntityPair<'a> {
    /// The manifest entry in the later backup, or in the earlier one if the later one has none.
    part: &'a EntityManifest,
    before: (&'a Side, Option<&'a EntityManifest>),
    after: (&'a Side, Option<&'a EntityManifest>),
}

impl EntityPair<'_> {
    async fn compare(&self, environment: &Environment, found: &OnDifference) -> Result<EntityDiff> {
        let mut diff = EntityDiff {
            entity: self.part.entity.clone(),
            set: self.part.set.clone(),
            added: 0,
            removed: 0,
            changed: 0,
            unchanged: 0,
            not_compared: None,
        };
        let locked = |(side, part): (&Side, Option<&EntityManifest>)| part.and_then(|part| side.locked(part));
        if let Some(why) = locked(self.before).or_else(|| locked(self.after)) {
            diff.not_compared = Some(why);
            return Ok(diff);
        }
        for (side, part) in [self.before, self.after] {
            let there = side.manifest.entity(&self.part.entity, &self.part.set);
            if part.is_none() && there.is_some() {
                diff.not_compared = Some(format!("it failed in backup {}", side.manifest.id));
                return Ok(diff);
            }
        }
        if let (Some(before), Some(after)) = (self.before.1, self.after.1)
            && self.before.0.equals(before, self.after.0, after)
        {
            diff.unchanged = after.item_count;
            return Ok(diff);
        }
        let Some(known) = environment.entity(&self.part.entity) else {
            diff.not_compared =
                Some(format!("no entity is called `{}` in this application", self.part.entity));
            return Ok(diff);
        };
        // This codec shows keys. The codec for errors hides the keys of encrypted entities.
        let codec = EntityCodec::new(known.codec.descriptor());
        let records = |part: Option<&EntityManifest>| part.map_or(0, |part| part.item_count);
        let shares = records(self.before.1).max(records(self.after.1)).div_ceil(MAX_RECORDS_PER_SHARE).max(1);
        for share in 0..shares {
            self.compare_share(&codec, (share, shares), &mut diff, found).await?;
        }
        Ok(diff)
    }

    async fn compare_share(
        &self,
        codec: &EntityCodec,
        share: (u64, u64),
        diff: &mut EntityDiff,
        found: &OnDifference,
    ) -> Result<()> {
        let (entity, set) = (diff.entity.clone(), diff.set.clone());
        let emit = |change: Change, key: String| {
            if let Some(found) = &found.0 {
                found(&Difference { entity: entity.clone(), set: set.clone(), change, key });
            }
        };
        let mut earlier = HashMap::new();
        if let (side, Some(part)) = self.before {
            let take = |record: ComparedRecord| {
                earlier.insert(record.identity, (record.content, record.key));
            };
            side.records(part, codec, share, take).await?;
        }
        if let (side, Some(part)) = self.after {
            let take = |record: ComparedRecord| match earlier.remove(&record.identity) {
                None => {
                    diff.added += 1;
                    emit(Change::Added, record.key);
                }
                Some((content, _)) if content == record.content => diff.unchanged += 1,
                Some(_) => {
                    diff.changed += 1;
                    emit(Change::Changed, record.key);
                }
            };
            side.records(part, codec, share, take).await?;
        }
        diff.removed += u64::try_from(earlier.len()).unwrap_or(u64::MAX);
        let mut gone: Vec<_> = earlier.into_values().map(|(_, key)| key).collect();
        gone.sort();
        gone.into_iter().for_each(|key| emit(Change::Removed, key));
        Ok(())
    }
}
