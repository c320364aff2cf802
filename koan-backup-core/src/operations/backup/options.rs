//! The options of a backup.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::archive::Compression;
use crate::declaration::selection::Selection;
use crate::environment::event::Listener;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupName;
use crate::foundation::series::SeriesName;

/// The options of a backup.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BackupOptions {
    /// The series that the backup belongs to. By default it is derived from the name of the backup.
    pub series: Option<SeriesName>,
    /// A description for people. Without it, a description is composed from `triggered_by` and `reason`.
    pub description: Option<String>,
    /// Who or what started the backup.
    pub triggered_by: Option<String>,
    /// Why the backup was started.
    pub reason: Option<String>,
    /// Tags, by which a catalog query can select the backup.
    pub tags: Vec<String>,
    /// Values of the application that are stored in the manifest.
    pub metadata: BTreeMap<String, String>,
    /// The entities and sets that are backed up.
    pub selection: Selection,
    /// The storage profile that receives the archive; the default profile if it is `None`.
    pub profile: Option<String>,
    /// Whether all schema snapshots are omitted, even those that policies include.
    pub without_schemas: bool,
    /// How records are compressed.
    pub compression: Compression,
    /// Whether the backup continues with the other entities when an entity fails. The status of the backup is
    /// `failed` then.
    pub continue_on_error: bool,
    /// Whether the archive is read back from the storage and verified after publication. If the verification
    /// fails, the backup fails.
    pub verify_after: bool,
    /// The maximum number of entities that are read at the same time, if the provider supports it.
    pub max_concurrency: usize,
    /// The number of rows between two checks for cancellation and between two progress events.
    pub batch_size: usize,
    /// Cancels the backup. Nothing is published then.
    pub cancel: CancellationToken,
    /// How long the backup may take; without a limit if it is `None`.
    pub timeout: Option<Duration>,
    /// Receives the events of the backup.
    pub listener: Listener,
}

impl Default for BackupOptions {
    fn default() -> Self {
        Self {
            series: None,
            description: None,
            triggered_by: None,
            reason: None,
            tags: Vec::new(),
            metadata: BTreeMap::new(),
            selection: Selection::default(),
            profile: None,
            without_schemas: false,
            compression: Compression::default(),
            continue_on_error: false,
            verify_after: false,
            max_concurrency: 4,
            batch_size: 1000,
            cancel: CancellationToken::new(),
            timeout: None,
            listener: Listener::default(),
        }
    }
}

/// The maximum total number of bytes of description, tags and metadata. It is limited because every listing
/// of backups reads these texts.
const MAX_LABEL_BYTES: usize = 64 << 10;
/// The maximum number of characters of `triggered_by`.
const MAX_TRIGGERED_BY_CHARACTERS: usize = 200;
/// The maximum number of characters of `reason`.
const MAX_REASON_CHARACTERS: usize = 1000;

impl BackupOptions {
    /// Returns the series of a backup with this name.
    pub(crate) fn series_of(&self, name: &BackupName) -> SeriesName {
        self.series.clone().unwrap_or_else(|| SeriesName::of(name))
    }

    /// Returns the description of the backup: the one that was set, or one that is composed from who started
    /// the backup and why.
    pub(super) fn full_description(&self) -> Option<String> {
        match (&self.description, &self.triggered_by, &self.reason) {
            (Some(description), ..) => Some(description.clone()),
            (None, Some(triggered_by), Some(reason)) => Some(format!("started by {triggered_by}: {reason}")),
            (None, Some(triggered_by), None) => Some(format!("started by {triggered_by}")),
            (None, None, reason) => reason.clone(),
        }
    }

    /// Returns the bytes of description, tags and metadata.
    fn label_bytes(&self) -> usize {
        let metadata = self.metadata.iter().map(|(key, value)| key.len() + value.len());
        let tags = self.tags.iter().map(String::len);
        metadata.chain(tags).sum::<usize>() + self.description.as_ref().map_or(0, String::len)
    }

    pub(super) fn validate(&self) -> Result<()> {
        check_length("triggered_by", self.triggered_by.as_deref(), MAX_TRIGGERED_BY_CHARACTERS)?;
        check_length("reason", self.reason.as_deref(), MAX_REASON_CHARACTERS)?;
        let problem = if self.batch_size == 0 {
            Some("batch_size must be at least 1")
        } else if self.max_concurrency == 0 {
            Some("max_concurrency must be at least 1")
        } else if self.label_bytes() > MAX_LABEL_BYTES {
            Some("description, tags and metadata are longer than 64 KiB together; store long texts elsewhere")
        } else {
            None
        };
        problem.map_or(Ok(()), |problem| Err(Error::new(ErrorKind::Configuration, problem)))
    }
}

/// Refuses a text that is empty or too long.
fn check_length(field: &str, text: Option<&str>, max_characters: usize) -> Result<()> {
    let problem = match text {
        Some(text) if text.trim().is_empty() => "is empty; omit it, or set a text".to_owned(),
        Some(text) if text.chars().count() > max_characters => {
            let characters = text.chars().count();
            format!("has {characters} characters; shorten it to at most {max_characters}")
        }
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::Configuration, format!("`{field}` of the backup {problem}")))
}
