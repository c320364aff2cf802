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
    /// A description for people.
    pub description: Option<String>,
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

impl BackupOptions {
    /// Returns the series of a backup with this name.
    pub(crate) fn series_of(&self, name: &BackupName) -> SeriesName {
        self.series.clone().unwrap_or_else(|| SeriesName::of(name))
    }

    /// Returns the bytes of description, tags and metadata.
    fn label_bytes(&self) -> usize {
        let metadata = self.metadata.iter().map(|(key, value)| key.len() + value.len());
        let tags = self.tags.iter().map(String::len);
        metadata.chain(tags).sum::<usize>() + self.description.as_ref().map_or(0, String::len)
    }

    pub(super) fn validate(&self) -> Result<()> {
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
