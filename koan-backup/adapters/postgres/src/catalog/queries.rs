//! The queries that read PostgreSQL's catalog.

pub(super) const TABLES: &str = "
    SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.relispartition,
           pg_catalog.pg_has_role(c.relowner, 'USAGE'), 
           pg_catalog.has_table_privilege(c.oid, 'SELECT')
               AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
           pg_catalog.row_security_active(c.oid)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
                          AND d.deptype = 'e')
    ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\"";

pub(super) const COLUMNS: &str = "
    SELECT a.attrelid, a.attname::text, a.atttypid, pg_catalog.format_type(a.atttypid, a.atttypmod),
        a.attnotnull,
           NOT a.atthasdef AND a.attidentity = ''
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_type d WHERE d.oid = a.atttypid
                   AND d.typtype = 'd' AND d.typdefault IS NOT NULL)
               AND (a.attnotnull OR EXISTS (
                   WITH RECURSIVE domains AS (
                       SELECT d.typnotnull, d.typbasetype FROM pg_catalog.pg_type d WHERE d.oid = a.atttypid
                       UNION ALL SELECT d.typnotnull, d.typbasetype FROM domains b
                           JOIN pg_catalog.pg_type d ON d.oid = b.typbasetype)
                   SELECT FROM domains WHERE typnotnull)),
           a.attidentity::text, a.attgenerated::text, a.attcollation <> 0, a.atttypmod,
           pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT'),
           EXISTS (SELECT FROM pg_catalog.pg_collation l WHERE l.oid = a.attcollation AND NOT l.collisdeterministic),
           a.atthasdef OR a.attidentity <> ''
               OR EXISTS (SELECT FROM pg_catalog.pg_type d WHERE d.oid = a.atttypid
                   AND d.typtype = 'd' AND d.typdefault IS NOT NULL),
           EXISTS (SELECT FROM pg_catalog.pg_collation l WHERE l.oid = a.attcollation AND l.collprovider = 'c'
               AND l.collcollate IN ('C', 'POSIX'))
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
      AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attrelid, a.attnum";

pub(super) const TYPES: &str = "
    WITH RECURSIVE used AS (
        SELECT a.atttypid AS oid FROM pg_catalog.pg_attribute a
            JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
            AND a.attnum > 0
        UNION
        SELECT v.oid FROM used u JOIN pg_catalog.pg_type t ON t.oid = u.oid
        CROSS JOIN LATERAL (VALUES (t.typbasetype), (t.typelem)) v(oid) WHERE v.oid <> 0)
    SELECT t.oid, t.typname::text, t.typtype::text, t.typbasetype, t.typelem,
           t.typcategory = 'A' AND t.typlen = -1 AND t.typelem <> 0, t.typtypmod
    FROM pg_catalog.pg_type t JOIN used u ON u.oid = t.oid";

/// Selects the unique indexes that use the collations and operators of their columns. Of the deferrable ones,
/// only primary keys are selected.
pub(super) const UNIQUE: &str = "
    SELECT i.indrelid, c.relname::text, pg_catalog.array_agg(a.attname::text ORDER BY a.attname),
        i.indisprimary, i.indimmediate
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname <> 'information_schema'
        AND n.nspname !~ '^pg_'
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid
        AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
    WHERE i.indisunique AND i.indisvalid AND (i.indimmediate OR i.indisprimary) AND i.indpred IS NULL AND i.indexprs IS NULL
      AND NOT EXISTS (
        SELECT FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) p (ordinal)
        JOIN pg_catalog.pg_attribute k ON k.attrelid = i.indrelid AND k.attnum = i.indkey[p.ordinal]
        JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[p.ordinal]
        LEFT JOIN pg_catalog.pg_collation l ON l.oid = k.attcollation
        WHERE o.opcname = 'record_image_ops'
           OR (i.indcollation[p.ordinal] <> k.attcollation AND NOT l.collisdeterministic))
    GROUP BY i.indrelid, c.oid, c.relname, i.indisprimary, i.indimmediate";

pub(super) const SCHEMAS: &str = "
    SELECT n.nspname::text, pg_catalog.has_schema_privilege(n.oid, 'USAGE') FROM pg_catalog.pg_namespace n
    WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'";

pub(super) const PARENTS: &str =
    "SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits ORDER BY inhrelid, inhseqno";

pub(super) const REFERENCES: &str = "
    SELECT DISTINCT conrelid, confrelid FROM pg_catalog.pg_constraint
    WHERE contype = 'f' AND conparentid = 0 ORDER BY 1, 2";
