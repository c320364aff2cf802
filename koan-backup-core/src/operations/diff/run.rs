//! Compares two backups, entity by entity, in bounded memory.
//!
//! Records are not always ordered by key, and providers order keys differently. Therefore the records of an
//! entity are divided into partitions by a hash of their keys. Each partition fits into memory; a large
//! entity is read once for each partition.

use std::collections::{BTreeSet, HashMap};

use tokio_util::sync::CancellationToken;

use super::report::{BackupDiff, Change, Difference, EntityDiff, OnDifference};
use super::side::{ComparedRecord, Side};
use crate::archive::EntityManifest;
use crate::catalog::BackupRef;
use crate::declaration::selection::Selection;
use crate::entity::EntityCodec;
use crate::environment::Environment;
use crate::environment::event::{Event, Listener};
use crate::environment::latest;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::Result;
use crate::foundation::id::SetName;
use crate::foundation::identity::ApplicationIdentity;

/// The maximum average number of records in a partition.
const MAX_RECORDS_PER_PARTITION: u64 = 1 << 18;

/// The options of a comparison.
#[derive(Clone, Debug, Default)]
pub(crate) struct DiffOptions {
    pub(crate) before_profile: Option<String>,
    pub(crate) after_profile: Option<String>,
    /// The applications that made the backups, if they differ from the current one.
    pub(crate) before_application: Option<ApplicationIdentity>,
    pub(crate) after_application: Option<ApplicationIdentity>,
    /// The entities to compare; an empty list selects all entities.
    pub(crate) entities: Vec<String>,
    pub(crate) on_difference: OnDifference,
    pub(crate) listener: Listener,
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
    let current = |name: &str| latest::current_name(environment, name);
    let wanted: BTreeSet<_> = options.entities.iter().map(|name| current(name)).collect();
    let is_wanted =
        |entry: &&EntityManifest| wanted.is_empty() || wanted.contains(&current(entry.entity.as_str()));
    let is_compared = |entities: &[EntityDiff], entry: &EntityManifest| {
        let is_same =
            |diff: &EntityDiff| diff.set == entry.set && current(&diff.entity) == current(&entry.entity);
        entities.iter().any(is_same)
    };
    let mut entities = Vec::new();
    for entry in after.entries().filter(is_wanted) {
        let earlier = before.counterpart(environment, entry);
        let earlier = earlier
            .filter(|earlier| before.entries().any(|entry| entry.storage_file == earlier.storage_file));
        let pair = EntityPair { entry, before: (&before, earlier), after: (&after, Some(entry)) };
        entities.push(pair.compare(environment, options).await?);
    }
    for entry in before.entries().filter(is_wanted) {
        if !is_compared(&entities, entry) {
            let pair = EntityPair { entry, before: (&before, Some(entry)), after: (&after, None) };
            entities.push(pair.compare(environment, options).await?);
        }
    }
    for side in [&after, &before] {
        for entry in side.failed_entries().filter(is_wanted) {
            if !is_compared(&entities, entry) {
                let reason = format!("the entity failed in backup {}", side.manifest.id);
                entities.push(EntityDiff::not_compared(&entry.entity, &entry.set, reason));
            }
        }
    }
    for name in &wanted {
        if !entities.iter().any(|diff| current(&diff.entity) == *name) {
            let reason = "neither backup contains the entity".to_owned();
            entities.push(EntityDiff::not_compared(name, &SetName::root(), reason));
        }
    }
    Ok(BackupDiff { before: before.manifest.id, after: after.manifest.id, entities, notes })
}

/// One entity and set in both backups.
struct EntityPair<'a> {
    /// The manifest entry in the later backup, or in the earlier backup if only that contains the entity.
    entry: &'a EntityManifest,
    before: (&'a Side, Option<&'a EntityManifest>),
    after: (&'a Side, Option<&'a EntityManifest>),
}

impl EntityPair<'_> {
    async fn compare(&self, environment: &Environment, options: &DiffOptions) -> Result<EntityDiff> {
        let mut diff = EntityDiff::of(&self.entry.entity, &self.entry.set);
        let lock_reason =
            |(side, entry): (&Side, Option<&EntityManifest>)| entry.and_then(|entry| side.lock_reason(entry));
        if let Some(reason) = lock_reason(self.before).or_else(|| lock_reason(self.after)) {
            diff.not_compared = Some(reason);
            return Ok(diff);
        }
        for (side, entry) in [self.before, self.after] {
            let manifest_entry = side.counterpart(environment, self.entry);
            if entry.is_none() && manifest_entry.is_some() {
                diff.not_compared = Some(format!("the entity failed in backup {}", side.manifest.id));
                return Ok(diff);
            }
        }
        if let (Some(before), Some(after)) = (self.before.1, self.after.1)
            && self.before.0.equals(before, self.after.0, after)
        {
            diff.unchanged = after.item_count;
            return Ok(diff);
        }
        let Some(known) = environment.entity(&self.entry.entity) else {
            diff.not_compared =
                Some(format!("no entity of this application has the name `{}`", self.entry.entity));
            return Ok(diff);
        };
        // The report shows keys, so a codec without hidden keys is used. `known.codec` hides the keys of
        // encrypted entities.
        let codec = EntityCodec::new(known.codec.descriptor());
        let records = |entry: Option<&EntityManifest>| entry.map_or(0, |entry| entry.item_count);
        let (before, after) = (records(self.before.1), records(self.after.1));
        let partition_count = before.max(after).div_ceil(MAX_RECORDS_PER_PARTITION).max(1);
        let (entity, set) = (diff.entity.clone(), diff.set.clone());
        options.listener.emit(|| Event::ComparisonStarted {
            entity,
            set,
            records: before.saturating_add(after),
        });
        let progress = Progress { read: 0, partition_count };
        let mut comparison = Comparison { codec, diff, options, progress };
        for partition in 0..partition_count {
            comparison.compare_partition(self, (partition, partition_count)).await?;
        }
        let Comparison { diff, .. } = comparison;
        Ok(diff)
    }
}

/// The comparison of one entity and set.
struct Comparison<'a> {
    codec: EntityCodec,
    diff: EntityDiff,
    options: &'a DiffOptions,
    progress: Progress,
}

/// The progress of a comparison, which reads every record once for each partition.
struct Progress {
    /// The number of records that were read, of both backups and in all partitions.
    read: u64,
    partition_count: u64,
}

impl Progress {
    /// Emits the progress after a block was read.
    fn advance(&mut self, listener: &Listener, entity: &str, set: &SetName, records: u64) {
        self.read = self.read.saturating_add(records);
        let records = self.read / self.partition_count;
        listener.emit(|| Event::BlockCompared { entity: entity.to_owned(), set: set.clone(), records });
    }
}

impl Comparison<'_> {
    async fn compare_partition(&mut self, pair: &EntityPair<'_>, partition: (u64, u64)) -> Result<()> {
        let Self { codec, diff, options, progress } = self;
        let (entity, set) = (diff.entity.clone(), diff.set.clone());
        let emit = |change: Change, key: String| {
            if let Some(callback) = &options.on_difference.0 {
                callback(&Difference { entity: entity.clone(), set: set.clone(), change, key });
            }
        };
        let mut on_block = |records| progress.advance(&options.listener, &entity, &set, records);
        let mut earlier = HashMap::new();
        if let (side, Some(entry)) = pair.before {
            let insert_record = |record: ComparedRecord| {
                earlier.insert(record.identity, (record.content, record.key));
            };
            side.records(entry, codec, partition, insert_record, &mut on_block).await?;
        }
        if let (side, Some(entry)) = pair.after {
            let compare_record = |record: ComparedRecord| match earlier.remove(&record.identity) {
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
            side.records(entry, codec, partition, compare_record, &mut on_block).await?;
        }
        diff.removed += u64::try_from(earlier.len()).unwrap_or(u64::MAX);
        let mut removed_keys: Vec<_> = earlier.into_values().map(|(_, key)| key).collect();
        removed_keys.sort();
        removed_keys.into_iter().for_each(|key| emit(Change::Removed, key));
        Ok(())
    }
}
