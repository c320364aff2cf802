//! The entries of the inventory.

use std::fmt;

use serde::Serialize;

use crate::entity::{EntityDescriptor, Policy};
use crate::foundation::id::SetName;

/// An entity that is backed up.
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
    /// The name of the entity.
    pub entity: String,
    /// The crate that declares the entity, as it appears in paths, for example `shop_models`. In JSON, the
    /// name of this field is `crate`.
    #[serde(rename = "crate")]
    pub crate_name: String,
    /// The file and the line of the derive or registration, for example `src/models.rs:12`. With cargo, the
    /// file is relative to the root of the workspace; outside of the workspace, it is absolute.
    pub location: String,
    /// The path of the type, for example `shop_models::orders::OrderLine`.
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

/// An entity that its declaration excludes from backups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExcludedEntity {
    /// The name of the entity.
    pub entity: String,
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

/// An entity without a policy, which is not backed up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UncoveredEntity {
    /// The name of the entity.
    pub entity: String,
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

impl IncludedEntity {
    pub(super) fn new(descriptor: &EntityDescriptor, policy: Policy) -> Self {
        Self {
            entity: descriptor.name().to_owned(),
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
        write!(f, "{} → {}", self.entity, self.policy)?;
        if let (Some(table), Some(provider)) = (&self.table, &self.provider) {
            write!(f, ", in table `{table}` of `{provider}`")?;
        }
        self.relationship.as_ref().map_or(Ok(()), |relationship| write!(f, " ({relationship})"))
    }
}
