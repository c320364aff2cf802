//! What the pipelines work with: the application's entities, databases and storage, all checked.

pub(crate) mod event;
mod identities;
pub(crate) mod latest;
pub(crate) mod lease;
pub(crate) mod manifest_durability;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::archive::Producer;
use crate::catalog::{Lookup, ManifestCache};
use crate::declaration::inventory::Inventory;
use crate::declaration::selection::Selection;
use crate::encryption::{ArchiveEncryption, Identities, KeySource, Recipients};
use crate::entity::{EntityCodec, Policy};
use crate::environment::event::{Listener, OperationLog, operation_listener};
use crate::foundation::clock::Clock;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::identity::ApplicationIdentity;
use crate::foundation::names::names;
use crate::provider::Provider;
use crate::storage::Storage;

/// An application as the pipelines see it.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) inventory: Inventory,
    pub(crate) entities: Vec<KnownEntity>,
    /// By name; the first is the default.
    pub(crate) providers: Vec<(String, Arc<dyn Provider>)>,
    /// By name; the first is the default.
    pub(crate) storages: Vec<(String, Storage)>,
    /// Manifests that were read before.
    pub(crate) manifests: ManifestCache,
    /// For whom entities are encrypted that must be.
    pub(crate) recipients: Option<Recipients>,
    /// What opens them.
    pub(crate) keys: Vec<Arc<dyn KeySource>>,
    pub(crate) clock: Arc<dyn Clock>,
    /// How long a lease holds without a sign of life.
    pub(crate) lease_time: Duration,
    pub(crate) producer: Producer,
    /// Whose backups are considered.
    pub(crate) identity: ApplicationIdentity,
    pub(crate) listener: Listener,
    pub(crate) operation_log: OperationLog,
}

/// A declared entity.
#[derive(Clone, Debug)]
pub(crate) struct KnownEntity {
    pub(crate) codec: EntityCodec,
    /// None if it is excluded or uncovered.
    pub(crate) policy: Option<Policy>,
    /// The name of the provider it lives in.
    pub(crate) provider: String,
}

impl Environment {
    pub(crate) fn provider(&self, name: &str) -> Result<&Arc<dyn Provider>> {
        self.providers.iter().find(|(known, _)| known == name).map(|(_, provider)| provider).ok_or_else(
            || {
                Error::new(
                    ErrorKind::NotFound,
                    format!(
                        "no provider is called `{name}`; known are {}",
                        names(self.providers.iter().map(|(name, _)| name))
                    ),
                )
            },
        )
    }

    /// Whether an entity is selected.
    ///
    /// # Errors
    /// Its provider is not there.
    pub(crate) fn selects(&self, selection: &Selection, known: &KnownEntity) -> Result<bool> {
        let kind = self.provider(&known.provider)?.kind();
        Ok(selection.selects(known.codec.descriptor(), &known.provider, kind))
    }

    /// Refuses a filter of providers that matches no provider, because it may be misspelt.
    pub(crate) fn check_provider_filters(&self, selection: &Selection) -> Result<()> {
        for filter in selection.providers.iter().chain(&selection.excluded_providers) {
            if self.providers.iter().any(|(name, provider)| name == filter || provider.kind() == filter) {
                continue;
            }
            let known = names(self.providers.iter().map(|(name, _)| name));
            let kinds: BTreeSet<_> = self.providers.iter().map(|(_, provider)| provider.kind()).collect();
            return Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "no provider is called `{filter}`; known are {known}, and none is of that kind: there are {}",
                    names(kinds.iter())
                ),
            ));
        }
        Ok(())
    }

    /// The storage profile of a name, or the default one.
    pub(crate) fn storage(&self, profile: Option<&str>) -> Result<&Storage> {
        let found = match profile {
            None => self.storages.first(),
            Some(profile) => self.storages.iter().find(|(known, _)| known == profile),
        };
        found.map(|(_, storage)| storage).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!(
                    "no storage profile is called `{}`; known are {}",
                    profile.unwrap_or("(default)"),
                    names(self.storages.iter().map(|(name, _)| name))
                ),
            )
        })
    }

    /// The name of a storage profile; that of the default if none is named.
    pub(crate) fn profile_name<'a>(&'a self, profile: Option<&'a str>) -> &'a str {
        let default = self.storages.first().map_or("", |(name, _)| name.as_str());
        profile.unwrap_or(default)
    }

    /// Who is told: the listener of a piece of work, else that of the context.
    pub(crate) fn listener(&self, own: &Listener) -> Listener {
        if own.is_listening() { own.clone() } else { self.listener.clone() }
    }

    /// The listener of a backup or restore: tells whoever listens of events and progress, and logs within `span`.
    pub(crate) fn operation_listener(&self, own: &Listener, span: &tracing::Span) -> Listener {
        operation_listener(self.listener(own), self.operation_log, Arc::clone(&self.clock), span.clone())
    }

    /// Whether backups and restores are logged.
    pub(crate) fn logs_operations(&self) -> bool {
        self.operation_log == OperationLog::Emitted
    }

    /// For whom an entity is encrypted; none if it is not.
    ///
    /// # Errors
    /// It must be, and nobody is named.
    pub(crate) fn recipients_of(&self, entity: &str, policy: Policy) -> Result<Option<&Recipients>> {
        require_recipients(self.recipients.as_ref(), std::iter::once((entity, policy)))?;
        Ok(self.recipients.as_ref().filter(|_| policy.encrypt))
    }

    /// For whom the archives of a storage profile are encrypted as a whole; none if they are not.
    ///
    /// # Errors
    /// They must be, and nobody is named.
    pub(crate) fn archive_recipients(&self, storage: &Storage) -> Result<Option<&Recipients>> {
        require_archive_recipients(self.recipients.as_ref(), storage)?;
        let sealed = storage.encryption() == ArchiveEncryption::Always;
        Ok(self.recipients.as_ref().filter(|_| sealed))
    }

    /// All keys there are, from every source.
    ///
    /// # Errors
    /// A source fails: what it would have opened could be taken for something that nobody can open.
    pub(crate) async fn identities(&self) -> Result<Identities> {
        let mut all = Identities::default();
        for source in &self.keys {
            all = all.and(source.identities().await?);
        }
        Ok(all)
    }

    /// The present name of an entity; that of one that is not known is as it is.
    pub(crate) fn canonical(&self, name: &str) -> String {
        self.entity(name).map_or_else(|| name.to_owned(), |known| known.codec.name().to_owned())
    }

    /// Among which backups one is looked up by its name: those of this application, or of the one that was named.
    pub(crate) fn lookup<'a>(&'a self, from: Option<&'a ApplicationIdentity>) -> Lookup<'a> {
        Lookup { own: &self.identity, from }
    }

    /// The entity of a name, current or older.
    pub(crate) fn entity(&self, name: &str) -> Option<&KnownEntity> {
        self.entities
            .iter()
            .find(|entity| entity.codec.name() == name || entity.codec.descriptor().aliases().contains(&name))
    }

    /// The entity of a name, current or older.
    ///
    /// # Errors
    /// There is none; the error lists those that are known.
    pub(crate) fn require_entity(&self, name: &str) -> Result<&KnownEntity> {
        self.entity(name).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!(
                    "no entity is called `{name}`; known are {}",
                    names(self.entities.iter().map(|entity| entity.codec.name()))
                ),
            )
        })
    }
}

/// Archives that must be encrypted as a whole are never written in clear.
///
/// # Errors
/// A storage profile asks for it, and nobody is named who could read it.
pub(crate) fn require_archive_recipients(recipients: Option<&Recipients>, storage: &Storage) -> Result<()> {
    match (storage.encryption(), recipients) {
        (ArchiveEncryption::ByEntity, _) => Ok(()),
        (ArchiveEncryption::Always, Some(recipients)) => recipients.check(),
        (ArchiveEncryption::Always, None) => Err(Error::new(
            ErrorKind::Encryption,
            format!(
                "archives in storage `{}` must be encrypted, and for whom is not said: name public keys with \
                 `.encrypt_to(Recipients::keys([\"age1…\"])?)`",
                storage.location()
            ),
        )),
    }
}

/// What must be encrypted is never written in clear.
///
/// # Errors
/// One of the entities must be encrypted, and nobody is named who could read it.
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
                "{} must be encrypted, and for whom is not said: name public keys with \
                 `.encrypt_to(Recipients::keys([\"age1…\"])?)`; such an entity is never written in clear",
                names(encrypted.iter())
            ),
        )),
    }
}
