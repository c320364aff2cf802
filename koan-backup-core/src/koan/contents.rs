//! What a context consists of.

/// What a context consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::koan) enum Contents {
    /// Entities, providers and storage profiles.
    Application,
    /// Only storage profiles that exist already.
    ArchivesOnly,
}
