//! Key equality: when the database considers two keys to be the same.
//!
//! Each key column is compared with the equality operator of the default operator class of its type, and with
//! its collation. Unique constraints, GROUP BY and joins use the same operator. The operator is qualified
//! with its schema, because an unqualified `=` depends on the search path: if the path does not contain the
//! schema of `citext`, `=` compares two `citext` values as `text`.

use koan_backup_core::Result;
use tokio_postgres::types::Oid;

use super::super::connection::Connection;
use super::super::error::failed;

/// How the database compares one column of a key.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct KeyEquality {
    /// The operator in SQL; `None` for a type without an equality operator, whose values are compared as
    /// text.
    operator: Option<String>,
    /// Whether equal values are always identical.
    pub(in super::super) is_exact: bool,
}

/// Selects the equality operator of columns, and whether only identical values are equal. `citext`,
/// nondeterministic collations, `char(n)`, `numeric`, floats, `interval` and types that contain them compare
/// different values as equal.
const EQUALITY: &str = "
    WITH RECURSIVE base AS (
        SELECT a.attname, a.attcollation, a.atttypid AS type FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = $1 AND a.attname::text = ANY ($2) AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT b.attname, b.attcollation, t.typbasetype FROM base b
        JOIN pg_catalog.pg_type t ON t.oid = b.type WHERE t.typtype = 'd')
    SELECT b.attname::text,
        (SELECT pg_catalog.format('OPERATOR(%I.%s)', n.nspname, o.oprname)
         FROM pg_catalog.pg_opclass c JOIN pg_catalog.pg_am m ON m.oid = c.opcmethod AND m.amname IN ('btree', 'hash')
         JOIN pg_catalog.pg_amop p ON p.amopfamily = c.opcfamily AND p.amoplefttype = c.opcintype
          AND p.amoprighttype = c.opcintype AND p.amopstrategy = CASE m.amname WHEN 'btree' THEN 3 ELSE 1 END
         JOIN pg_catalog.pg_operator o ON o.oid = p.amopopr JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
         WHERE c.opcdefault
           AND (c.opcintype = t.oid OR c.opcintype = x.general
                OR EXISTS (SELECT FROM pg_catalog.pg_cast k
                           WHERE k.castsource = t.oid AND k.casttarget = c.opcintype AND k.castmethod = 'b'
                             AND k.castcontext = 'i'))
         ORDER BY c.opcintype = t.oid DESC, c.opcintype = x.general DESC, m.amname LIMIT 1),
        t.typtype = 'e'
          OR t.oid IN (16, 17, 18, 19, 20, 21, 23, 26, 650, 774, 829, 869, 1082, 1083, 1114, 1184, 1560, 1562, 2950)
          OR (t.oid IN (25, 1043) AND COALESCE(l.collisdeterministic, true))
    FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.type
    LEFT JOIN pg_catalog.pg_collation l ON l.oid = b.attcollation
    CROSS JOIN LATERAL (SELECT CASE WHEN t.typtype = 'e' THEN 3500 WHEN t.typtype = 'r' THEN 3831
        WHEN t.typtype = 'm' THEN 4537 WHEN t.typtype = 'c' THEN 2249
        WHEN t.typcategory = 'A' AND t.typelem <> 0 AND t.typlen = -1 THEN 2277 ELSE 0 END) AS x (general)
    WHERE t.typtype <> 'd'";

impl KeyEquality {
    /// Reads how the key columns of a table are compared, in the order of the given names.
    pub(in super::super) async fn read(
        connection: &Connection,
        table: Oid,
        columns: &[&str],
    ) -> Result<Vec<Self>> {
        let operation = "reading how keys are compared";
        let names: Vec<String> = columns.iter().map(|&name| name.to_owned()).collect();
        let rows = connection.client.query(EQUALITY, &[&table, &names]).await;
        let rows = rows.map_err(|error| failed(operation, &error))?;
        let mut found = vec![Self::default(); columns.len()];
        for row in rows {
            let read = || -> Result<_, tokio_postgres::Error> {
                let equality = Self { operator: row.try_get(1)?, is_exact: row.try_get(2)? };
                Ok((row.try_get::<_, String>(0)?, equality))
            };
            let (name, equality) = read().map_err(|error| failed(operation, &error))?;
            if let Some(position) = columns.iter().position(|&column| column == name) {
                found[position] = equality;
            }
        }
        Ok(found)
    }

    /// Returns the SQL condition that two expressions are equal, if neither of them is NULL.
    pub(super) fn condition(&self, one: &str, other: &str) -> String {
        match &self.operator {
            Some(operator) => format!("{one} {operator} {other}"),
            None => format!("{} OPERATOR(pg_catalog.=) {}", as_text(one), as_text(other)),
        }
    }

    /// Returns the SQL expression that GROUP BY uses instead of `expression`.
    pub(in super::super) fn grouped(&self, expression: &str) -> String {
        match &self.operator {
            Some(_) => expression.to_owned(),
            None => as_text(expression),
        }
    }
}

fn as_text(expression: &str) -> String {
    format!("{expression}::pg_catalog.text COLLATE \"C\"")
}
