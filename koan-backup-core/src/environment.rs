//! The environment of all operations: the entities, databases and storage profiles of the application, after
//! they were checked.

mod current_inventory;
pub(crate) mod event;
mod identities;
pub(crate) mod latest;
pub(crate) mod lease;
pub(crate) mod manifest_durability;
pub(crate) mod newest;
pub(crate) mod object_names;
pub(crate) mod read_lease;
mod storage_directories;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::archive::Producer;
use crate::catalog::{Lookup, ManifestCache, SearchedProfile, SidecarCache, VerificationRecord};
use crate::declaration::selection::Selection;
use crate::encryption::{ArchiveEncryption, Identities, KeySource, Recipients};
use crate::entity::{EntityCodec, EntityDescriptor, Policy};
pub(crate) use crate::environment::current_inventory::CurrentInventory;
use crate::environment::event::{Listener, OperationLog, operation_listener};
use crate::foundation::clock::Clock;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::identity::ApplicationIdentity;
use crate::foundation::names::{names, suggestion};
use crate::provider::Provider;
use crate::storage::{MachineState, Storage};

/// The checked configuration of an application, which all operations share.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) inventory: CurrentInventory,
    pub(crate) entities: Vec<KnownEntity>,
    /// The providers with their names; the first one is the default.
    pub(crate) providers: Vec<(String, Arc<dyn Provider>)>,
    /// The storage profiles with their names; the first one is the default.
    pub(crate) storages: Vec<(String, Storage)>,
    /// The default storage profile of the application, in which its processes coordinate. An operation on a
    /// directory tree has another storage profile of its own, but the same shared storage. `None` if no
    /// storage profile can be used, which only a diagnosis accepts.
    pub(crate) shared_storage: Option<Storage>,
    /// The cache of manifests.
    pub(crate) manifests: ManifestCache,
    /// The cache of verification records.
    pub(crate) verifications: SidecarCache<VerificationRecord>,
    /// The recipients for which entities and archives are encrypted.
    pub(crate) recipients: Option<Recipients>,
    /// The sources of the keys that decrypt entities and archives.
    pub(crate) keys: Vec<Arc<dyn KeySource>>,
    pub(crate) clock: Arc<dyn Clock>,
    /// How long a lease is valid without a renewal.
    pub(crate) lease_time: Duration,
    pub(crate) producer: Producer,
    /// The application whose backups are considered.
    pub(crate) identity: ApplicationIdentity,
    /// The state directory of this machine.
    pub(crate) state: MachineState,
    pub(crate) listener: Listener,
    /// The listeners that receive the events of all operations.
    pub(crate) observers: Vec<Listener>,
    pub(crate) operation_log: OperationLog,
}

/// A declared entity, or a part of declared event streams.
#[derive(Clone, Debug)]
pub(crate) struct KnownEntity {
    pub(crate) codec: EntityCodec,
    /// The backup policy; `None` if the entity is excluded or uncovered.
    pub(crate) policy: Option<Policy>,
    /// The name of its provider.
    pub(crate) provider: String,
}

impl KnownEntity {
    /// Returns whether the records belong to event streams, so that providers read and write them through their event
    /// stores.
    pub(crate) fn is_of_streams(&self) -> bool {
        self.codec.descriptor().stream_part().is_some()
    }
}

impl Environment {
    pub(crate) fn provider(&self, name: &str) -> Result<&Arc<dyn Provider>> {
        self.providers.iter().find(|(known, _)| known == name).map(|(_, provider)| provider).ok_or_else(
            || {
                Error::new(
                    ErrorKind::NotFound,
                    format!(
                        "no provider has the name `{name}`; {}",
                        suggestion(name, self.providers.iter().map(|(name, _)| name.as_str()))
                    ),
                )
            },
        )
    }

    /// Refuses a backup or restore in a context without entities.
    pub(crate) fn require_entities(&self) -> Result<()> {
        if !self.entities.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            "this context has no entities, so it can neither back up nor restore",
        )
        .with_help("use the program of the application, which contains its types"))
    }

    /// Returns whether an entity is selected.
    ///
    /// # Errors
    /// Its provider does not exist.
    pub(crate) fn selects(&self, selection: &Selection, known: &KnownEntity) -> Result<bool> {
        let kind = self.provider(&known.provider)?.kind();
        Ok(selection.selects(known.codec.descriptor(), &known.provider, kind))
    }

    /// Refuses a provider filter that matches no provider, because it may be misspelt.
    pub(crate) fn check_provider_filters(&self, selection: &Selection) -> Result<()> {
        for filter in selection.providers.iter().chain(&selection.excluded_providers) {
            if self.providers.iter().any(|(name, provider)| name == filter || provider.kind() == filter) {
                continue;
            }
            let names = self.providers.iter().map(|(name, _)| name.as_str());
            let kinds: BTreeSet<_> = self.providers.iter().map(|(_, provider)| provider.kind()).collect();
            return Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "no provider has the name or kind `{filter}`; {}",
                    suggestion(filter, names.chain(kinds.iter().copied()))
                ),
            ));
        }
        Ok(())
    }

    /// Returns the storage profile with a name, or the default profile.
    pub(crate) fn storage(&self, profile: Option<&str>) -> Result<&Storage> {
        let found = match profile {
            None => self.storages.first(),
            Some(profile) => self.storages.iter().find(|(known, _)| known == profile),
        };
        found.map(|(_, storage)| storage).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("no storage profile has the name `{}`", profile.unwrap_or("(default)")),
            )
            .with_help(suggestion(
                profile.unwrap_or_default(),
                self.storages.iter().map(|(name, _)| name.as_str()),
            ))
        })
    }

    /// Returns `profile`, or the name of the default profile if it is `None`.
    pub(crate) fn profile_name<'a>(&'a self, profile: Option<&'a str>) -> &'a str {
        let default = self.storages.first().map_or("", |(name, _)| name.as_str());
        profile.unwrap_or(default)
    }

    /// Returns the listener of an operation, or the listener of the context if the operation has none, together
    /// with the observers of the context.
    pub(crate) fn listener(&self, listener: &Listener) -> Listener {
        let own = if listener.is_listening() { listener } else { &self.listener };
        Listener::combined(std::iter::once(own).chain(&self.observers))
    }

    /// Returns whether the operation or the context has a listener. Observers are not considered, because they
    /// do not show progress.
    pub(crate) fn has_listener(&self, listener: &Listener) -> bool {
        listener.is_listening() || self.listener.is_listening()
    }

    /// Returns the listener of a backup or restore, which emits events and progress, and logs within `span`.
    pub(crate) fn operation_listener(&self, listener: &Listener, span: &tracing::Span) -> Listener {
        operation_listener(self.listener(listener), self.operation_log, Arc::clone(&self.clock), span.clone())
    }

    /// Returns whether backups and restores are logged.
    pub(crate) fn logs_operations(&self) -> bool {
        self.operation_log == OperationLog::Emitted
    }

    /// Returns the recipients for which an entity is encrypted, or `None` if it is not encrypted.
    ///
    /// # Errors
    /// The entity must be encrypted, but no recipients are configured.
    pub(crate) fn recipients_of(&self, entity: &str, policy: Policy) -> Result<Option<&Recipients>> {
        require_recipients(self.recipients.as_ref(), std::iter::once((entity, policy)))?;
        Ok(self.recipients.as_ref().filter(|_| policy.encrypt))
    }

    /// Returns the recipients for which the archives of a storage profile are encrypted as a whole, or `None`
    /// if they are not encrypted as a whole.
    ///
    /// # Errors
    /// The archives must be encrypted, but no recipients are configured.
    pub(crate) fn archive_recipients(&self, storage: &Storage) -> Result<Option<&Recipients>> {
        require_archive_recipients(self.recipients.as_ref(), storage)?;
        let must_encrypt = storage.encryption() == ArchiveEncryption::Always;
        Ok(self.recipients.as_ref().filter(|_| must_encrypt))
    }

    /// Returns the identities of all key sources.
    ///
    /// # Errors
    /// A key source fails. The failure is not ignored, because the content that needs the keys of this source
    /// would be reported as not decryptable.
    pub(crate) async fn identities(&self) -> Result<Identities> {
        let mut all = Identities::default();
        for source in &self.keys {
            all = all.and(source.identities().await?);
        }
        Ok(all)
    }

    /// Returns the current name of an entity. An unknown name is returned unchanged.
    pub(crate) fn canonical(&self, name: &str) -> String {
        self.entity(name).map_or_else(|| name.to_owned(), |known| known.codec.name().to_owned())
    }

    /// Returns a storage of this environment as a profile in which backups are looked up.
    pub(crate) fn searched<'c, 'a: 'c>(&'c self, storage: &'a Storage) -> SearchedProfile<'c, 'a> {
        let known = self.storages.iter().find(|(_, known)| std::ptr::eq(known, storage));
        let name = known.map_or(storage.location(), |(name, _)| name.as_str());
        SearchedProfile { manifests: &self.manifests, name, storage }
    }

    /// Returns the lookup of names among the backups of `from`, or among the backups of this application if
    /// `from` is `None`.
    pub(crate) fn lookup<'a>(&'a self, from: Option<&'a ApplicationIdentity>) -> Lookup<'a> {
        Lookup { identity: &self.identity, selected: from }
    }

    /// Returns the entity of a type.
    ///
    /// # Errors
    /// The type is not registered.
    pub(crate) fn require_type(&self, descriptor: &EntityDescriptor) -> Result<&KnownEntity> {
        let is_same = |known: &&KnownEntity| known.codec.descriptor().type_id() == descriptor.type_id();
        self.entities.iter().find(is_same).ok_or_else(|| unregistered(descriptor))
    }

    /// Returns the entity whose current name, or one of whose former names, is `name`.
    pub(crate) fn entity(&self, name: &str) -> Option<&KnownEntity> {
        self.entities
            .iter()
            .find(|entity| entity.codec.name() == name || entity.codec.descriptor().aliases().contains(&name))
    }

    /// Returns the entity whose current name, or one of whose former names, is `name`.
    ///
    /// # Errors
    /// There is no such entity. The error lists the known entities.
    pub(crate) fn require_entity(&self, name: &str) -> Result<&KnownEntity> {
        self.entity(name).ok_or_else(|| {
            // Excluded event streams are assigned to no provider.
            let inventory = self.inventory.get();
            if let Some(excluded) = inventory.excluded.iter().find(|excluded| excluded.entity == name) {
                let text = format!("`{name}` is excluded from backups: {:?}", excluded.reason);
                return Error::new(ErrorKind::Configuration, text);
            }
            Error::new(ErrorKind::NotFound, format!("no entity has the name `{name}`"))
                .with_help(suggestion(name, self.entities.iter().map(|entity| entity.codec.name())))
        })
    }
}

/// Returns the error for a type that was used with a context that does not contain it.
fn unregistered(descriptor: &EntityDescriptor) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!(
            "`{}` ({}) is not registered in this context; add `.register::<{}>()` to the builder, or remove \
             `.only_registered()`",
            descriptor.name(),
            descriptor.location(),
            descriptor.type_path(),
        ),
    )
}

/// Checks that there are recipients if the archives of a storage profile must be encrypted as a whole.
///
/// # Errors
/// The storage profile requires encryption, but no recipients are configured.
pub(crate) fn require_archive_recipients(recipients: Option<&Recipients>, storage: &Storage) -> Result<()> {
    match (storage.encryption(), recipients) {
        (ArchiveEncryption::ByEntity, _) => Ok(()),
        (ArchiveEncryption::Always, Some(recipients)) => recipients.check(),
        (ArchiveEncryption::Always, None) => Err(Error::new(
            ErrorKind::Encryption,
            format!(
                "archives in storage `{}` must be encrypted, but no recipients are configured; set public \
                 keys with `.encrypt_to(Recipients::key(\"age1…\")?)`",
                storage.location()
            ),
        )),
    }
}

/// Checks that there are recipients if one of the entities must be encrypted.
///
/// # Errors
/// One of the entities must be encrypted, but no recipients are configured.
pub(crate) fn require_recipients<'a>(
    recipients: Option<&Recipients>,
    entities: impl Iterator<Item = (&'a str, Policy)>,
) -> Result<()> {
    let encrypted: Vec<_> = entities.filter(|(_, policy)| policy.encrypt).map(|(name, _)| name).collect();
    if encrypted.is_empty() {
        return Ok(());
    }
    match recipients {
        Some(recipients) => recipients.check(),
        None => Err(Error::new(
            ErrorKind::Encryption,
            format!(
                "{} must be encrypted, but no recipients are configured; set public keys with \
                 `.encrypt_to(Recipients::key(\"age1…\")?)`; such an entity is never written in plain \
                 text",
                names(encrypted.iter())
            ),
        )),
    }
}
