//! The diagnosis of a builder, which also works if the context cannot be built.

use std::sync::Arc;

use super::stream_providers::NamedProvider;
use super::{DEFAULT_PROVIDER, DEFAULT_STORAGE, KoanBuilder};
use crate::archive::Producer;
use crate::catalog::ManifestCache;
use crate::declaration::inventory::Inventory;
use crate::declaration::registry::Declared;
use crate::environment::lease;
use crate::environment::{CurrentInventory, Environment, KnownEntity};
use crate::foundation::error::{Error, Result};
use crate::foundation::identity::ApplicationIdentity;
use crate::koan::coverage;
use crate::koan::diagnosis::{DiagnosisBuilder, FailedParts};
use crate::operations::diagnosis::{Check, CheckCode, CheckSubject, Examined};
use crate::operations::maintenance::verifications;
use crate::storage::Storage;
use crate::storage::machine_state::{MachineState, default_directory};

impl KoanBuilder {
    /// Diagnoses the application that this builder describes, also if a context cannot be built: one provider or
    /// storage that cannot be used does not hide the other problems. Nothing is created. No background task is
    /// started.
    ///
    /// ```
    /// use koan_backup::prelude::*;
    /// use koan_backup::provider::Provider;
    ///
    /// /// `database` is, for example, the result of `Sqlite::open("shop.db")`.
    /// async fn is_healthy(database: Result<impl Provider, Error>) -> Result<bool, Error> {
    ///     let builder = Koan::builder().storage(Storage::local(".koan/backups")?);
    ///     let diagnosis = match database {
    ///         Ok(database) => builder.provider(database).diagnose(),
    ///         Err(error) => builder.diagnose().failed_provider("main", &error),
    ///     };
    ///     Ok(diagnosis.await?.is_healthy())
    /// }
    /// ```
    pub fn diagnose(self) -> DiagnosisBuilder {
        DiagnosisBuilder::of_builder(self)
    }

    /// Returns everything that can be examined, with a check for each part of the configuration that is invalid.
    ///
    /// # Errors
    /// The path of the state directory cannot be made absolute.
    pub(in crate::koan) fn examined(mut self, failed: &FailedParts) -> Result<Examined> {
        let mut invalid = Invalid(Vec::new());
        invalid.accept(lease::check_time(self.lease_time));
        let identity = ApplicationIdentity::resolve(
            self.application.take(),
            self.application_environment.take(),
            ApplicationIdentity::variable(),
        );
        let identity = match invalid.accept(identity) {
            Some(identity) => identity,
            None => ApplicationIdentity::new("default", "development")?,
        };
        if self.storages.is_empty() && failed.storages.is_empty() {
            let directory = self.default_storage_directory.take().unwrap_or_else(Storage::default_path);
            match Storage::local(directory) {
                Ok(storage) => self.storages.push((DEFAULT_STORAGE.to_owned(), storage)),
                Err(error) => invalid.0.push(
                    Check::of_error(
                        CheckSubject::Storage,
                        CheckCode::StorageFailed,
                        &error,
                        "correct the path",
                    )
                    .with_name(DEFAULT_STORAGE),
                ),
            }
        }
        if !self.providers.is_empty() || failed.providers.is_empty() {
            invalid.accept(self.check_names());
        }
        self.default_storage.take_if(|name| failed.storages.contains(name));
        invalid.accept(self.put_defaults_first());
        invalid.accept(self.registry.require_crates(&self.expected_crates));
        let now = self.clock.now();
        let (mut inventory, declared) = invalid
            .accept(self.resolve_inventory())
            .unwrap_or_else(|| (Inventory::empty(now), Declared::default()));
        let providers = self.providers_with(&failed.providers);
        let entities: Vec<KnownEntity> = match providers.is_empty() {
            true => Vec::new(),
            false => {
                invalid.accept(Self::assign_providers(&providers, &declared, &inventory)).unwrap_or_default()
            }
        };
        invalid.accept(coverage::check_order(&entities, &mut inventory));
        let state = MachineState::new(&self.state_directory.take().unwrap_or_else(default_directory))?;
        let storages = self.storages.into_iter().map(|(name, storage)| (name, storage.with_record(&state)));
        let storages: Vec<_> = storages.collect();
        let environment = Environment {
            producer: Producer::of_application(&identity),
            inventory: CurrentInventory::fixed(Arc::new(inventory)),
            entities,
            providers: self.providers,
            shared_storage: storages.first().map(|(_, storage)| storage.clone()),
            storages,
            manifests: ManifestCache::new(self.catalog_cache),
            verifications: verifications::cache(),
            recipients: self.recipients,
            keys: self.keys,
            clock: self.clock,
            lease_time: self.lease_time,
            identity,
            state: state.clone(),
            listener: self.listener,
            observers: self.observers,
            operation_log: self.operation_log,
        };
        Ok(Examined {
            environment: Arc::new(environment),
            state,
            expired_streams: self.defaults.maintenance.expired_streams(),
            expectations: self.defaults.expectations,
            checks: invalid.0,
        })
    }

    /// Returns all providers, the default provider first, including those that cannot be opened.
    fn providers_with(&self, failed: &[String]) -> Vec<NamedProvider> {
        let opened = self.providers.iter();
        let opened = opened.map(|(name, provider)| NamedProvider::opened(name, provider.as_ref()));
        let failed = failed.iter().map(|name| NamedProvider::failed(name));
        let mut providers: Vec<_> = opened.chain(failed).collect();
        if let Some(index) = providers.iter().position(|provider| provider.name == DEFAULT_PROVIDER) {
            providers[..=index].rotate_right(1);
        }
        providers
    }
}

/// The checks of the parts of a configuration that are invalid.
struct Invalid(Vec<Check>);

impl Invalid {
    /// Returns the value of a result, or adds a check for its error.
    fn accept<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        let remedy = "correct the declaration or the setting";
        let check = |error: &Error| {
            Check::of_error(CheckSubject::Configuration, CheckCode::ConfigurationInvalid, error, remedy)
        };
        result.map_err(|error| self.0.push(check(&error))).ok()
    }
}
