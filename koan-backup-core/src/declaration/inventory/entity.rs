//! The entries of the inventory.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::declaration::raw_stream;
use crate::entity::{EntityDescriptor, Policy};
use crate::foundation::id::SetName;

/// What an entry of the inventory is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum DeclarationKind {
    /// An entity.
    #[default]
    Entity,
    /// The event streams of one object name: their events, documents and snapshots.
    EventStream,
}

/// An entity that is backed up, or the event streams of one object name.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let inventory = koan.inventory();
/// let user = inventory.included.iter().find(|found| found.entity == "User").expect("a covered entity");
/// assert!(!user.policy.encrypt);
/// println!("{} is in {:?}", user.type_path, user.table);
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct IncludedEntity {
    /// The name of the entity, or the object name.
    pub entity: String,
    /// Whether the entry is an entity. In JSON, only an entry of event streams has this field.
    #[serde(skip_serializing_if = "DeclarationKind::is_entity")]
    pub kind: DeclarationKind,
    /// The crate that declares the entity, as it appears in paths, for example `shop_models`. In JSON, the
    /// name of this field is `crate`.
    #[serde(rename = "crate")]
    pub crate_name: String,
    /// The file and the line of the derive or registration, for example `src/models.rs:12`. With cargo, the
    /// file is relative to the root of the workspace; outside of the workspace, it is absolute.
    pub location: String,
    /// The path of the type, for example `shop_models::orders::OrderLine`. It is the event type of event streams, and
    /// `koan_backup::event_store::StreamEvent` if they have none.
    pub type_path: String,
    /// The type of the key, as it is written in the source, for example `i64` or `(i64, u32)`.
    pub key_type: String,
    /// The name of the provider that contains the entity. In the inventory of [`Inventory::linked`], which
    /// knows no providers, it is the provider that the declaration selects, if it selects one.
    ///
    /// [`Inventory::linked`]: super::Inventory::linked
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The declared name of the entity in URLs, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The table of the entity in its provider, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// How the table depends on another table, for example as a partition or through inheritance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relationship: Option<String>,
    /// The sets that exist in the provider, the default set first. The list is empty if there are none, or if
    /// the provider does not report them.
    pub sets: Vec<SetName>,
    /// The resolved policy.
    pub policy: Policy,
    /// Why the entity cannot be backed up, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// An entity, or the event streams of one object name, that its declaration excludes from backups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExcludedEntity {
    /// The name of the entity, or the object name.
    pub entity: String,
    /// Whether the entry is an entity. In JSON, only an entry of event streams has this field.
    #[serde(skip_serializing_if = "DeclarationKind::is_entity")]
    pub kind: DeclarationKind,
    /// The crate that declares the entity. In JSON, the name of this field is `crate`.
    #[serde(rename = "crate")]
    pub crate_name: String,
    /// The file and the line of the derive or registration, for example `src/models.rs:12`.
    pub location: String,
    /// The path of the type.
    pub type_path: String,
    /// The type of the key, as it is written in the source.
    pub key_type: String,
    /// The name of the provider that contains the entity, as in [`IncludedEntity::provider`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The declared name of the entity in URLs, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The declared reason.
    pub reason: String,
}

/// An entity, or the event streams of one object name, without a policy. It is not backed up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UncoveredEntity {
    /// The name of the entity, or the object name.
    pub entity: String,
    /// Whether the entry is an entity. In JSON, only an entry of event streams has this field.
    #[serde(skip_serializing_if = "DeclarationKind::is_entity")]
    pub kind: DeclarationKind,
    /// The crate that declares the entity. In JSON, the name of this field is `crate`.
    #[serde(rename = "crate")]
    pub crate_name: String,
    /// The file and the line of the derive or registration, for example `src/models.rs:12`.
    pub location: String,
    /// The path of the type.
    pub type_path: String,
    /// The type of the key, as it is written in the source.
    pub key_type: String,
    /// The name of the provider that contains the entity, as in [`IncludedEntity::provider`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The declared name of the entity in URLs, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Why the entity has no policy.
    pub why: String,
}

/// A table that no entity maps to and that is not ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UncoveredTable {
    /// The name of the provider.
    pub provider: String,
    /// The name of the table.
    pub table: String,
    /// The warning of the inventory about the table.
    pub warning: String,
}

/// A column that no field of its entity maps to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UncoveredColumn {
    /// The name of the provider.
    pub provider: String,
    /// The name of the table.
    pub table: String,
    /// The name of the column.
    pub column: String,
    /// The name of the entity that the table belongs to.
    pub entity: String,
    /// The warning of the inventory about the column.
    pub warning: String,
}

impl DeclarationKind {
    /// Returns what a descriptor declares.
    pub(super) fn of(descriptor: &EntityDescriptor) -> Self {
        match descriptor.stream_part() {
            None => Self::Entity,
            Some(_) => Self::EventStream,
        }
    }

    /// Returns whether the entry is an entity.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_entity(&self) -> bool {
        *self == Self::Entity
    }
}

impl IncludedEntity {
    /// Returns whether the entry is event streams without an event type, which
    /// [`register_raw`](crate::KoanBuilder::register_raw) declared.
    pub fn is_raw(&self) -> bool {
        self.kind == DeclarationKind::EventStream && self.type_path == raw_stream::TYPE_PATH
    }

    /// Returns whether an archive contains an entry with this name for it: its name, or that of a part of its streams.
    pub(super) fn has_part(&self, name: &str) -> bool {
        let suffix = name.strip_prefix(self.entity.as_str());
        suffix.is_some_and(|suffix| match self.kind {
            DeclarationKind::Entity => suffix.is_empty(),
            DeclarationKind::EventStream => ["", ".documents", ".snapshots"].contains(&suffix),
        })
    }

    /// Returns the event streams as text, without their name.
    fn streams(&self) -> String {
        let Policy { encrypt, include_schema, .. } = self.policy;
        if self.is_raw() {
            format!(
                "event stream without a type, encrypt={encrypt}, schema={include_schema} (via register_raw)"
            )
        } else {
            let ident = self.type_path.rsplit("::").next().unwrap_or(&self.type_path);
            format!("event stream of {ident}, {}", self.policy)
        }
    }

    pub(super) fn new(descriptor: &EntityDescriptor, policy: Policy) -> Self {
        Self {
            entity: descriptor.name().to_owned(),
            kind: DeclarationKind::of(descriptor),
            crate_name: descriptor.crate_name().to_owned(),
            location: descriptor.location(),
            type_path: descriptor.type_path(),
            key_type: descriptor.key_type().to_owned(),
            provider: descriptor.provider().map(str::to_owned),
            route: descriptor.route().map(str::to_owned),
            table: None,
            relationship: None,
            sets: Vec::new(),
            policy,
            problem: None,
        }
    }
}

impl ExcludedEntity {
    pub(super) fn new(descriptor: &EntityDescriptor, reason: &str) -> Self {
        Self {
            entity: descriptor.name().to_owned(),
            kind: DeclarationKind::of(descriptor),
            crate_name: descriptor.crate_name().to_owned(),
            location: descriptor.location(),
            type_path: descriptor.type_path(),
            key_type: descriptor.key_type().to_owned(),
            provider: descriptor.provider().map(str::to_owned),
            route: descriptor.route().map(str::to_owned),
            reason: reason.to_owned(),
        }
    }
}

impl UncoveredEntity {
    pub(super) fn new(descriptor: &EntityDescriptor, why: &str) -> Self {
        Self {
            entity: descriptor.name().to_owned(),
            kind: DeclarationKind::of(descriptor),
            crate_name: descriptor.crate_name().to_owned(),
            location: descriptor.location(),
            type_path: descriptor.type_path(),
            key_type: descriptor.key_type().to_owned(),
            provider: descriptor.provider().map(str::to_owned),
            route: descriptor.route().map(str::to_owned),
            why: why.to_owned(),
        }
    }
}

impl fmt::Display for IncludedEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            DeclarationKind::Entity => write!(f, "{} → {}", self.entity, self.policy)?,
            DeclarationKind::EventStream => write!(f, "{} → {}", self.entity, self.streams())?,
        }
        if let (Some(table), Some(provider)) = (&self.table, &self.provider) {
            write!(f, ", in table `{table}` of `{provider}`")?;
        }
        self.relationship.as_ref().map_or(Ok(()), |relationship| write!(f, " ({relationship})"))
    }
}
