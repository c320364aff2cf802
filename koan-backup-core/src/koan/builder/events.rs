//! The setters for listeners and the log.

use super::KoanBuilder;
use crate::environment::event::{Event, Listener, OperationLog};

impl KoanBuilder {
    /// Registers the default event listener, used by operations that do not set their own. A later call replaces it;
    /// [`observe`](Self::observe) adds listeners.
    pub fn on_event(mut self, listen: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.listener = Listener::new(listen);
        self
    }

    /// Adds a listener that receives the events of all operations, in addition to the listener of the operation
    /// or of the context. Several calls add several listeners. Metrics and notifications use it, because they must
    /// not miss an operation that has a listener of its own.
    ///
    /// ```
    /// use koan_backup_core::{Event, Koan, Listener};
    ///
    /// let failures = Listener::new(|event| {
    ///     if let Event::BackupFinished { series, error: Some(error), .. } = event {
    ///         eprintln!("{series}: {error}");
    ///     }
    /// });
    /// let builder = Koan::builder().observe(failures);
    /// # drop(builder);
    /// ```
    pub fn observe(mut self, observer: Listener) -> Self {
        self.observers.push(observer);
        self
    }

    /// Disables the log of backups and restores. Otherwise their start, progress, preparation, completion and
    /// failure are logged through `tracing` with the target `koan::backup`, inside spans of the operation and
    /// the entity.
    pub fn without_operation_log(mut self) -> Self {
        self.operation_log = OperationLog::Off;
        self
    }
}
