//! What a context can do: its entities, providers and storage profiles.

use serde::{Deserialize, Serialize};

use super::context::Koan;
use crate::archive::Compression;
use crate::encryption::ArchiveEncryption;
use crate::operations::backup::BackupOptions;
use crate::provider::Capabilities;
use crate::storage::ProfileKind;

/// The entities, providers and storage profiles of a context, and what each can do. It contains no secret.
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
    /// The entities that are backed up, sorted by name. The [inventory](Koan::inventory) also contains the
    /// excluded and uncovered ones.
    pub entities: Vec<EntityCapabilities>,
    /// The providers; the first one is the default.
    pub providers: Vec<ProviderCapabilities>,
    /// The storage profiles; the first one is the default.
    pub profiles: Vec<ProfileCapabilities>,
}

/// What is possible with an entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EntityCapabilities {
    /// The name of the entity.
    pub name: String,
    /// The name of the provider that stores its records.
    pub provider: String,
    /// Whether its records are encrypted in every archive.
    pub encrypted: bool,
    /// Whether archives contain its schema, so that a restore detects changes of the type.
    pub schema: bool,
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
    let entities = environment.entities.iter().filter_map(|known| {
        let policy = known.policy?;
        Some(EntityCapabilities {
            name: known.codec.name().to_owned(),
            provider: known.provider.clone(),
            encrypted: policy.encrypt,
            schema: policy.include_schema,
        })
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
    ContextCapabilities {
        application: environment.identity.application().to_owned(),
        environment: environment.identity.environment().to_owned(),
        entities: entities.collect(),
        providers: providers.collect(),
        profiles: profiles.collect(),
    }
}
