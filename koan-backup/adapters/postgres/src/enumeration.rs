//! The enums of a database, with their labels.

use std::collections::BTreeMap;

use koan_backup_core::Result;
use tokio_postgres::types::Oid;

use super::connection::Connection;
use super::error::failed;
use super::types::TypeRow;

/// An enum.
#[derive(Clone, Debug)]
pub(super) struct Enumeration {
    pub(super) schema: String,
    pub(super) name: String,
    /// The labels, in their order.
    pub(super) labels: Vec<String>,
}

const LABELS: &str = "
    SELECT t.oid, n.nspname::text, t.typname::text,
        pg_catalog.array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
    FROM pg_catalog.pg_enum e JOIN pg_catalog.pg_type t ON t.oid = e.enumtypid
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace GROUP BY t.oid, n.nspname, t.typname";

/// Reads all enums that have labels.
pub(super) async fn read(connection: &Connection) -> Result<BTreeMap<Oid, Enumeration>> {
    let read = async {
        let mut enums = BTreeMap::new();
        for row in connection.client.query(LABELS, &[]).await? {
            let found =
                Enumeration { schema: row.try_get(1)?, name: row.try_get(2)?, labels: row.try_get(3)? };
            enums.insert(row.try_get(0)?, found);
        }
        Ok(enums)
    };
    read.await.map_err(|error: tokio_postgres::Error| failed("reading the labels of enums", &error))
}

/// Returns the oid of the enum if a type is an enum, a list of an enum, or a domain over one of them.
pub(super) fn of_type(oid: Oid, types: &BTreeMap<Oid, TypeRow>) -> Option<Oid> {
    let row = types.get(&oid)?;
    match row.kind.as_str() {
        "e" => Some(oid),
        "d" => of_type(row.base, types),
        _ if row.is_array => of_type(row.element, types),
        _ => None,
    }
}
