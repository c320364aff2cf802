//! The storage profiles that a command uses.

use koan_backup_core::KoanBuilder;

/// The storage profiles that a command uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UsedProfiles {
    All,
    /// The default profile, and the profiles with these names.
    DefaultAnd(Vec<String>),
    /// The profiles with these names.
    Named(Vec<String>),
}

impl UsedProfiles {
    /// Returns the profile with this name, or the default profile.
    pub(crate) fn one(profile: Option<&String>) -> Self {
        match profile {
            None => Self::DefaultAnd(Vec::new()),
            Some(profile) => Self::Named(vec![profile.clone()]),
        }
    }

    /// Returns the profiles with these names, or all profiles.
    pub(crate) fn several(profiles: &[String]) -> Self {
        match profiles {
            [] => Self::All,
            profiles => Self::Named(profiles.to_vec()),
        }
    }

    /// Returns the names of the profiles that are used. `declared` contains all profiles, the default profile first. If
    /// the command names a profile that does not exist, all are used, so that the error lists them.
    pub(crate) fn of<'d>(&self, declared: &'d [String]) -> Vec<&'d String> {
        declared.iter().filter(|name| self.contains(declared, name)).collect()
    }

    /// Removes the profiles that are not used from a builder. `declared` contains all profiles, the default profile
    /// first.
    pub(crate) fn restrict(&self, builder: KoanBuilder, declared: &[String]) -> KoanBuilder {
        let used = self.of(declared);
        let unused = declared.iter().filter(|name| !used.contains(name));
        let builder = unused.fold(builder, |builder, name| builder.without_storage(name));
        used.first().into_iter().fold(builder, |builder, name| builder.default_storage(name.as_str()))
    }

    fn contains(&self, declared: &[String], name: &String) -> bool {
        let contains =
            |names: &[String]| names.contains(name) || names.iter().any(|name| !declared.contains(name));
        match self {
            Self::All => true,
            Self::Named(names) => contains(names),
            Self::DefaultAnd(names) => declared.first() == Some(name) || contains(names),
        }
    }
}
