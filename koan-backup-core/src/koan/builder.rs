//! The builder of a context. It reports all configuration errors before the first backup.

mod archives_only;
mod declared_names;
mod defaults;
mod diagnosis;
mod event_stores;
mod events;
mod existing_storage;
mod identity;
mod registration;
mod stream_providers;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::stream_providers::NamedProvider;
use super::background::{BackgroundPlan, BackgroundTasks};
use super::contents::Contents;
use super::defaults::OperationDefaults;
use super::refresh::last_backup_warnings;
use super::{Koan, coverage};
use crate::archive::Producer;
use crate::catalog::ManifestCache;
use crate::declaration::registry::Registry;
use crate::encryption::{KeySource, Recipients};
use crate::entity::Entity;
use crate::entity::stream::EventStream;
use crate::environment::event::{Listener, OperationLog};
use crate::environment::lease;
use crate::environment::{CurrentInventory, Environment, require_archive_recipients, require_recipients};
use crate::foundation::clock::{Clock, SystemClock};
use crate::foundation::error::Result;
use crate::foundation::identity::ApplicationIdentity;
use crate::foundation::runtime::require_timers;
use crate::operations::maintenance::verifications;
use crate::provider::Provider;
use crate::storage::Storage;
use crate::storage::machine_state::{MachineState, default_directory};

/// A builder for a context.
///
/// ```
/// use koan_backup::Memory;
/// use koan_backup::prelude::*;
/// # use koan_backup_shop::key_pair;
/// # koan_backup_shop::run(async |_| {
/// # let (public, private) = key_pair();
///
/// let koan = Koan::builder()
///     .provider(Memory::new()) // or `Sqlite::open("shop.db")?`, `Postgres::connect("postgres://…")?`, …
///     .storage(Storage::memory()) // or `Storage::local(".koan/backups")?`, `Storage::url("s3://…")?`
///     .named_storage("dr", Storage::memory())
///     .encrypt_to(Recipients::keys([public])?) // `age1…`
///     .keys(Keys::text(private)) // only to restore and to verify; or `Keys::file("koan.key")`
///     .application("shop")
///     .environment("staging")
///     .build()
///     .await?;
/// assert_eq!(koan.identity().application(), "shop");
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
#[must_use = "a context exists only after `.build().await`"]
pub struct KoanBuilder {
    registry: Registry,
    expected_crates: Vec<String>,
    providers: Vec<(String, Arc<dyn Provider>)>,
    /// The names of the providers that contain only event streams.
    event_stores: BTreeSet<String>,
    storages: Vec<(String, Storage)>,
    default_storage: Option<String>,
    default_storage_directory: Option<PathBuf>,
    recipients: Option<Recipients>,
    keys: Vec<Arc<dyn KeySource>>,
    uncovered_policy: UncoveredPolicy,
    contents: Contents,
    existing_storage: BTreeSet<String>,
    application: Option<String>,
    application_environment: Option<String>,
    clock: Arc<dyn Clock>,
    lease_time: Duration,
    listener: Listener,
    observers: Vec<Listener>,
    operation_log: OperationLog,
    catalog_cache: Option<PathBuf>,
    state_directory: Option<PathBuf>,
    defaults: OperationDefaults,
    background: BackgroundPlan,
}

/// The name of the provider that [`KoanBuilder::provider`] adds.
const DEFAULT_PROVIDER: &str = "main";
/// The name of the storage profile that [`KoanBuilder::storage`] adds.
const DEFAULT_STORAGE: &str = "local";

/// Whether an uncovered entity, table or column makes [`KoanBuilder::build`] fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UncoveredPolicy {
    Warn,
    Deny,
}

impl KoanBuilder {
    pub(super) fn new() -> Self {
        Self {
            registry: Registry::linked(),
            expected_crates: Vec::new(),
            providers: Vec::new(),
            event_stores: BTreeSet::new(),
            storages: Vec::new(),
            default_storage: None,
            default_storage_directory: None,
            recipients: None,
            keys: Vec::new(),
            uncovered_policy: UncoveredPolicy::Warn,
            contents: Contents::Application,
            existing_storage: BTreeSet::new(),
            application: None,
            application_environment: None,
            clock: Arc::new(SystemClock),
            lease_time: lease::DEFAULT_LEASE_TIME,
            listener: Listener::default(),
            observers: Vec::new(),
            operation_log: OperationLog::Emitted,
            catalog_cache: None,
            state_directory: None,
            defaults: OperationDefaults::default(),
            background: BackgroundPlan::default(),
        }
    }

    /// Adds the default provider, which has the name `main`. It contains all entities that select no other provider.
    pub fn provider(self, provider: impl Provider) -> Self {
        self.named_provider(DEFAULT_PROVIDER, provider)
    }

    /// Adds a provider with another name, for the entities that select it with `#[entity(provider = "…")]`. If there is no
    /// provider `main`, the provider that was added first is the default.
    pub fn named_provider(mut self, name: impl Into<String>, provider: impl Provider) -> Self {
        self.providers.push((name.into(), Arc::new(provider)));
        self
    }

    /// Adds the default storage profile, which has the name `local`. If no profile is added, the default is the directory
    /// [`Storage::default_path`].
    pub fn storage(self, storage: Storage) -> Self {
        self.named_storage(DEFAULT_STORAGE, storage)
    }

    /// Adds a storage profile with another name. If there is no profile `local`, the profile that was added first is the
    /// default.
    pub fn named_storage(mut self, name: impl Into<String>, storage: Storage) -> Self {
        self.storages.push((name.into(), storage));
        self
    }

    /// Sets the default storage profile, instead of `local` or the first profile.
    pub fn default_storage(mut self, name: impl Into<String>) -> Self {
        self.default_storage = Some(name.into());
        self
    }

    /// Sets the recipients for which entities and archives are encrypted. Writing backups needs no private
    /// key.
    pub fn encrypt_to(mut self, recipients: Recipients) -> Self {
        self.recipients = Some(recipients);
        self
    }

    /// Adds a source of keys that decrypt entities, for restores, for verifications of their content, and for
    /// [`Koan::rekey`](super::Koan::rekey). The source is read only when keys are needed.
    pub fn keys(mut self, source: impl KeySource) -> Self {
        self.keys.push(Arc::new(source));
        self
    }

    /// Registers an entity manually, for platforms on which the linker does not collect entities. An entity
    /// that is already known is not added again.
    pub fn register<T: Entity>(mut self) -> Self {
        self.registry.register(T::descriptor());
        self
    }

    /// Registers an event type manually, for platforms on which the linker does not collect event types. An event type that
    /// is already known is not added again.
    pub fn register_stream<E: EventStream>(mut self) -> Self {
        self.registry.register_stream(E::descriptor());
        self
    }

    /// Makes [`build`](Self::build) return an error if an entity, table or column is uncovered.
    pub fn deny_uncovered(mut self) -> Self {
        self.uncovered_policy = UncoveredPolicy::Deny;
        self
    }

    /// Undoes [`deny_uncovered`](Self::deny_uncovered): gaps in the coverage are warnings again.
    pub fn allow_uncovered(mut self) -> Self {
        self.uncovered_policy = UncoveredPolicy::Warn;
        self
    }

    /// Sets a directory for the cache of manifests, so that they need not be read again from a remote store
    /// after a start. Damaged files in it are ignored.
    pub fn catalog_cache(mut self, directory: impl Into<PathBuf>) -> Self {
        self.catalog_cache = Some(directory.into());
        self
    }

    /// Sets the state directory, in which this machine remembers which storage profiles and data directories
    /// it has used. The default is `.koan`, or `/var/koan` if the environment variable `KOAN_ENV` is
    /// `production`. A remembered location that is empty now is refused, because its disk is not mounted or
    /// somebody has emptied it.
    pub fn state_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.state_directory = Some(directory.into());
        self
    }

    /// Sets the clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets how long the lease of a backup, rekey or restore is valid without a renewal: at least a second
    /// and at most an hour. The default is a minute.
    ///
    /// Each of these operations holds a lease in the storage, which is renewed after each third of this time.
    /// If the lease cannot be renewed in time, a backup or rekey stops. A runtime that is blocked for that
    /// long cannot renew the lease either. After a process was killed, other processes wait for one and a
    /// half times the lease time, because the clocks of two machines may differ by half of the lease time. No
    /// manual unlock is necessary.
    pub fn lease_time(mut self, time: Duration) -> Self {
        self.lease_time = time;
        self
    }

    /// Builds the context: resolves every policy, reads the structure of every database, logs the boot
    /// report, and refuses an invalid configuration.
    ///
    /// # Errors
    /// - There is no Tokio runtime with timers.
    /// - The name of the application or its environment is invalid, or the lease time is out of range.
    /// - A storage profile or data directory that this machine has used before has disappeared, or a new
    ///   one is probably misspelt.
    /// - No entity is known, two declarations share a name, or an entity names a provider that does not exist.
    /// - The provider of covered event streams does not exist, has no event store, or is not determined.
    /// - A crate that was [expected](Self::expect_crates) has no entity.
    /// - A database cannot be read.
    /// - An entity must be encrypted, but no recipients are configured.
    /// - An entity, table or column is uncovered, and [`deny_uncovered`](Self::deny_uncovered) was called.
    /// - The interval of a background task is zero, or its retention policy or storage profile is invalid.
    pub async fn build(mut self) -> Result<Koan> {
        require_timers()?;
        lease::check_time(self.lease_time)?;
        let identity = ApplicationIdentity::resolve(
            self.application.take(),
            self.application_environment.take(),
            ApplicationIdentity::variable(),
        )?;
        self.check_names()?;
        if self.storages.is_empty() {
            let directory = self.default_storage_directory.take().unwrap_or_else(Storage::default_path);
            self.storages.push((DEFAULT_STORAGE.to_owned(), Storage::local(directory)?));
        }
        self.put_defaults_first()?;
        self.registry.require_crates(&self.expected_crates)?;
        let (mut inventory, declared) = self.resolve_inventory()?;
        let opened = self.providers.iter();
        let providers: Vec<_> =
            opened.map(|(name, provider)| NamedProvider::opened(name, provider.as_ref())).collect();
        let entities = Self::assign_providers(&providers, &declared, &inventory)?;
        coverage::check_order(&entities, &mut inventory)?;
        // New directories are created only after the declarations were checked.
        let state = self.compare_with_state().await?;
        inventory.warnings.extend(self.same_location_warnings());
        let undescribed = inventory.clone();
        coverage::add_coverage(&self.providers, &entities, &mut inventory).await?;
        if self.contents == Contents::Application {
            inventory.last_backup = last_backup_warnings(self.storages.first(), &identity).await;
        }
        let sources: Vec<_> = self.providers.iter().map(|(name, _)| name.as_str()).collect();
        let storage: Vec<_> = self.storages.iter().map(|(_, storage)| storage.public_location()).collect();
        let storage: Vec<&str> = storage.iter().map(String::as_str).collect();
        inventory.log(&sources, &storage);
        let included = inventory.included.iter();
        require_recipients(
            self.recipients.as_ref(),
            included.map(|entity| (entity.entity.as_str(), entity.policy)),
        )?;
        for (_, storage) in &self.storages {
            require_archive_recipients(self.recipients.as_ref(), storage)?;
        }
        if self.uncovered_policy == UncoveredPolicy::Deny {
            inventory.require_covered()?;
        }
        let environment = Arc::new(Environment {
            shared_storage: self.storages.first().map(|(_, storage)| storage.clone()),
            inventory: CurrentInventory::new(undescribed, inventory),
            entities,
            providers: self.providers,
            storages: self.storages,
            manifests: ManifestCache::new(self.catalog_cache),
            verifications: verifications::cache(),
            recipients: self.recipients,
            keys: self.keys,
            clock: self.clock,
            lease_time: self.lease_time,
            producer: Producer::of_application(&identity),
            identity,
            state,
            listener: self.listener,
            observers: self.observers,
            operation_log: self.operation_log,
        });
        let defaults = Arc::new(self.defaults);
        let background = BackgroundTasks::start(&environment, &defaults, self.background)?;
        Ok(Koan { environment, defaults, background: Arc::new(background) })
    }

    /// Compares storage profiles and databases with what this machine remembers of them. Returns the state
    /// directory.
    async fn compare_with_state(&mut self) -> Result<MachineState> {
        let directory = self.state_directory.take().unwrap_or_else(default_directory);
        let state = self.state(MachineState::new(&directory)?);
        let directories = self.storages.iter().filter_map(|(_, storage)| storage.directory());
        let directories: Vec<_> = directories.map(Path::to_owned).collect();
        for index in 0..self.storages.len() {
            let (name, storage) = &self.storages[index];
            let opened = self
                .accepted(name, storage.clone())
                .with_state(&state, &directories)
                .await
                .map_err(|error| error.context(format!("storage profile `{name}` cannot be used")))?;
            self.storages[index].1 = opened;
        }
        for (name, provider) in &self.providers {
            let attached = provider.attach(&state).await;
            attached.map_err(|error| error.context(format!("provider `{name}` cannot be used")))?;
        }
        Ok(state)
    }

    /// Returns a warning for each pair of storage profiles that have the same location, because a copy from
    /// one to the other does not create a second copy.
    fn same_location_warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (index, (name, storage)) in self.storages.iter().enumerate() {
            for (other, _) in
                self.storages[..index].iter().filter(|(_, other)| other.is_same_location(storage))
            {
                let location = storage.location();
                warnings.push(format!(
                    "storage profiles `{other}` and `{name}` have the same location (`{location}`), so a \
                     backup in both profiles is stored only once; give one of them another location, or \
                     declare only one profile"
                ));
            }
        }
        warnings
    }
}
