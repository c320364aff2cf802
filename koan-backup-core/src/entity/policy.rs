//! How an entity is backed up: as written, and as resolved.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// `#[entity_backup(...)]` as it was written: an option that was not written is `None`, never its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyDeclaration {
    /// `enabled = …`
    pub enabled: Option<bool>,
    /// `reason = "…"`
    pub reason: Option<&'static str>,
    /// `encrypt = …`
    pub encrypt: Option<bool>,
    /// `include_schema = …`
    pub include_schema: Option<bool>,
    /// `retention_days = …`
    pub retention_days: Option<u32>,
}

/// `entity_backup_scope!(...)` as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeDeclaration {
    /// `module_path!()` of where it stands; the scope covers the crate.
    pub module_path: &'static str,
    /// `file!()`
    pub file: &'static str,
    /// `line!()`
    pub line: u32,
    /// `mode = …`
    pub mode: ScopeMode,
    /// `encrypt_by_default`
    pub encrypt_by_default: Option<bool>,
    /// `include_schema_by_default`
    pub include_schema_by_default: Option<bool>,
}

/// Whether entities of a crate are covered without an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScopeMode {
    /// All are.
    All,
    /// None is: each opts in.
    None,
}

/// How an entity is backed up, with every option decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Policy {
    /// Whether its records must be encrypted.
    pub encrypt: bool,
    /// Whether its schema is kept in the archive.
    pub include_schema: bool,
    /// For how many days backups of it are kept, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// Where the decision comes from.
    pub source: PolicySource,
}

/// Where a policy comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PolicySource {
    /// `#[entity_backup]` on the type.
    Attribute,
    /// `entity_backup_scope!` of its crate.
    Scope,
}

/// What was decided for an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Included(Policy),
    Excluded { reason: &'static str },
    Uncovered { why: &'static str },
}

/// Decides by the type's attribute, else by the scope of its crate.
///
/// # Errors
/// The type is excluded and no reason is given; the derive refuses that at compile time, a registration by hand here.
pub(crate) fn decide(
    attribute: Option<PolicyDeclaration>,
    scope: Option<&ScopeDeclaration>,
) -> Result<Decision> {
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
    fn an_entity_is_not_excluded_without_a_reason_in_words() {
        let excluded = |reason| {
            decide(Some(PolicyDeclaration { enabled: Some(false), reason, ..Default::default() }), None)
        };
        for reason in [None, Some(""), Some(" \n")] {
            let error = excluded(reason).expect_err("no reason");
            assert_eq!(error.kind(), ErrorKind::Configuration, "{reason:?}");
        }
        let reason = "rebuilt from invoices";
        assert_eq!(excluded(Some(reason)).expect("a reason"), Decision::Excluded { reason });
    }
}
