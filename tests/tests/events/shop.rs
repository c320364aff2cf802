//! A database in memory whose backups are in a vault, and a recorder of events.

use std::sync::{Arc, Mutex};

use koan_backup::prelude::*;
use koan_backup::report::VerificationOutcome;
use koan_backup::{Event, KoanBuilder, Listener, SetName};
use koan_backup_tests::scripted::{Script, Scripted};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
pub(super) struct User {
    pub(super) id: u64,
}

/// Creates a builder with a database with 20 records and this storage.
pub(super) fn builder(storage: Storage, script: Script) -> KoanBuilder {
    let database = Scripted::new(script);
    (0..20).for_each(|id| database.put(&SetName::root(), &User { id }));
    Koan::builder().application("shop").storage(storage).provider(database)
}

/// Records the ends of operations as text.
#[derive(Clone, Default)]
pub(super) struct Ends(Arc<Mutex<Vec<String>>>);

impl Ends {
    /// Returns a listener that records ends.
    pub(super) fn listener(&self) -> Listener {
        let recorder = self.clone();
        Listener::new(move |event| recorder.record(event))
    }

    /// Records the event, if it is the end of an operation.
    pub(super) fn record(&self, event: &Event) {
        let text = match event {
            Event::BackupFinished { id, name, series, status, error, manifest, .. } => {
                assert_eq!(status.is_complete(), error.is_none(), "{event:?}");
                let known = match (id, manifest) {
                    (None, None) => "not begun",
                    (Some(_), None) => "begun",
                    (_, Some(_)) => "published",
                };
                format!("backup {name} of {series}: {status:?}, {known}")
            }
            Event::RestoreFinished { id, name, series, error, .. } => {
                let name = name.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
                let series = series.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
                let found = if id.is_some() { "found" } else { "not found" };
                let end = if error.is_some() { "failed" } else { "restored" };
                format!("restore {name} of {series}: {end}, {found}")
            }
            Event::VerificationFinished { name, series, is_complete, outcome, .. } => {
                let extent = if *is_complete { "whole" } else { "part" };
                let outcome = match outcome {
                    VerificationOutcome::Valid => "valid",
                    VerificationOutcome::Damaged { .. } => "damaged",
                    _ => "unknown",
                };
                format!("verification {name} of {series}: {outcome}, {extent}")
            }
            _ => return,
        };
        self.0.lock().expect("the lock is not poisoned").push(text);
    }

    /// Returns the ends since the last call.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("the lock is not poisoned"))
    }
}
