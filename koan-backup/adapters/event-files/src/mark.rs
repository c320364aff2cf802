//! The mark of a store, by which this machine notices that the store has disappeared.

use std::sync::{Arc, OnceLock};

use koan_backup_core::provider::blocking;
use koan_backup_core::storage::MachineState;
use koan_backup_core::{Error, ErrorKind, Result};
use uuid::Uuid;

use crate::objects::{Created, Objects};
use crate::path;

/// The kind of location under which this machine remembers stores.
const LOCATION_KIND: &str = "event store";

/// What is known about the mark of a store.
#[derive(Debug, Default)]
pub(crate) struct Mark {
    /// The machine state. It is set when a context is built.
    state: OnceLock<MachineState>,
    /// Set when the store is known to have a mark.
    is_marked: OnceLock<()>,
}

impl Mark {
    /// Compares the store with what this machine remembers of it.
    ///
    /// # Errors
    /// This machine has used the store before, and it has no mark now.
    pub(crate) async fn attach(self: &Arc<Self>, objects: &Objects, state: &MachineState) -> Result<()> {
        let location = objects.location().to_owned();
        if objects.get(&path::mark()?).await?.is_some() {
            let _ = self.is_marked.set(());
            remember(state.clone(), location).await?;
        } else {
            let (state, name) = (state.clone(), location.clone());
            let known =
                blocking("reading the state directory", move || state.known_location(LOCATION_KIND, &name));
            if known.await??.is_some() {
                let text = format!("the event store in `{location}` was used before, and has disappeared");
                return Err(Error::new(ErrorKind::Provider, text)
                    .with_help("mount its disk, or forget the location if it was emptied on purpose"));
            }
        }
        let _ = self.state.set(state.clone());
        Ok(())
    }

    /// Creates the mark, if it does not exist, and remembers the store.
    pub(crate) async fn create(self: &Arc<Self>, objects: &Objects) -> Result<()> {
        if self.is_marked.get().is_some() {
            return Ok(());
        }
        let text = format!("{{\"store\":\"{}\"}}", Uuid::now_v7().simple());
        match objects.create(&path::mark()?, text.into_bytes()).await? {
            Created::Created | Created::Exists => {}
        }
        if let Some(state) = self.state.get() {
            remember(state.clone(), objects.location().to_owned()).await?;
        }
        let _ = self.is_marked.set(());
        Ok(())
    }
}

async fn remember(state: MachineState, location: String) -> Result<()> {
    let remembered = blocking("writing the state directory", move || {
        state.remember_location(LOCATION_KIND, &location, None)
    });
    remembered.await?
}
