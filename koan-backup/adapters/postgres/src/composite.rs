//! Composite types: what is in them, and whether their values come back from JSON.

use super::session::literal;
use koan_backup_sql::identifier::quoted;

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

/// How many members one call that builds an object takes: a function has 100 arguments at most.
const MEMBERS_PER_CALL: usize = 40;

impl Composite {
    /// The condition that a row comes back from JSON as it is, as the server itself finds out.
    pub(super) fn comes_back(&self, name: &str) -> String {
        if !self.members.iter().any(|member| member.has_json) {
            let back =
                format!("pg_catalog.jsonb_populate_record(NULL::{}, pg_catalog.to_jsonb({name}))", self.base);
            return format!("({back})::pg_catalog.text = ({name})::pg_catalog.text");
        }
        // Text of `json` comes back in another form, with the same content. So members with `json` are left out where text is compared.
        let plain: Vec<&Member> = self.members.iter().filter(|member| !member.has_json).collect();
        let mut conditions = vec![format!(
            "({})::pg_catalog.text = ({name}::{})::pg_catalog.text",
            self.restored(name, &plain),
            self.base
        )];
        if self.members.iter().any(|member| member.has_json && !member.is_json) {
            let parts: Vec<&Member> = self.members.iter().filter(|member| !member.is_json).collect();
            conditions.push(format!(
                "(SELECT {} FROM (SELECT {} AS r OFFSET 0) AS x) OPERATOR(pg_catalog.=) {}",
                object("x.r", &parts),
                self.restored(name, &parts),
                object(name, &parts)
            ));
        }
        let come_back = conditions.join(" AND ");
        let nulls = self.members.iter().filter(|member| member.has_json && member.is_any_json);
        let nulls: Vec<String> = nulls
            .map(|member| {
                let part = part(name, member);
                let text = format!("pg_catalog.btrim({part}::pg_catalog.text, E' \\t\\n\\r')");
                format!("{text} IS DISTINCT FROM 'null'")
            })
            .collect();
        if nulls.is_empty() {
            return come_back;
        }
        // JSON `null` comes back as NULL, which a domain may forbid with an error. So it is looked for first.
        format!("CASE WHEN {} THEN {come_back} ELSE false END", nulls.join(" AND "))
    }

    /// The row with these members as they come back from JSON. Its other members are those of the row itself: a domain over one of
    /// them may forbid NULL.
    fn restored(&self, name: &str, members: &[&Member]) -> String {
        format!("pg_catalog.jsonb_populate_record({name}::{}, {})", self.base, object(name, members))
    }
}

fn part(row: &str, member: &Member) -> String {
    format!("({row}).{}", quoted(&member.name))
}

/// Members of a row as an object of `jsonb`.
fn object(row: &str, members: &[&Member]) -> String {
    let objects = members.chunks(MEMBERS_PER_CALL).map(|members| {
        let members = members
            .iter()
            .map(|member| format!("{}::pg_catalog.text, {}", literal(&member.name), part(row, member)));
        format!("pg_catalog.jsonb_build_object({})", members.collect::<Vec<_>>().join(", "))
    });
    let objects: Vec<String> = objects.collect();
    match objects.is_empty() {
        true => "'{}'::pg_catalog.jsonb".to_owned(),
        false => format!("({})", objects.join(" OPERATOR(pg_catalog.||) ")),
    }
}
