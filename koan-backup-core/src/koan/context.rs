//! The type of the context.

use std::sync::Arc;

use crate::environment::Environment;

/// The context of an application: its entities, databases and storage profiles. It is cheap to clone.
#[derive(Clone, Debug)]
pub struct Koan {
    pub(super) environment: Arc<Environment>,
}
