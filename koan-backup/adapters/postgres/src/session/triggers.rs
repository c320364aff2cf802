//! The triggers of a table.

/// Selects the enabled triggers of a table and its partitions.
pub(in super::super) const TRIGGERS: &str = "
    SELECT n.nspname::text, c.relname::text, t.tgname::text, t.tgenabled::text,
           pg_catalog.pg_has_role(c.relowner, 'USAGE')
    FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'
      AND (c.oid = $1 OR c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree($1::oid::regclass)))
    ORDER BY 1, 2, 3";
