//! Every entity with its resolved policy, computed at boot.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use crate::archive::{ExcludedEntity, UncoveredEntity};
use crate::entity::{Decision, EntityDescriptor, Policy, PolicySource, decide};
use crate::error::{Error, ErrorKind, Result};
use crate::registry::Registry;

/// Every entity that was declared, with what was decided for it. Included, excluded and uncovered stay apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Inventory {
    /// When it was taken.
    pub discovered_at: Timestamp,
    /// Covered entities, sorted by name.
    pub included: Vec<IncludedEntity>,
    /// Entities left out on purpose, sorted by name.
    pub excluded: Vec<ExcludedEntity>,
    /// Entities nobody decided about, sorted by name.
    pub uncovered: Vec<UncoveredEntity>,
    /// Tables and columns in no entity, entities without a table, and the like; each text says what to do.
    pub warnings: Vec<String>,
    /// What the last completed backup warned of. It is reported, and is not a gap in the coverage.
    pub last_backup: Vec<String>,
}

/// A covered entity.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct IncludedEntity {
    /// Its name.
    pub entity: String,
    /// The path of its type.
    pub type_path: String,
    /// How it is backed up.
    pub policy: Policy,
}

impl Inventory {
    /// What was linked into this binary, without looking at a database: for a unit test such as
    /// `Inventory::linked()?.assert_covered()`.
    ///
    /// # Errors
    /// No entity was linked, two share a name, or a crate has two scopes.
    pub fn linked() -> Result<Self> {
        Self::resolve(&Registry::linked(), Timestamp::now()).map(|(inventory, _)| inventory)
    }

    /// Resolves the policy of every entity; also gives the descriptors, sorted by name.
    pub(crate) fn resolve(
        registry: &Registry,
        discovered_at: Timestamp,
    ) -> Result<(Self, Vec<&'static EntityDescriptor>)> {
        let scopes = registry.scopes()?;
        let entities = registry.entities()?;
        let mut inventory = Self {
            discovered_at,
            included: Vec::new(),
            excluded: Vec::new(),
            uncovered: Vec::new(),
            warnings: Vec::new(),
            last_backup: Vec::new(),
        };
        for descriptor in &entities {
            let entity = descriptor.name().to_owned();
            let scope = scopes.get(descriptor.crate_name()).copied();
            let decision = decide(descriptor.policy(), scope).map_err(|error| {
                error.context(format!("`{}` at {}", descriptor.type_path(), descriptor.location()))
            })?;
            match decision {
                Decision::Included(policy) => {
                    inventory.included.push(IncludedEntity {
                        entity,
                        type_path: descriptor.type_path(),
                        policy,
                    });
                }
                Decision::Excluded { reason } => {
                    inventory.excluded.push(ExcludedEntity { entity, reason: reason.to_owned() });
                }
                Decision::Uncovered { why } => {
                    inventory.uncovered.push(UncoveredEntity { entity, why: why.to_owned() });
                }
            }
        }
        Ok((inventory, entities))
    }

    /// Whether somebody decided about every entity, and nothing in a database is in none.
    pub fn is_covered(&self) -> bool {
        self.uncovered.is_empty() && self.warnings.is_empty()
    }

    /// Fails a test that has to notice when somebody adds an entity and forgets its policy.
    ///
    /// # Panics
    /// An entity is uncovered, or there is a warning; the message lists them.
    pub fn assert_covered(&self) {
        assert!(self.is_covered(), "{}", self.gaps());
    }

    /// The failed start of `deny_uncovered()`.
    pub(crate) fn require_covered(&self) -> Result<()> {
        if self.is_covered() { Ok(()) } else { Err(Error::new(ErrorKind::Inventory, self.gaps())) }
    }

    /// The policy of a covered entity.
    pub fn policy(&self, entity: &str) -> Option<Policy> {
        self.included.iter().find(|included| included.entity == entity).map(|included| included.policy)
    }

    fn gaps(&self) -> String {
        let uncovered =
            self.uncovered.iter().map(|gap| format!("{} → no backup coverage ({})", gap.entity, gap.why));
        let gaps: Vec<_> = uncovered.chain(self.warnings.iter().cloned()).collect();
        format!(
            "{} not covered by backups: {}; add `#[entity_backup]`, or `#[entity_backup(enabled = false, reason = \"…\")]`",
            gaps.len(),
            gaps.join("; ")
        )
    }

    /// Logs the boot report, one event a line.
    pub(crate) fn log(&self, sources: &[&str], storage: &[&str]) {
        let (included, uncovered, excluded) =
            (self.included.len(), self.uncovered.len(), self.excluded.len());
        tracing::info!(
            target: "koan::backup",
            "inventory: {included} included, {uncovered} uncovered, {excluded} excluded"
        );
        for entity in &self.included {
            tracing::info!(target: "koan::backup", "  {entity}");
        }
        for UncoveredEntity { entity, why } in &self.uncovered {
            tracing::warn!(target: "koan::backup", "  {entity} → no backup coverage ({why})");
        }
        for ExcludedEntity { entity, reason } in &self.excluded {
            tracing::info!(target: "koan::backup", "  {entity} → excluded: {reason:?}");
        }
        for warning in &self.warnings {
            tracing::warn!(target: "koan::backup", "  {warning}");
        }
        for warning in &self.last_backup {
            tracing::warn!(target: "koan::backup", "  last backup → {warning}");
        }
        let (sources, storage) = (sources.join(", "), storage.join(", "));
        tracing::info!(target: "koan::backup", "sources: {sources}; storage: {storage}");
    }
}

impl fmt::Display for IncludedEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Policy { encrypt, include_schema, retention_days, source } = self.policy;
        let source = match source {
            PolicySource::Attribute => "#[entity_backup]",
            PolicySource::Scope => "scope",
        };
        write!(f, "{} → encrypt={encrypt}, schema={include_schema}", self.entity)?;
        if let Some(days) = retention_days {
            write!(f, ", kept {days} days")?;
        }
        write!(f, " (via {source})")
    }
}
