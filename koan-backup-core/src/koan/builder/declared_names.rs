//! The names of providers and storage profiles: they are unique, one of each kind is the default, and entities refer to
//! those of providers.

use super::stream_providers::{self, NamedProvider};
use super::{DEFAULT_PROVIDER, DEFAULT_STORAGE, KoanBuilder};
use crate::declaration::inventory::Inventory;
use crate::declaration::registry::Declared;
use crate::entity::EntityCodec;
use crate::environment::KnownEntity;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::names::suggestion;
use crate::koan::contents::Contents;

impl KoanBuilder {
    /// Refuses a builder without a provider, and names that occur twice.
    pub(super) fn check_names(&self) -> Result<()> {
        if self.providers.is_empty() && self.contents == Contents::Application {
            return Err(Error::new(
                ErrorKind::Configuration,
                "there is no provider: add the database with `.provider(…)`, for example \
                 `.provider(Sqlite::open(\"shop.db\")?)`",
            ));
        }
        let providers = self.providers.iter().map(|(name, _)| name);
        let storages = self.storages.iter().map(|(name, _)| name);
        for (role, method, mut all) in [
            ("provider", "named_provider", providers.collect::<Vec<_>>()),
            ("storage profile", "named_storage", storages.collect()),
        ] {
            all.sort();
            if let Some(pair) = all.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    format!(
                        "two {role}s have the name `{}`; give one of them another name with `.{method}(\"…\", …)`",
                        pair[0]
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Moves the default provider and the default storage profile to the first position.
    pub(super) fn put_defaults_first(&mut self) -> Result<()> {
        let main = self.providers.iter().position(|(name, _)| name == DEFAULT_PROVIDER);
        // A store that contains only event streams is not the default for entities, although it was added first.
        let of_entities = || self.providers.iter().position(|(name, _)| !self.event_stores.contains(name));
        if let Some(index) = main.or_else(of_entities) {
            self.providers[..=index].rotate_right(1);
        }
        let position = |wanted: &str| self.storages.iter().position(|(name, _)| name == wanted);
        let index = match self.default_storage.take() {
            None => position(DEFAULT_STORAGE),
            Some(default) => Some(position(&default).ok_or_else(|| {
                let remedy = suggestion(&default, self.storages.iter().map(|(name, _)| name.as_str()));
                Error::new(
                    ErrorKind::Configuration,
                    format!(
                        "the default storage profile `{default}` does not exist; add it with \
                         `.named_storage(\"{default}\", …)`; {remedy}"
                    ),
                )
            })?),
        };
        if let Some(index) = index {
            self.storages[..=index].rotate_right(1);
        }
        Ok(())
    }

    /// Assigns each entity and each part of event streams to its provider, sorted by name. `providers` contains the default
    /// provider first.
    pub(super) fn assign_providers(
        providers: &[NamedProvider],
        declared: &Declared,
        inventory: &Inventory,
    ) -> Result<Vec<KnownEntity>> {
        let default = providers.first().map(|provider| provider.name.as_str()).unwrap_or_default();
        let entities = declared.entities.iter().map(|&descriptor| {
            let provider = descriptor.provider().unwrap_or(default);
            if !providers.iter().any(|known| known.name == provider) {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    format!(
                        "`{}` at {} selects provider `{provider}`, which does not exist; add it with \
                             `.named_provider(\"{provider}\", …)`; {}",
                        descriptor.name(),
                        descriptor.location(),
                        suggestion(provider, providers.iter().map(|known| known.name.as_str()))
                    ),
                ));
            }
            let codec = EntityCodec::new(descriptor);
            codec.check_declaration()?;
            let policy = inventory.policy(descriptor.name());
            let is_encrypted = policy.is_some_and(|policy| policy.encrypt);
            Ok(KnownEntity {
                codec: if is_encrypted { codec.with_hidden_keys() } else { codec },
                policy,
                provider: provider.to_owned(),
            })
        });
        let mut assigned = entities.collect::<Result<Vec<_>>>()?;
        assigned.extend(stream_providers::assign(providers, declared, inventory)?);
        assigned.sort_by_key(|known| known.codec.name());
        Ok(assigned)
    }
}
