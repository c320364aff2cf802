//! The inventory: every entity with its resolved policy, computed when the context is built.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use crate::archive::{ExcludedEntity, UncoveredEntity};
use crate::declaration::registry::Registry;
use crate::entity::{Decision, EntityDescriptor, Policy, PolicySource, decide};
use crate::foundation::error::{Error, ErrorKind, Result};

/// All declared entities: included, excluded and uncovered entities in separate lists.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Inventory {
    /// When the inventory was created.
    pub discovered_at: Timestamp,
    /// Covered entities, sorted by name.
    pub included: Vec<IncludedEntity>,
    /// Entities that are excluded by their declaration, sorted by name.
    pub excluded: Vec<ExcludedEntity>,
    /// Entities without a policy, sorted by name.
    pub uncovered: Vec<UncoveredEntity>,
    /// Gaps in the coverage, such as tables and columns that no entity covers and entities without a table.
    /// Each text includes the remedy.
    pub warnings: Vec<String>,
    /// Remarks that need no action.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The warnings of the last completed backup. They are reported, but are not gaps in the coverage.
    pub last_backup: Vec<String>,
    /// The remedies for the warnings, without duplicates.
    #[serde(skip)]
    pub(crate) remedies: BTreeSet<Remedy>,
}

/// The remedy for a kind of warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Remedy {
    /// For an entity that cannot be backed up.
    Entity,
    /// For a table that no entity maps to.
    Table,
    /// For a column that no field maps to.
    Column,
    /// For a field without a column.
    Field,
    /// For a warning whose own text contains the remedy.
    InWarning,
}

impl Remedy {
    fn text(self) -> Option<&'static str> {
        match self {
            Self::Entity => Some("apply the remedy of each entity that cannot be backed up"),
            Self::Table => Some(
                "for each table, declare an entity, or list the table with a reason in `ignore_table` of its \
                 provider",
            ),
            Self::Column => Some("for each column, add a field, or exclude its entity"),
            Self::Field => Some("for each field without a column, add the column, or #[serde(skip)]"),
            Self::InWarning => None,
        }
    }
}

/// A covered entity.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct IncludedEntity {
    /// The name of the entity.
    pub entity: String,
    /// The path of the type.
    pub type_path: String,
    /// The resolved policy.
    pub policy: Policy,
    /// The table and the provider, if the entity has a table. If the table is a partition of another table or
    /// inherits from another table, the text also names that table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Why the entity cannot be backed up, if it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Inventory {
    /// Returns the inventory of the entities that were linked into this binary, without access to a database.
    /// Use it in a unit test such as `Inventory::linked()?.assert_covered()`.
    ///
    /// # Errors
    /// No entity was linked, two entities share a name, or a crate has two scopes.
    pub fn linked() -> Result<Self> {
        Self::resolve(&Registry::linked(), Timestamp::now()).map(|(inventory, _)| inventory)
    }

    /// Resolves the policy of every entity. Also returns the descriptors, sorted by name.
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
            notes: Vec::new(),
            last_backup: Vec::new(),
            remedies: BTreeSet::new(),
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
                        place: None,
                        problem: None,
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

    /// Returns whether there is no uncovered entity and no warning.
    pub fn is_covered(&self) -> bool {
        self.uncovered.is_empty() && self.warnings.is_empty()
    }

    /// Panics if the coverage has gaps. A test that calls this function fails when an entity without a policy
    /// is added.
    ///
    /// # Panics
    /// An entity is uncovered, or there is a warning; the message lists all gaps.
    pub fn assert_covered(&self) {
        assert!(self.is_covered(), "{}", self.describe_gaps());
    }

    /// Returns an error if the coverage has gaps. `KoanBuilder::build` calls this function if
    /// `deny_uncovered()` was set.
    pub(crate) fn require_covered(&self) -> Result<()> {
        if self.is_covered() { Ok(()) } else { Err(Error::new(ErrorKind::Inventory, self.describe_gaps())) }
    }

    /// Returns the policy of a covered entity.
    pub fn policy(&self, entity: &str) -> Option<Policy> {
        self.included.iter().find(|included| included.entity == entity).map(|included| included.policy)
    }

    fn describe_gaps(&self) -> String {
        let uncovered =
            self.uncovered.iter().map(|gap| format!("{} → no backup coverage ({})", gap.entity, gap.why));
        let gaps: Vec<_> = uncovered.chain(self.warnings.iter().cloned()).collect();
        let entity_remedy = "add `#[entity_backup]`, or `#[entity_backup(enabled = false, reason = \"…\")]`";
        let entity_remedy = (!self.uncovered.is_empty()).then_some(entity_remedy);
        let remedies: Vec<&str> = entity_remedy
            .into_iter()
            .chain(self.remedies.iter().filter_map(|remedy| remedy.text()))
            .collect();
        format!("the backup coverage has gaps ({}): {}; {}", gaps.len(), gaps.join("; "), remedies.join("; "))
            .trim_end_matches("; ")
            .to_owned()
    }

    /// Logs the boot report, one event per line.
    pub(crate) fn log(&self, sources: &[&str], storage: &[&str]) {
        let (uncovered, excluded) = (self.uncovered.len(), self.excluded.len());
        let broken = self.included.iter().filter(|entity| entity.problem.is_some()).count();
        let included = self.included.len() - broken;
        if broken == 0 {
            tracing::info!(
                target: "koan::backup",
                "inventory: {included} included, {uncovered} uncovered, {excluded} excluded"
            );
        } else {
            tracing::warn!(
                target: "koan::backup",
                "inventory: {included} included, {broken} that cannot be backed up, {uncovered} uncovered, \
                 {excluded} excluded"
            );
        }
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
        for note in &self.notes {
            tracing::info!(target: "koan::backup", "  {note}");
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
        write!(f, " (via {source})")?;
        self.place.as_ref().map_or(Ok(()), |place| write!(f, ", in {place}"))
    }
}
