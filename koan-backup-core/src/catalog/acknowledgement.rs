//! Acknowledged losses of records: sidecar files `acknowledgements/{id}.json`, where `id` is the id of the
//! backup that contains fewer records.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::sidecar;
use super::size_drop::{SizeDrop, is_loss};
use crate::archive::Producer;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::{BackupId, SetName};
use crate::foundation::series::SeriesName;
use crate::storage::Storage;

const FOLDER: &str = "acknowledgements";

/// The acknowledgement of the losses in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Acknowledgement {
    reason: String,
    acknowledged_at: Timestamp,
    created_at: Timestamp,
    series: SeriesName,
    /// The application that made the backup. Losses of another application or environment are not accepted.
    #[serde(default)]
    application: Option<String>,
    #[serde(default)]
    environment: Option<String>,
    entities: Vec<AcceptedCount>,
}

/// The accepted number of records of an entity and set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AcceptedCount {
    entity: String,
    set: SetName,
    records: u64,
}

/// Refuses an acknowledgement without a reason.
pub(crate) fn require_reason(reason: &str) -> Result<()> {
    match reason.trim().is_empty() {
        false => Ok(()),
        true => Err(Error::new(
            ErrorKind::Configuration,
            "an acknowledgement needs a reason: why the records are not needed",
        )),
    }
}

/// The acknowledgements of one or several profiles.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acknowledgements(BTreeMap<BackupId, Vec<Acknowledgement>>);

impl Acknowledgement {
    /// Creates the acknowledgement of all losses of a backup, or `None` if there is none.
    pub(crate) fn new(
        losses: &[SizeDrop],
        producer: &Producer,
        reason: &str,
        now: Timestamp,
    ) -> Option<Self> {
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

    /// Writes the acknowledgement as a sidecar file.
    pub(crate) async fn write(&self, storage: &Storage, id: BackupId) -> Result<()> {
        sidecar::write(storage, FOLDER, &id, self).await
    }

    /// Returns whether a loss was accepted. A loss in a later backup also matches, because the acknowledged
    /// backup may have been removed.
    fn accepts(
        &self,
        loss: &SizeDrop,
        producer: &Producer,
        percent: u8,
        canonical: &impl Fn(&str) -> String,
    ) -> bool {
        let is_accepted = |accepted: &AcceptedCount| {
            accepted.set == loss.set
                && canonical(&accepted.entity) == loss.entity
                && !is_loss(accepted.records, loss.after, percent)
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
    /// Reads the acknowledgements of a profile. An acknowledgement that cannot be read is logged and ignored,
    /// so its loss is reported until it is acknowledged again.
    ///
    /// # Errors
    /// The storage cannot be read.
    pub(crate) async fn read(storage: &Storage) -> Result<Self> {
        let remedy = "remove it, and acknowledge the loss again";
        let all = sidecar::read_all::<BackupId, Acknowledgement>(storage, FOLDER, remedy).await?;
        for (id, problem) in &all.unreadable {
            tracing::warn!(
                target: "koan::backup", backup = %id, %problem,
                "an acknowledgement cannot be read and is ignored"
            );
        }
        Ok(Self(all.readable.into_iter().map(|(id, acknowledgement)| (id, vec![acknowledgement])).collect()))
    }

    /// Returns the acknowledgements of a directory tree.
    pub(crate) fn of(all: BTreeMap<BackupId, Acknowledgement>) -> Self {
        Self(all.into_iter().map(|(id, acknowledgement)| (id, vec![acknowledgement])).collect())
    }

    /// Adds the acknowledgements of another profile.
    pub(crate) fn add(&mut self, other: Self) {
        for (id, acknowledgements) in other.0 {
            self.0.entry(id).or_default().extend(acknowledgements);
        }
    }

    /// Returns the backups whose losses were acknowledged.
    pub(crate) fn backups(&self) -> impl Iterator<Item = BackupId> {
        self.0.keys().copied()
    }

    /// Returns whether the loss in a backup by `producer` was accepted.
    pub(super) fn accepts(
        &self,
        loss: &SizeDrop,
        producer: &Producer,
        percent: u8,
        canonical: &impl Fn(&str) -> String,
    ) -> bool {
        self.0
            .values()
            .flatten()
            .any(|acknowledgement| acknowledgement.accepts(loss, producer, percent, canonical))
    }

    /// Removes the acknowledgement of a backup.
    pub(crate) async fn remove(storage: &Storage, id: BackupId) -> Result<()> {
        sidecar::remove(storage, FOLDER, &id).await
    }
}
