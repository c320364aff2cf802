//! What the handlers of requests share.

use std::sync::Arc;

use koan_backup_core::Koan;
use tokio::sync::Semaphore;

use crate::access::gate::Access;
use crate::entities::RoutedEntities;
use crate::links::Links;
use crate::operations::Operations;
use crate::schemas::SchemaCache;

/// What the handlers of requests share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The context whose databases and storage profiles the API uses.
    pub(crate) koan: Koan,
    /// The entities that routes can name.
    pub(crate) entities: RoutedEntities,
    /// The addresses of the routes.
    pub(crate) links: Links,
    /// The operations that requests start.
    pub(crate) operations: Operations,
    /// The places of comparisons that run at the same time.
    pub(crate) comparisons: Semaphore,
    /// The schemas of backups that were read last.
    pub(crate) schemas: SchemaCache,
    /// Who may do what.
    pub(crate) access: Arc<Access>,
}

/// The state of the router.
pub(crate) type AppState = axum::extract::State<Arc<Shared>>;
