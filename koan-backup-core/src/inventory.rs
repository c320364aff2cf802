//! Every entity with its resolved policy, computed at boot.

use std::collections::BTreeSet;
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
    /// What could be better and needs nothing to be done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What there is to do about the warnings, each remedy once.
    #[serde(skip)]
    pub(crate) remedies: BTreeSet<Remedy>,
}

/// What there is to do about a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Remedy {
    /// An entity cannot be backed up.
    Entity,
    /// A table is in no entity.
    Table,
    /// A column is in no field.
    Column,
    /// A field is in no column.
    Field,
    /// The warning says so itself.
    Said,
}

impl Remedy {
    fn text(self) -> Option<&'static str> {
        match self {
            Self::Entity => Some("do what is said of each entity that cannot be backed up"),
            Self::Table => Some(
                "for each table, declare an entity, or name the table and a reason in `ignore_table` of its provider",
            ),
            Self::Column => Some("for each column, add a field, or exclude its entity"),
            Self::Field => Some("for each field without a column, add the column, or #[serde(skip)]"),
            Self::Said => None,
        }
    }
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
    /// Its table and provider, if it has a table, and the table that this one is a partition of or inherits from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Why it cannot be backed up as things are, if it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
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
            notes: Vec::new(),
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
        let of_entities = "add `#[entity_backup]`, or `#[entity_backup(enabled = false, reason = \"…\")]`";
        let of_entities = (!self.uncovered.is_empty()).then_some(of_entities);
        let remedies: Vec<&str> =
            of_entities.into_iter().chain(self.remedies.iter().filter_map(|remedy| remedy.text())).collect();
        format!("{} not covered by backups: {}; {}", gaps.len(), gaps.join("; "), remedies.join("; "))
            .trim_end_matches("; ")
            .to_owned()
    }

    /// Logs the boot report, one event a line.
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
                "inventory: {included} included, {broken} that cannot be backed up, {uncovered} uncovered, {excluded} excluded"
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
