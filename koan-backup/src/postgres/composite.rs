//! Composite types: what is in them, and whether their values come back from JSON.

use super::identifier::quoted;

/// What is in the rows of a composite type, and in those of its parts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Composite {
    /// The type as SQL takes it.
    pub(super) declared: String,
    /// The same without the domains over it.
    pub(super) base: String,
    /// Whether decimals without a declared scale are in it, so that zeros at their end are content.
    pub(super) scale_counts: bool,
    /// Its members, in the order of the type.
    pub(super) members: Vec<Member>,
    pub(super) has_hstore: bool,
}

/// A member of a composite type.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    pub(super) name: String,
    /// Whether it is `json`, and not a domain over it.
    pub(super) is_json: bool,
    /// Whether `json` is in it, whose white space does not come back.
    pub(super) has_json: bool,
    /// Whether it holds JSON of any form: `json`, `jsonb` or a domain over one of them.
    pub(super) is_any_json: bool,
}

/// What is in composite types that columns have.
pub(super) const COMPOSITES: &str = "
    WITH RECURSIVE part AS (
        SELECT DISTINCT a.atttypid AS root, a.atttypid AS type, -1 AS modifier FROM pg_catalog.pg_attribute a
        JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND a.attnum > 0
          AND t.typtype IN ('c', 'd')
        UNION
        SELECT p.root, x.type, x.modifier FROM part p JOIN pg_catalog.pg_type t ON t.oid = p.type CROSS JOIN LATERAL (
            SELECT t.typbasetype AS type, CASE WHEN p.modifier < 0 THEN t.typtypmod ELSE p.modifier END AS modifier
            WHERE t.typbasetype <> 0
            UNION ALL SELECT t.typelem, p.modifier WHERE t.typelem <> 0 AND t.typlen = -1
            UNION ALL SELECT a.atttypid, a.atttypmod FROM pg_catalog.pg_attribute a
            WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) x)
    SELECT p.root, pg_catalog.bool_or(p.type = 1700 AND p.modifier < 0), pg_catalog.bool_or(t.typname = 'hstore')
    FROM part p JOIN pg_catalog.pg_type t ON t.oid = p.type GROUP BY p.root";

/// The members of composite types that columns have: the name, whether it is `json`, and what is in its type.
pub(super) const MEMBERS: &str = "
    WITH RECURSIVE base AS (
        SELECT DISTINCT a.atttypid AS root, a.atttypid AS type FROM pg_catalog.pg_attribute a
        JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_type t ON t.oid = a.atttypid AND t.typtype IN ('c', 'd')
        WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND a.attnum > 0
        UNION ALL
        SELECT b.root, t.typbasetype FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.type WHERE t.typtype = 'd'),
    member AS (
        SELECT b.root, b.type AS of, m.attnum, m.attname, m.atttypid AS declared, m.atttypid AS type, true AS is_outer FROM base b
        JOIN pg_catalog.pg_type t ON t.oid = b.type AND t.typtype = 'c'
        JOIN pg_catalog.pg_attribute m ON m.attrelid = t.typrelid AND m.attnum > 0 AND NOT m.attisdropped
        UNION ALL
        SELECT m.root, m.of, m.attnum, m.attname, m.declared, x.type, x.is_outer FROM member m
        JOIN pg_catalog.pg_type t ON t.oid = m.type CROSS JOIN LATERAL (
            SELECT t.typbasetype AS type, m.is_outer WHERE t.typbasetype <> 0
            UNION ALL SELECT t.typelem, false WHERE t.typelem <> 0 AND t.typlen = -1
            UNION ALL SELECT a.atttypid, false FROM pg_catalog.pg_attribute a
            WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) x)
    SELECT m.root, m.attname::text, m.declared = 114, pg_catalog.bool_or(m.is_outer AND m.type IN (114, 3802)),
           pg_catalog.bool_or(m.type = 114), pg_catalog.format_type(m.of, NULL)
    FROM member m GROUP BY m.root, m.of, m.attnum, m.attname, m.declared ORDER BY m.root, m.attnum";

impl Composite {
    /// The condition that a row comes back from JSON as it is, as the server itself finds out.
    pub(super) fn comes_back(&self, name: &str) -> String {
        let part = |member: &Member| format!("({name}).{}", quoted(&member.name));
        // Text of `json` comes back in another form, with the same content. So what it is in is left out of a row whose text is compared.
        let without = |leaves_out: &dyn Fn(&Member) -> bool| match self.members.iter().any(leaves_out) {
            false => name.to_owned(),
            true => {
                let parts = self.members.iter();
                let parts =
                    parts.map(|member| if leaves_out(member) { "NULL".to_owned() } else { part(member) });
                format!("ROW({})::{}", parts.collect::<Vec<_>>().join(", "), self.base)
            }
        };
        let back = |row: &str| {
            format!("pg_catalog.jsonb_populate_record(NULL::{}, pg_catalog.to_jsonb({row}))", self.base)
        };
        let plain = without(&|member| member.has_json);
        let mut conditions =
            vec![format!("({})::pg_catalog.text = ({plain})::pg_catalog.text", back(&plain))];
        if self.members.iter().any(|member| member.has_json && !member.is_json) {
            let row = without(&|member| member.is_json);
            let equal = format!(
                "pg_catalog.to_jsonb({}) OPERATOR(pg_catalog.=) pg_catalog.to_jsonb({row})",
                back(&row)
            );
            conditions.push(equal);
        }
        conditions.extend(self.members.iter().filter(|member| member.is_json).map(|member| {
            let text = format!("pg_catalog.btrim({}::pg_catalog.text, E' \\t\\n\\r')", part(member));
            format!("{text} IS DISTINCT FROM 'null'")
        }));
        conditions.join(" AND ")
    }
}
