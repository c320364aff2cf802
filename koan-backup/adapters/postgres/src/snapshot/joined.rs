//! A connection that reads in a snapshot.

use std::ops::Deref;
use std::sync::PoisonError;

use koan_backup_core::Result;
use tokio::sync::OwnedMutexGuard;

use super::super::connection::Connection;
use super::PostgresSnapshot;

/// A connection that reads in a snapshot. A connection whose read ended must be [given back](PostgresSnapshot::give_back);
/// dropping it ends its query.
#[derive(Debug)]
pub(super) enum JoinedConnection {
    /// A connection that has joined the exported snapshot.
    Reader(Box<Connection>),
    /// The only connection of a snapshot that the server does not export.
    Holder(OwnedMutexGuard<Connection>),
}

impl Deref for JoinedConnection {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match self {
            Self::Reader(connection) => connection,
            Self::Holder(connection) => connection,
        }
    }
}

impl PostgresSnapshot {
    /// Returns a connection that reads in the snapshot.
    pub(super) async fn join(&self) -> Result<JoinedConnection> {
        match &self.exported {
            Some(snapshot) => self.reader(snapshot).await.map(Box::new).map(JoinedConnection::Reader),
            None => Ok(JoinedConnection::Holder(self.holder.clone().lock_owned().await)),
        }
    }

    /// Takes back a connection after a complete read, and checks that no table was altered meanwhile.
    pub(super) async fn give_back(&self, connection: JoinedConnection) -> Result<()> {
        if let JoinedConnection::Reader(connection) = connection {
            self.require_locks().await?;
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(*connection);
        }
        Ok(())
    }
}
