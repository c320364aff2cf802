//! The entities and scopes that the linker collects.

use linkme::distributed_slice;

use super::stream::StreamDescriptor;
use super::{EntityDescriptor, ScopeDeclaration};

/// All linked entities. The name is long because it is part of the name of a linker section.
#[distributed_slice]
pub static KOAN_BACKUP_0_1_ENTITIES: [&'static EntityDescriptor];

/// The declared event streams that were linked.
#[distributed_slice]
pub static KOAN_BACKUP_0_1_STREAMS: [&'static StreamDescriptor];

/// All linked scopes.
#[distributed_slice]
pub static KOAN_BACKUP_0_1_SCOPES: [&'static ScopeDeclaration];

#[cfg(test)]
mod tests {
    /// Two versions in one program would otherwise define the same list, which linkme reports by a panic.
    #[test]
    fn the_names_of_the_lists_contain_the_version() {
        let (major, minor) = (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
        for kind in ["ENTITIES", "STREAMS", "SCOPES"] {
            let name = format!("pub static KOAN_BACKUP_{major}_{minor}_{kind}:");
            assert!(include_str!("linked.rs").contains(&name), "rename the list to `{name}`");
        }
    }
}
