//! The schemas of the entities of a backup, which are in its archive.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use koan_backup_core::archive::{Manifest, SchemaSnapshots};
use koan_backup_core::{BackupId, Koan};

/// The number of backups whose schemas are kept.
const MAX_KEPT: usize = 64;

/// The schemas of the backups that were read last. The schemas of a backup never change.
#[derive(Debug, Default)]
pub(crate) struct SchemaCache(Mutex<VecDeque<(BackupId, Arc<SchemaSnapshots>)>>);

impl SchemaCache {
    /// Returns the schemas of a backup, or `None` if its archive contains none that can be read: there is no archive,
    /// it is damaged, or it is encrypted as a whole and there is no key.
    pub(crate) async fn read(
        &self,
        koan: &Koan,
        manifest: &Manifest,
        profile: &str,
    ) -> Option<Arc<SchemaSnapshots>> {
        manifest.archive.as_ref()?;
        let id = manifest.id;
        if let Some(kept) = self.find(id) {
            return Some(kept);
        }
        match koan.schemas(id).from_profile(profile).await {
            Ok(schemas) => {
                let schemas = Arc::new(schemas);
                self.keep(id, Arc::clone(&schemas));
                Some(schemas)
            }
            Err(error) => {
                let error = error.chain();
                tracing::debug!(target: "koan::backup::http", backup = %id, error, "the schemas were not read");
                None
            }
        }
    }

    fn find(&self, id: BackupId) -> Option<Arc<SchemaSnapshots>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| *known == id).map(|(_, schemas)| Arc::clone(schemas))
    }

    fn keep(&self, id: BackupId, schemas: Arc<SchemaSnapshots>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, _)| *known != id);
        kept.push_back((id, schemas));
        if kept.len() > MAX_KEPT {
            kept.pop_front();
        }
    }
}
