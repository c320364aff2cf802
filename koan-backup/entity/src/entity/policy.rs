//! The backup policy of an entity: its declaration and its resolved form.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::foundation::error::{Error, ErrorKind, Result};

/// The options of `#[entity_backup(...)]`. An option that was not specified is `None` and not its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyDeclaration {
    /// The value of `enabled = …`.
    pub enabled: Option<bool>,
    /// The value of `reason = "…"`.
    pub reason: Option<&'static str>,
    /// The value of `encrypt = …`.
    pub encrypt: Option<bool>,
    /// The value of `include_schema = …`.
    pub include_schema: Option<bool>,
    /// The value of `retention_days = …`.
    pub retention_days: Option<u32>,
}

/// The options of `entity_backup_scope!(...)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeDeclaration {
    /// The value of `module_path!()` at the macro call; the scope covers the complete crate.
    pub module_path: &'static str,
    /// The value of `file!()` at the macro call.
    pub file: &'static str,
    /// The value of `line!()` at the macro call.
    pub line: u32,
    /// The value of `mode = …`.
    pub mode: ScopeMode,
    /// The value of `encrypt_by_default`.
    pub encrypt_by_default: Option<bool>,
    /// The value of `include_schema_by_default`.
    pub include_schema_by_default: Option<bool>,
}

/// Whether entities of a crate are covered without an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScopeMode {
    /// All entities are covered.
    All,
    /// No entity is covered without an attribute.
    None,
}

/// The resolved policy of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Policy {
    /// Whether the records of the entity must be encrypted.
    pub encrypt: bool,
    /// Whether the archive contains the schema of the entity.
    pub include_schema: bool,
    /// The number of days for which backups of the entity are retained, if it is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// The declaration that determines the policy.
    pub source: PolicySource,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { encrypt, include_schema, retention_days, source } = self;
        write!(f, "encrypt={encrypt}, schema={include_schema}")?;
        if let Some(days) = retention_days {
            write!(f, ", kept {days} days")?;
        }
        let source = match source {
            PolicySource::Attribute => "#[entity_backup]",
            PolicySource::Scope => "scope",
        };
        write!(f, " (via {source})")
    }
}

/// The declaration that determines a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PolicySource {
    /// The attribute `#[entity_backup]` on the type.
    Attribute,
    /// The macro `entity_backup_scope!` of the crate.
    Scope,
}

/// The result of resolving the policy of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The entity is covered.
    Included(Policy),
    /// The entity is excluded.
    Excluded {
        /// The reason, as it is declared.
        reason: &'static str,
    },
    /// Nothing declares how the entity is backed up.
    Uncovered {
        /// What is missing.
        why: &'static str,
    },
}

/// Resolves the policy of an entity from its attribute, or from the scope of its crate if it has no
/// attribute.
///
/// # Errors
/// The type is excluded without a reason. The derive refuses such an attribute at compile time, but a
/// registration that is written manually is not checked then.
pub fn decide(attribute: Option<PolicyDeclaration>, scope: Option<&ScopeDeclaration>) -> Result<Decision> {
    let encrypt_by_default = scope.and_then(|scope| scope.encrypt_by_default);
    let schema_by_default = scope.and_then(|scope| scope.include_schema_by_default);
    let policy = |attribute: PolicyDeclaration, source| {
        Decision::Included(Policy {
            encrypt: attribute.encrypt.or(encrypt_by_default).unwrap_or(false),
            include_schema: attribute.include_schema.or(schema_by_default).unwrap_or(true),
            retention_days: attribute.retention_days,
            source,
        })
    };
    Ok(match (attribute, scope.map(|scope| scope.mode)) {
        (Some(PolicyDeclaration { enabled: Some(false), reason, .. }), _) => {
            let reason = reason.filter(|reason| !reason.trim().is_empty()).ok_or_else(|| {
                Error::new(
                    ErrorKind::Configuration,
                    "an excluded entity needs a reason; add `reason = \"…\"`",
                )
            })?;
            Decision::Excluded { reason }
        }
        (Some(attribute), _) => policy(attribute, PolicySource::Attribute),
        (None, Some(ScopeMode::All)) => policy(PolicyDeclaration::default(), PolicySource::Scope),
        (None, Some(ScopeMode::None)) => Decision::Uncovered { why: "scope: None" },
        (None, None) => Decision::Uncovered { why: "no scope declared" },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excluded_entity_needs_a_reason_that_is_not_blank() {
        let excluded = |reason| {
            decide(Some(PolicyDeclaration { enabled: Some(false), reason, ..Default::default() }), None)
        };
        for reason in [None, Some(""), Some(" \n")] {
            let error = excluded(reason).expect_err("the reason is missing");
            assert_eq!(error.kind(), ErrorKind::Configuration, "{reason:?}");
        }
        let reason = "rebuilt from invoices";
        assert_eq!(excluded(Some(reason)).expect("the reason is valid"), Decision::Excluded { reason });
    }
}
