//! Who declared what: entities and scopes, gathered by the linker or registered by hand.

use linkme::distributed_slice;

use crate::entity::{EntityDescriptor, ScopeDeclaration};

/// All entities that were linked. The name is part of the name of a linker section, hence its length.
#[distributed_slice]
pub static KOAN_BACKUP_0_1_ENTITIES: [&'static EntityDescriptor];

/// All scopes that were linked.
#[distributed_slice]
pub static KOAN_BACKUP_0_1_SCOPES: [&'static ScopeDeclaration];
