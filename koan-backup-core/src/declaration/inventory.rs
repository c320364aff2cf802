//! The inventory: every entity and event type with its resolved policy, computed at the start.

mod entity;
mod linked_crate;
mod remedy;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use self::linked_crate::Coverage;
use crate::declaration::registry::{Declared, Registry};
use crate::entity::stream::{StreamDescriptor, StreamPart};
use crate::entity::{Decision, EntityDescriptor, Policy, PolicyDeclaration, decide};
use crate::foundation::error::{Error, ErrorKind, Result};

pub use self::entity::{
    DeclarationKind, ExcludedEntity, IncludedEntity, UncoveredColumn, UncoveredEntity, UncoveredTable,
};
pub use self::linked_crate::LinkedCrate;
pub(crate) use self::remedy::Remedy;

/// All declared entities and event streams with the decision about each. Included, excluded and uncovered ones are listed
/// separately. An entry of event streams describes the events, documents and snapshots of one object name together.
///
/// ```
/// # use koan_backup_shop::User;
/// use koan_backup::Inventory;
///
/// # fn main() -> koan_backup::Result<()> {
/// // As a unit test, this fails when somebody adds an entity and forgets its policy.
/// let inventory = Inventory::linked()?;
/// inventory.assert_covered();
/// for entity in &inventory.included {
///     println!("{}: encrypted {}", entity.entity, entity.policy.encrypt);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # JSON
/// The inventory serializes to an object whose fields are the fields of this type in camelCase, and so do its
/// entries. Later versions may add fields. A list is always present, and an optional value that is unknown is
/// omitted:
///
/// ```json
/// {
///   "discoveredAt": "2026-11-29T03:00:00Z",
///   "included": [{
///     "entity": "User", "crate": "shop_models", "location": "models/src/lib.rs:12",
///     "typePath": "shop_models::User", "keyType": "i64",
///     "provider": "main", "route": "users", "table": "users", "sets": ["root"],
///     "policy": { "encrypt": true, "includeSchema": true, "source": "scope" }
///   }],
///   "excluded": [{
///     "entity": "SearchIndex", "crate": "shop_models", "location": "models/src/lib.rs:20",
///     "typePath": "shop_models::SearchIndex", "keyType": "i64", "provider": "main",
///     "reason": "rebuilt from the users"
///   }],
///   "uncovered": [{
///     "entity": "Draft", "crate": "shop", "location": "src/drafts.rs:7",
///     "typePath": "shop::drafts::Draft", "keyType": "Uuid", "provider": "main",
///     "why": "no scope declared"
///   }],
///   "uncoveredTables": [],
///   "uncoveredColumns": [],
///   "crates": [
///     { "name": "shop", "entityCount": 1, "includedCount": 0, "excludedCount": 0, "uncoveredCount": 1, "hasScope": false },
///     { "name": "shop_models", "entityCount": 2, "includedCount": 1, "excludedCount": 1, "uncoveredCount": 0, "hasScope": true }
///   ],
///   "warnings": [],
///   "remedies": ["add `#[entity_backup]`, or `#[entity_backup(enabled = false, reason = \"…\")]`"],
///   "notes": [],
///   "lastBackup": []
/// }
/// ```
///
/// An entry of event streams has `"kind": "eventStream"`, no `table`, and no `route`; an entry of an entity has no `kind`. An
/// entry of `crates` has `streamCount` if the crate declares event types, which `entityCount` includes:
///
/// ```json
/// {
///   "entity": "order", "kind": "eventStream", "crate": "shop", "location": "src/orders.rs:9",
///   "typePath": "shop::orders::OrderEvent", "keyType": "(String, String, u64)", "provider": "main", "sets": [],
///   "policy": { "encrypt": true, "includeSchema": true, "source": "attribute" }
/// }
/// ```
///
/// An included entity has `relationship` if its table is a partition or inherits, `problem` if it cannot be
/// backed up, and `retentionDays` in its policy if they are declared.
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
    /// Tables that no entity maps to. [`warnings`](Self::warnings) contains them as well.
    pub uncovered_tables: Vec<UncoveredTable>,
    /// Columns that no field maps to. [`warnings`](Self::warnings) contains them as well.
    pub uncovered_columns: Vec<UncoveredColumn>,
    /// The crates that declare these entities and event types, sorted by name. Event streams without a type belong to no
    /// crate. A crate that was not linked is missing;
    /// [`expect_crates`] makes the start fail then.
    ///
    /// [`expect_crates`]: crate::KoanBuilder::expect_crates
    pub crates: Vec<LinkedCrate>,
    /// Gaps in the coverage, such as tables and columns that no entity covers and entities without a table.
    pub warnings: Vec<String>,
    /// The remedies for uncovered entities and for warnings that do not include their remedy, one for each
    /// kind.
    pub remedies: Vec<String>,
    /// Remarks that need no action.
    pub notes: Vec<String>,
    /// The warnings of the last completed backup. They are reported, but are not gaps in the coverage.
    pub last_backup: Vec<String>,
}

impl Inventory {
    /// Returns the inventory of the entities and event types that were linked into this binary, without access to a database.
    /// Use it in a unit test such as `Inventory::linked()?.assert_covered()`.
    ///
    /// # Errors
    /// Nothing was linked, two declarations share a name, or a crate has two scopes.
    pub fn linked() -> Result<Self> {
        Self::resolve(&Registry::linked(), Timestamp::now()).map(|(inventory, _)| inventory)
    }

    /// Returns an inventory without entities.
    pub(crate) fn empty(discovered_at: Timestamp) -> Self {
        Self {
            discovered_at,
            included: Vec::new(),
            excluded: Vec::new(),
            uncovered: Vec::new(),
            uncovered_tables: Vec::new(),
            uncovered_columns: Vec::new(),
            crates: Vec::new(),
            warnings: Vec::new(),
            remedies: Vec::new(),
            notes: Vec::new(),
            last_backup: Vec::new(),
        }
    }

    /// Resolves the policy of every entity and event stream. Also returns what is declared.
    pub(crate) fn resolve(registry: &Registry, discovered_at: Timestamp) -> Result<(Self, Declared)> {
        let scopes = registry.scopes()?;
        let declared = registry.declared()?;
        let is_encrypted_by_default = scopes.values().any(|scope| scope.encrypt_by_default == Some(true));
        let mut entries: Vec<Entry> =
            declared.entities.iter().map(|entity| Entry::of_entity(entity)).collect();
        let streams = declared.streams.iter();
        entries.extend(streams.map(|streams| Entry::of_streams(streams, is_encrypted_by_default)));
        entries.sort_by_key(|entry| entry.descriptor.name());
        let mut inventory = Self::empty(discovered_at);
        let mut coverage = Vec::new();
        for Entry { descriptor, policy, crate_name } in entries {
            let scope = crate_name.and_then(|name| scopes.get(name).copied());
            let decision = decide(policy, scope).map_err(|error| {
                error.context(format!("`{}` at {}", descriptor.type_path(), descriptor.location()))
            })?;
            let decided = match decision {
                Decision::Included(policy) => {
                    inventory.included.push(IncludedEntity::new(descriptor, policy));
                    Coverage::Included
                }
                Decision::Excluded { reason } => {
                    inventory.excluded.push(ExcludedEntity::new(descriptor, reason));
                    Coverage::Excluded
                }
                Decision::Uncovered { why } => {
                    inventory.uncovered.push(UncoveredEntity::new(descriptor, why));
                    Coverage::Uncovered
                }
            };
            coverage.extend(crate_name.map(|name| (name, DeclarationKind::of(descriptor), decided)));
        }
        inventory.crates = linked_crate::count(coverage.into_iter(), &scopes.keys().copied().collect());
        if !inventory.uncovered.is_empty() {
            inventory.add_remedy(Remedy::Policy);
        }
        if inventory.crates.iter().any(|linked| linked.uncovered_count > 0 && !linked.has_scope) {
            inventory.add_remedy(Remedy::Scope);
        }
        Ok((inventory, declared))
    }

    /// Returns whether every entity and event stream has a decision, and no table or column is uncovered.
    pub fn is_covered(&self) -> bool {
        self.uncovered.is_empty() && self.warnings.is_empty()
    }

    /// Returns the warnings that are about neither an uncovered table nor an uncovered column.
    pub fn other_warnings(&self) -> impl Iterator<Item = &str> {
        let tables = self.uncovered_tables.iter().map(|table| &table.warning);
        let known: BTreeSet<_> =
            tables.chain(self.uncovered_columns.iter().map(|column| &column.warning)).collect();
        self.warnings.iter().filter(move |warning| !known.contains(warning)).map(String::as_str)
    }

    /// Panics if the coverage has gaps, for a test that notices when an entity is added without a policy.
    ///
    /// # Panics
    /// An entity is uncovered, or there is a warning; the message lists all gaps.
    pub fn assert_covered(&self) {
        assert!(self.is_covered(), "{}", self.gaps());
    }

    /// Returns an error if the coverage has gaps, for a start with `deny_uncovered()`.
    pub(crate) fn require_covered(&self) -> Result<()> {
        if self.is_covered() { Ok(()) } else { Err(Error::new(ErrorKind::Inventory, self.gaps())) }
    }

    /// Returns the policy of a covered entity, or of covered event streams: by their object name, or by the name of one of
    /// their parts in archives, for example `order.snapshots`.
    pub fn policy(&self, entity: &str) -> Option<Policy> {
        self.included.iter().find(|included| included.has_part(entity)).map(|included| included.policy)
    }

    /// Sets the problem of all covered event streams of a provider. Returns whether there are any.
    pub(crate) fn add_stream_problem(&mut self, provider: &str, problem: &str) -> bool {
        let streams = self.included.iter_mut().filter(|entry| {
            entry.kind == DeclarationKind::EventStream && entry.provider.as_deref() == Some(provider)
        });
        let mut affected = Vec::new();
        for entry in streams {
            entry.problem = Some(problem.to_owned());
            affected.push(entry.entity.clone());
        }
        for entity in &affected {
            self.warn(Remedy::Entity, format!("{entity} cannot be backed up: {problem}"));
        }
        !affected.is_empty()
    }

    /// Sets the provider of an entity.
    pub(crate) fn set_provider(&mut self, entity: &str, provider: &str) {
        let included = self.included.iter_mut().map(|entry| (&entry.entity, &mut entry.provider));
        let excluded = self.excluded.iter_mut().map(|entry| (&entry.entity, &mut entry.provider));
        let uncovered = self.uncovered.iter_mut().map(|entry| (&entry.entity, &mut entry.provider));
        let mut all = included.chain(excluded).chain(uncovered);
        if let Some((_, slot)) = all.find(|(name, _)| *name == entity) {
            *slot = Some(provider.to_owned());
        }
    }

    /// Adds a warning and its remedy.
    pub(crate) fn warn(&mut self, remedy: Remedy, text: String) {
        self.add_remedy(remedy);
        self.warnings.push(text);
    }

    fn add_remedy(&mut self, remedy: Remedy) {
        let text = remedy.text(&self.crates);
        self.remedies.extend(text.filter(|text| !self.remedies.contains(text)));
    }

    fn gaps(&self) -> String {
        let uncovered =
            self.uncovered.iter().map(|gap| format!("{} → no backup coverage ({})", gap.entity, gap.why));
        let gaps: Vec<_> = uncovered.chain(self.warnings.iter().cloned()).collect();
        format!("{} not covered by backups: {}; {}", gaps.len(), gaps.join("; "), self.remedies.join("; "))
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
        for UncoveredEntity { entity, why, .. } in &self.uncovered {
            tracing::warn!(target: "koan::backup", "  {entity} → no backup coverage ({why})");
        }
        for ExcludedEntity { entity, reason, .. } in &self.excluded {
            tracing::info!(target: "koan::backup", "  {entity} → excluded: {reason:?}");
        }
        for warning in &self.warnings {
            tracing::warn!(target: "koan::backup", "  {warning}");
        }
        for remedy in &self.remedies {
            tracing::warn!(target: "koan::backup", "  remedy → {remedy}");
        }
        for note in &self.notes {
            tracing::info!(target: "koan::backup", "  {note}");
        }
        for warning in &self.last_backup {
            tracing::warn!(target: "koan::backup", "  last backup → {warning}");
        }
        let crates: Vec<_> = self.crates.iter().map(ToString::to_string).collect();
        tracing::info!(target: "koan::backup", "crates: {}", crates.join(", "));
        let (sources, storage) = (sources.join(", "), storage.join(", "));
        tracing::info!(target: "koan::backup", "sources: {sources}; storage: {storage}");
    }
}

/// A declaration whose policy is resolved.
struct Entry {
    descriptor: &'static EntityDescriptor,
    policy: Option<PolicyDeclaration>,
    /// The crate whose scope decides, and which counts the declaration.
    crate_name: Option<&'static str>,
}

impl Entry {
    fn of_entity(descriptor: &'static EntityDescriptor) -> Self {
        Self { descriptor, policy: descriptor.policy(), crate_name: Some(descriptor.crate_name()) }
    }

    /// Returns the entry of event streams. Those without a type belong to no crate, so that no scope decides about them:
    /// they are encrypted if any scope encrypts by default.
    fn of_streams(streams: &'static StreamDescriptor, is_encrypted_by_default: bool) -> Self {
        let entry = Self::of_entity(streams.part(StreamPart::Events));
        if !streams.is_raw() {
            return entry;
        }
        let policy = entry.policy.map(|policy| PolicyDeclaration {
            encrypt: policy.encrypt.or(is_encrypted_by_default.then_some(true)),
            ..policy
        });
        Self { policy, crate_name: None, ..entry }
    }
}
