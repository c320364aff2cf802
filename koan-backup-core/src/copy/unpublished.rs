//! An archive that no manifest names yet.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;

use crate::storage::{Storage, discard};

/// An archive that no manifest names yet: it goes when this is dropped, unless it was published.
#[derive(Debug)]
pub(super) struct Unpublished {
    place: Option<(Arc<dyn ObjectStore>, Path)>,
}

impl Unpublished {
    pub(super) fn new(storage: &Storage, path: Path) -> Self {
        Self { place: Some((Arc::clone(storage.store()), path)) }
    }

    /// Removes it, and waits for that, though not for ever.
    pub(super) async fn discard(mut self) {
        if let Some((store, path)) = self.place.take() {
            discard(store.as_ref(), &path).await;
        }
    }

    /// Lets it stay.
    pub(super) fn keep(mut self) {
        self.place = None;
    }
}

impl Drop for Unpublished {
    fn drop(&mut self) {
        if let (Some((store, path)), Ok(runtime)) = (self.place.take(), tokio::runtime::Handle::try_current())
        {
            // Whoever dropped the copy does not wait.
            runtime.spawn(async move { discard(store.as_ref(), &path).await });
        }
    }
}
