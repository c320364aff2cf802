//! An archive that no manifest names yet.

use object_store::path::Path;

use crate::storage::Storage;

/// An archive that no manifest names yet: it goes when this is dropped, unless it was published.
#[derive(Debug)]
pub(super) struct Unpublished {
    place: Option<(Storage, Path)>,
}

impl Unpublished {
    pub(super) fn new(storage: &Storage, path: Path) -> Self {
        Self { place: Some((storage.clone(), path)) }
    }

    /// Removes it, and waits for that, though not for ever.
    pub(super) async fn discard(mut self) {
        if let Some((storage, path)) = self.place.take() {
            storage.discard(&path).await;
        }
    }

    /// Lets it stay.
    pub(super) fn keep(mut self) {
        self.place = None;
    }
}

impl Drop for Unpublished {
    fn drop(&mut self) {
        if let (Some((storage, path)), Ok(runtime)) =
            (self.place.take(), tokio::runtime::Handle::try_current())
        {
            // Whoever dropped the copy does not wait.
            runtime.spawn(async move { storage.discard(&path).await });
        }
    }
}
