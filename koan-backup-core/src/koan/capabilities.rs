//! What a context can do: its entities, event streams, providers and storage profiles.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::context::Koan;
use crate::archive::Compression;
use crate::declaration::inventory::DeclarationKind;
use crate::encryption::ArchiveEncryption;
use crate::operations::backup::BackupOptions;
use crate::provider::Capabilities;
use crate::provider::event_store::EventStoreCapabilities;
use crate::storage::ProfileKind;

/// The entities, event streams, providers and storage profiles of a context, and what each can do. It contains no secret.
///
/// [`Koan::capabilities`] returns it for programs that show or check what an application can back up. It is
/// serializable, with names in `camelCase`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[must_use = "the capabilities are the result of the call"]
pub struct ContextCapabilities {
    /// The name of the application.
    pub application: String,
    /// The environment of the application, for example `production`.
    pub environment: String,
    /// What a backup of this application can contain.
    pub available_sources: Vec<Source>,
    /// The entities that are backed up, by name. The [inventory](Koan::inventory) also contains the excluded and
    /// uncovered ones.
    pub entities: BTreeMap<String, EntityCapabilities>,
    /// The event streams that are backed up, by object name.
    #[serde(default)]
    pub event_streams: BTreeMap<String, StreamCapabilities>,
    /// The providers; the first one is the default.
    pub providers: Vec<ProviderCapabilities>,
    /// The storage profiles; the first one is the default.
    pub profiles: Vec<ProfileCapabilities>,
    /// The gaps in the coverage: entities without a policy, and the warnings of the [inventory](Koan::inventory).
    pub warnings: Vec<String>,
}

impl ContextCapabilities {
    /// Returns the providers that store these entities and parts of event streams. If one of them is not known here, for example because it was
    /// renamed, every provider is returned.
    pub fn providers_of<'a>(
        &self,
        entities: impl IntoIterator<Item = &'a str>,
    ) -> Vec<&ProviderCapabilities> {
        let known = |name: &str| {
            let entity = self.entities.get(name).map(|entity| entity.provider.as_str());
            entity.or_else(|| self.streams_with_part(name).map(|streams| streams.provider.as_str()))
        };
        let used: Option<Vec<&str>> = entities.into_iter().map(known).collect();
        let used = used.filter(|used| !used.is_empty());
        let is_used = |name: &str| used.as_ref().is_none_or(|used| used.contains(&name));
        self.providers.iter().filter(|provider| is_used(&provider.name)).collect()
    }

    /// Returns the event streams of which archives contain a part with this name.
    fn streams_with_part(&self, name: &str) -> Option<&StreamCapabilities> {
        let object = name.strip_suffix(".documents").or_else(|| name.strip_suffix(".snapshots"));
        self.event_streams.get(object.unwrap_or(name))
    }
}

impl ProviderCapabilities {
    /// Returns the name of the database, or that of the provider if the database has none. A person types it to confirm
    /// that a restore deletes records there.
    pub fn target_name(&self) -> &str {
        self.database.as_deref().unwrap_or(&self.name)
    }
}

/// A part of the data of an entity that a backup can contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Source {
    /// The records.
    Data,
}

/// What is possible with an entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EntityCapabilities {
    /// The path of the type, for example `shop::models::Media`.
    pub full_type_name: String,
    /// The name of the provider that stores its records.
    pub provider: String,
    /// What a backup of this entity can contain.
    pub available_sources: Vec<Source>,
    /// Whether its records are encrypted in every archive.
    pub encrypt: bool,
    /// Whether archives contain its schema, so that a restore detects changes of the type.
    pub include_schema: bool,
}

/// What is possible with the event streams of one object name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StreamCapabilities {
    /// The path of the event type, for example `shop::orders::OrderEvent`. It is
    /// `koan_backup::event_store::StreamEvent` if the events have no type.
    pub full_type_name: String,
    /// The name of the provider whose event store contains the streams.
    pub provider: String,
    /// Whether the streams are encrypted in every archive.
    pub encrypt: bool,
    /// What the event store can contain.
    pub event_store: EventStoreCapabilities,
}

/// What is possible with a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ProviderCapabilities {
    /// The name of the provider.
    pub name: String,
    /// The kind of database, for example `sqlite`.
    pub kind: String,
    /// The name of the database, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The capabilities of the provider.
    pub capabilities: Capabilities,
}

/// What is possible with a storage profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ProfileCapabilities {
    /// The name of the storage profile.
    pub name: String,
    /// The kind of the storage.
    pub kind: ProfileKind,
    /// The directory or the URL of the storage, without credentials.
    pub location: String,
    /// Which part of an archive is encrypted in this profile.
    pub encryption: ArchiveEncryption,
    /// How a backup is compressed that sets no compression.
    pub default_compression: Compression,
}

pub(super) fn capabilities(koan: &Koan) -> ContextCapabilities {
    let environment = &koan.environment;
    let inventory = koan.inventory();
    let of_kind = |kind| inventory.included.iter().filter(move |entry| entry.kind == kind);
    let entities = of_kind(DeclarationKind::Entity).map(|entity| {
        let capabilities = EntityCapabilities {
            full_type_name: entity.type_path.clone(),
            provider: entity.provider.clone().unwrap_or_default(),
            available_sources: vec![Source::Data],
            encrypt: entity.policy.encrypt,
            include_schema: entity.policy.include_schema,
        };
        (entity.entity.clone(), capabilities)
    });
    let event_streams = of_kind(DeclarationKind::EventStream).map(|streams| {
        let provider = streams.provider.clone().unwrap_or_default();
        let store = environment.provider(&provider).ok().and_then(|provider| provider.event_store());
        let capabilities = StreamCapabilities {
            full_type_name: streams.type_path.clone(),
            provider,
            encrypt: streams.policy.encrypt,
            event_store: store.unwrap_or_default(),
        };
        (streams.entity.clone(), capabilities)
    });
    let providers = environment.providers.iter().map(|(name, provider)| ProviderCapabilities {
        name: name.clone(),
        kind: provider.kind().to_owned(),
        database: provider.database(),
        capabilities: provider.capabilities(),
    });
    let profiles = environment.storages.iter().map(|(name, storage)| ProfileCapabilities {
        name: name.clone(),
        kind: storage.profile_kind(),
        location: storage.public_location(),
        encryption: storage.encryption(),
        default_compression: BackupOptions::default().compression,
    });
    let uncovered = inventory.uncovered.iter();
    let uncovered = uncovered.map(|entry| match entry.kind {
        DeclarationKind::Entity => format!("entity `{}` has no backup coverage", entry.entity),
        DeclarationKind::EventStream => format!("event stream `{}` has no backup coverage", entry.entity),
    });
    ContextCapabilities {
        application: environment.identity.application().to_owned(),
        environment: environment.identity.environment().to_owned(),
        available_sources: vec![Source::Data],
        entities: entities.collect(),
        event_streams: event_streams.collect(),
        providers: providers.collect(),
        profiles: profiles.collect(),
        warnings: uncovered.chain(inventory.warnings.iter().cloned()).collect(),
    }
}
