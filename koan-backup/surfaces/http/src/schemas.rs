//! The schemas of the entities of a backup, which are in its archive.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use koan_backup_core::archive::{Manifest, SchemaSnapshots};
use koan_backup_core::{BackupId, ErrorKind, Koan};
use tokio::sync::Semaphore;

use crate::problem::Problem;

/// The number of backups whose schemas are kept.
const MAX_KEPT: usize = 64;

/// How many archives are opened at the same time, because every caller may ask for a manifest.
const MAX_OPENED: usize = 2;

/// The schemas of the backups that were read last. The schemas of a backup never change.
#[derive(Debug)]
pub(crate) struct SchemaCache {
    kept: Mutex<VecDeque<(BackupId, Arc<SchemaSnapshots>)>>,
    places: Semaphore,
}

impl Default for SchemaCache {
    fn default() -> Self {
        Self { kept: Mutex::default(), places: Semaphore::new(MAX_OPENED) }
    }
}

impl SchemaCache {
    /// Returns the schemas of a backup, or `None` if its archive contains none that can be read: there is no archive,
    /// it is damaged, or it is encrypted as a whole and there is no key.
    ///
    /// # Errors
    /// The storage cannot be read.
    pub(crate) async fn read(
        &self,
        koan: &Koan,
        manifest: &Manifest,
        profile: &str,
    ) -> Result<Option<Arc<SchemaSnapshots>>, Problem> {
        if manifest.archive.is_none() {
            return Ok(None);
        }
        let id = manifest.id;
        if let Some(kept) = self.find(id) {
            return Ok(Some(kept));
        }
        // The semaphore is never closed.
        let _place = self.places.acquire().await;
        // Another caller may have read them meanwhile.
        if let Some(kept) = self.find(id) {
            return Ok(Some(kept));
        }
        match koan.schemas(id).from_profile(profile).await {
            Ok(schemas) => {
                let schemas = Arc::new(schemas);
                self.keep(id, Arc::clone(&schemas));
                Ok(Some(schemas))
            }
            Err(error) if matches!(error.kind(), ErrorKind::Storage | ErrorKind::Timeout) => {
                Err(error.into())
            }
            Err(error) => {
                let error = error.chain();
                tracing::debug!(target: "koan::backup::http", backup = %id, error, "the schemas were not read");
                Ok(None)
            }
        }
    }

    fn find(&self, id: BackupId) -> Option<Arc<SchemaSnapshots>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| *known == id).map(|(_, schemas)| Arc::clone(schemas))
    }

    fn keep(&self, id: BackupId, schemas: Arc<SchemaSnapshots>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, _)| *known != id);
        kept.push_back((id, schemas));
        if kept.len() > MAX_KEPT {
            kept.pop_front();
        }
    }
}
