//! What to back up, and how.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::archive::Compression;
use crate::declaration::selection::Selection;
use crate::environment::event::Listener;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupName;
use crate::foundation::series::SeriesName;

/// How a backup is made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BackupOptions {
    /// The series it belongs to; that of its name if none is named.
    pub series: Option<SeriesName>,
    /// What a person wants to know about it later.
    pub description: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Whatever should be kept with it.
    pub metadata: BTreeMap<String, String>,
    /// What is backed up.
    pub selection: Selection,
    /// Where the archive goes; the default profile if none is named.
    pub profile: Option<String>,
    /// Whether schema snapshots are left out, also those that policies include.
    pub without_schemas: bool,
    /// How records are compressed.
    pub compression: Compression,
    /// Whether entities that can be read are still backed up when one cannot. The backup's status is `failed` then.
    pub continue_on_error: bool,
    /// Whether the archive is read back from the storage and verified after it was published. It is a success only then.
    pub verify_after: bool,
    /// Entities read at once, where a provider can.
    pub max_concurrency: usize,
    /// Rows between two checks for cancellation and two progress events.
    pub batch_size: usize,
    /// Cancels the backup: nothing is published.
    pub cancel: CancellationToken,
    /// How long it may take; without a limit if none is given.
    pub timeout: Option<Duration>,
    /// Is told what happens.
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

/// Bytes of description, tags and metadata at most: every listing of backups reads them.
const MAX_WORDS: usize = 64 << 10;

impl BackupOptions {
    /// The series of a backup of this name.
    pub(super) fn series_of(&self, name: &BackupName) -> SeriesName {
        self.series.clone().unwrap_or_else(|| SeriesName::of(name))
    }

    fn words(&self) -> usize {
        let metadata = self.metadata.iter().map(|(key, value)| key.len() + value.len());
        let tags = self.tags.iter().map(String::len);
        metadata.chain(tags).sum::<usize>() + self.description.as_ref().map_or(0, String::len)
    }

    pub(super) fn validate(&self) -> Result<()> {
        let problem = if self.batch_size == 0 {
            Some("batch_size must be at least 1")
        } else if self.max_concurrency == 0 {
            Some("max_concurrency must be at least 1")
        } else if self.words() > MAX_WORDS {
            Some("description, tags and metadata are longer than 64 KiB together; keep long texts elsewhere")
        } else {
            None
        };
        problem.map_or(Ok(()), |problem| Err(Error::new(ErrorKind::Configuration, problem)))
    }
}
