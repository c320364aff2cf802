//! The entities and scopes that the linker collects.

use linkme::distributed_slice;

use super::{EntityDescriptor, ScopeDeclaration};

/// All linked entities. The name is long because it is part of the name of a linker section.
#[distributed_slice]
pub static KOAN_BACKUP_0_1_ENTITIES: [&'static EntityDescriptor];

/// All linked scopes.
#[distributed_slice]
pub static KOAN_BACKUP_0_1_SCOPES: [&'static ScopeDeclaration];
