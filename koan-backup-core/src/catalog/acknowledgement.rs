//! Losses of records that somebody has accepted: `acknowledgements/{id}.json`, by the id of the backup that holds fewer.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::losses::{SizeDrop, is_most};
use super::sidecar;
use crate::archive::Producer;
use crate::foundation::error::Result;
use crate::foundation::id::{BackupId, SetName};
use crate::foundation::series::SeriesName;
use crate::storage::Storage;

const FOLDER: &str = "acknowledgements";

/// That somebody has accepted what a backup lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Acknowledgement {
    reason: String,
    acknowledged_at: Timestamp,
    created_at: Timestamp,
    series: SeriesName,
    /// The application that made the backup, and its environment: the losses of another one are not accepted by this.
    #[serde(default)]
    application: Option<String>,
    #[serde(default)]
    environment: Option<String>,
    entities: Vec<AcceptedCount>,
}

/// With how many records of an entity somebody is content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AcceptedCount {
    entity: String,
    set: SetName,
    records: u64,
}

/// All acknowledgements of a profile, or of several.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acknowledgements(BTreeMap<BackupId, Vec<Acknowledgement>>);

impl Acknowledgement {
    /// That of everything that a backup lost; none if it lost nothing.
    pub(crate) fn of(losses: &[SizeDrop], producer: &Producer, reason: &str, now: Timestamp) -> Option<Self> {
        let first = losses.first()?;
        let accepted = losses.iter().map(|loss| AcceptedCount {
            entity: loss.entity.clone(),
            set: loss.set.clone(),
            records: loss.after,
        });
        Some(Self {
            reason: reason.to_owned(),
            acknowledged_at: now,
            created_at: first.created_at,
            series: first.series.clone(),
            application: producer.application.clone(),
            environment: producer.environment.clone(),
            entities: accepted.collect(),
        })
    }

    /// Keeps it beside the backups.
    pub(crate) async fn keep(&self, storage: &Storage, id: BackupId) -> Result<()> {
        sidecar::keep(storage, FOLDER, &id, self).await
    }

    /// Whether a loss is what somebody has accepted. It may show at a later backup, once the one that was acknowledged is gone.
    fn covers(
        &self,
        loss: &SizeDrop,
        producer: &Producer,
        percent: u8,
        canonical: &impl Fn(&str) -> String,
    ) -> bool {
        let is_accepted = |accepted: &AcceptedCount| {
            accepted.set == loss.set
                && canonical(&accepted.entity) == loss.entity
                && !is_most(accepted.records, loss.after, percent)
        };
        self.series == loss.series
            && self.application == producer.application
            && self.environment == producer.environment
            && loss.previous_created_at < self.created_at
            && self.created_at <= loss.created_at
            && self.entities.iter().any(is_accepted)
    }
}

impl Acknowledgements {
    /// Those of a profile. One that cannot be read does not count, and is logged: the loss stays a problem until it is acknowledged
    /// again.
    ///
    /// # Errors
    /// The storage cannot be read.
    pub(crate) async fn of(storage: &Storage) -> Result<Self> {
        let remedy = "remove it, and acknowledge the loss again";
        let all = sidecar::all::<BackupId, Acknowledgement>(storage, FOLDER, remedy).await?;
        for (id, problem) in &all.unreadable {
            tracing::warn!(target: "koan::backup", backup = %id, %problem, "an acknowledgement cannot be read and does not count");
        }
        Ok(Self(all.known.into_iter().map(|(id, one)| (id, vec![one])).collect()))
    }

    /// Adds those of another profile.
    pub(crate) fn add(&mut self, other: Self) {
        for (id, more) in other.0 {
            self.0.entry(id).or_default().extend(more);
        }
    }

    /// The backups whose losses were acknowledged.
    pub(crate) fn backups(&self) -> impl Iterator<Item = BackupId> {
        self.0.keys().copied()
    }

    /// Whether the loss in a backup by `producer` was accepted.
    pub(super) fn cover(
        &self,
        loss: &SizeDrop,
        producer: &Producer,
        percent: u8,
        canonical: &impl Fn(&str) -> String,
    ) -> bool {
        self.0.values().flatten().any(|one| one.covers(loss, producer, percent, canonical))
    }

    /// Forgets that of a backup that is gone.
    pub(crate) async fn forget(storage: &Storage, id: BackupId) -> Result<()> {
        sidecar::forget(storage, FOLDER, &id).await
    }
}
