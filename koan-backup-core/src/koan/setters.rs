//! Methods that the builders of operations share.

/// The methods that restrict `options.selection`.
macro_rules! selection_setters {
    () => {
        /// Selects this entity. Several calls select several entities.
        pub fn entity<T: crate::entity::Entity>(mut self) -> Self {
            self.options.selection.types.push(T::descriptor());
            self
        }

        /// Selects the entity with this name, or the entities with these names.
        pub fn entities<Count>(mut self, names: impl crate::koan::names::Names<Count>) -> Self {
            self.options.selection.names.extend(names.into_names());
            self
        }

        /// Excludes the entity with this name, or the entities with these names.
        pub fn exclude<Count>(mut self, names: impl crate::koan::names::Names<Count>) -> Self {
            self.options.selection.excluded_names.extend(names.into_names());
            self
        }

        /// Selects the entities of one or several providers, each given by its name or its kind, such as
        /// `postgres`.
        pub fn providers<Count>(mut self, names: impl crate::koan::names::Names<Count>) -> Self {
            self.options.selection.providers.extend(names.into_names());
            self
        }

        /// Excludes the entities of one or several providers, each given by its name or its kind.
        pub fn exclude_providers<Count>(mut self, names: impl crate::koan::names::Names<Count>) -> Self {
            self.options.selection.excluded_providers.extend(names.into_names());
            self
        }

        /// Selects the records of this set. Several calls select several sets.
        pub fn set(self, name: impl Into<String>) -> Self {
            self.sets([name.into()])
        }

        /// Selects the records of one or several sets.
        pub fn sets<Count>(mut self, names: impl crate::koan::names::Names<Count>) -> Self {
            for name in names.into_names() {
                match crate::foundation::id::SetName::new(name) {
                    Ok(set) => self.options.selection.sets.push(set),
                    Err(error) => self.invalid = Some(error),
                }
            }
            self
        }
    };
}

/// The method that sets `options.application`.
macro_rules! application_setter {
    () => {
        /// Looks up a backup name among the backups of another application. Without this setting, only
        /// backups of the application of this context are considered. A backup id is found in any
        /// application.
        pub fn from_application(
            mut self,
            application: impl Into<String>,
            environment: impl Into<String>,
        ) -> Self {
            let application =
                crate::foundation::identity::ApplicationIdentity::unvalidated(application, environment);
            self.options.application = Some(application);
            self
        }
    };
}

/// The method that sets `options.cancel`. The caller adds a doc comment that describes the effect.
macro_rules! cancel_setter {
    ($(#[$doc:meta])+) => {
        $(#[$doc])+
        pub fn cancel_on(mut self, token: tokio_util::sync::CancellationToken) -> Self {
            self.options.cancel = token;
            self
        }
    };
}

/// The methods that set `options.cancel` and `options.listener`. The caller adds a doc comment that describes
/// the effect of the cancellation.
macro_rules! run_setters {
    ($(#[$doc:meta])+) => {
        crate::koan::setters::cancel_setter!($(#[$doc])+);

        /// Sets a listener that receives the events of the operation.
        pub fn on_event(
            mut self,
            listen: impl Fn(&crate::environment::event::Event) + Send + Sync + 'static,
        ) -> Self {
            self.options.listener = crate::environment::event::Listener::new(listen);
            self
        }
    };
}

/// The method that sets `options.timeout`.
macro_rules! timeout_setter {
    () => {
        /// Stops the operation, like a cancellation, when it takes longer than `limit`. The error is of kind
        /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) and contains the limit.
        pub fn timeout(mut self, limit: std::time::Duration) -> Self {
            self.options.timeout = Some(limit);
            self
        }
    };
}

pub(super) use {application_setter, cancel_setter, run_setters, selection_setters, timeout_setter};
