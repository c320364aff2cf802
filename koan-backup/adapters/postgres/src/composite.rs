//! Composite types: their members, and whether their values survive the conversion to JSON and back.

use super::literal::literal;
use koan_backup_sql::identifier::quoted;

/// A composite type, with properties of all types that it contains.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Composite {
    /// The type in SQL syntax.
    pub(super) declared: String,
    /// The type without the domains over it.
    pub(super) base: String,
    /// Whether the type contains decimals without a declared scale, so that trailing zeros are significant.
    pub(super) is_scale_significant: bool,
    /// The members, in the order of the type.
    pub(super) members: Vec<Member>,
    pub(super) has_hstore: bool,
}

/// A member of a composite type.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    pub(super) name: String,
    /// Whether the member's type is `json` itself, and not a domain over `json`.
    pub(super) is_json: bool,
    /// Whether the member contains `json`, whose white space is not preserved.
    pub(super) has_json: bool,
    /// Whether the member is `json`, `jsonb` or a domain over one of them.
    pub(super) is_any_json: bool,
}

/// Selects properties of the composite types of columns.
pub(super) const COMPOSITES: &str = "
    WITH RECURSIVE part AS (
        SELECT DISTINCT a.atttypid AS root, a.atttypid AS type, -1 AS modifier FROM pg_catalog.pg_attribute a
        JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
            AND a.attnum > 0
          AND t.typtype IN ('c', 'd')
        UNION
        SELECT p.root, x.type, x.modifier FROM part p JOIN pg_catalog.pg_type t ON t.oid = p.type
            CROSS JOIN LATERAL (
            SELECT t.typbasetype AS type,
                CASE WHEN p.modifier < 0 THEN t.typtypmod ELSE p.modifier END AS modifier
            WHERE t.typbasetype <> 0
            UNION ALL SELECT t.typelem, p.modifier WHERE t.typelem <> 0 AND t.typlen = -1
            UNION ALL SELECT a.atttypid, a.atttypmod FROM pg_catalog.pg_attribute a
            WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) x)
    SELECT p.root, pg_catalog.bool_or(p.type = 1700
        AND p.modifier < 0), pg_catalog.bool_or(t.typname = 'hstore')
    FROM part p JOIN pg_catalog.pg_type t ON t.oid = p.type GROUP BY p.root";

/// Selects the members of the composite types of columns: the name of each member, whether its type is
/// `json`, and properties of its type.
pub(super) const MEMBERS: &str = "
    WITH RECURSIVE base AS (
        SELECT DISTINCT a.atttypid AS root, a.atttypid AS type FROM pg_catalog.pg_attribute a
        JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_type t ON t.oid = a.atttypid AND t.typtype IN ('c', 'd')
        WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
            AND a.attnum > 0
        UNION ALL
        SELECT b.root, t.typbasetype FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.type
            WHERE t.typtype = 'd'),
    member AS (
        SELECT b.root, b.type AS of, m.attnum, m.attname, m.atttypid AS declared, m.atttypid AS type,
            true AS is_outer FROM base b
        JOIN pg_catalog.pg_type t ON t.oid = b.type AND t.typtype = 'c'
        JOIN pg_catalog.pg_attribute m ON m.attrelid = t.typrelid AND m.attnum > 0 AND NOT m.attisdropped
        UNION ALL
        SELECT m.root, m.of, m.attnum, m.attname, m.declared, x.type, x.is_outer FROM member m
        JOIN pg_catalog.pg_type t ON t.oid = m.type CROSS JOIN LATERAL (
            SELECT t.typbasetype AS type, m.is_outer WHERE t.typbasetype <> 0
            UNION ALL SELECT t.typelem, false WHERE t.typelem <> 0 AND t.typlen = -1
            UNION ALL SELECT a.atttypid, false FROM pg_catalog.pg_attribute a
            WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) x)
    SELECT m.root, m.attname::text, m.declared = 114, pg_catalog.bool_or(m.is_outer
        AND m.type IN (114, 3802)),
           pg_catalog.bool_or(m.type = 114), pg_catalog.format_type(m.of, NULL)
    FROM member m GROUP BY m.root, m.of, m.attnum, m.attname, m.declared ORDER BY m.root, m.attnum";

/// The maximum number of members in one call of `jsonb_build_object`. Each member needs two arguments, and
/// PostgreSQL allows at most 100 arguments of a function.
const MEMBERS_PER_CALL: usize = 40;

impl Composite {
    /// Returns the SQL condition that the conversion of a composite value to JSON and back does not change
    /// the value.
    pub(super) fn round_trip_condition(&self, name: &str) -> String {
        if !self.members.iter().any(|member| member.has_json) {
            let converted =
                format!("pg_catalog.jsonb_populate_record(NULL::{}, pg_catalog.to_jsonb({name}))", self.base);
            return format!("({converted})::pg_catalog.text = ({name})::pg_catalog.text");
        }
        // The conversion may change the white space of `json` text, but not its content. Members that contain
        // `json` are therefore excluded from the comparison of texts.
        let without_json: Vec<&Member> = self.members.iter().filter(|member| !member.has_json).collect();
        let mut conditions = vec![format!(
            "({})::pg_catalog.text = ({name}::{})::pg_catalog.text",
            self.converted_back(name, &without_json),
            self.base
        )];
        if self.members.iter().any(|member| member.has_json && !member.is_json) {
            let comparable: Vec<&Member> = self.members.iter().filter(|member| !member.is_json).collect();
            conditions.push(format!(
                "(SELECT {} FROM (SELECT {} AS r OFFSET 0) AS x) OPERATOR(pg_catalog.=) {}",
                jsonb_object("x.r", &comparable),
                self.converted_back(name, &comparable),
                jsonb_object(name, &comparable)
            ));
        }
        let round_trips = conditions.join(" AND ");
        let nulls = self.members.iter().filter(|member| member.has_json && member.is_any_json);
        let nulls: Vec<String> = nulls
            .map(|member| {
                let expression = member_expression(name, member);
                let text = format!("pg_catalog.btrim({expression}::pg_catalog.text, E' \\t\\n\\r')");
                format!("{text} IS DISTINCT FROM 'null'")
            })
            .collect();
        if nulls.is_empty() {
            return round_trips;
        }
        // JSON `null` is converted back to NULL, which a domain with NOT NULL refuses with an error. The
        // condition therefore excludes JSON `null` before the conversion.
        format!("CASE WHEN {} THEN {round_trips} ELSE false END", nulls.join(" AND "))
    }

    /// Returns the SQL expression for the row with these members converted to JSON and back. The other
    /// members are left unchanged and not set to NULL, because a domain may forbid NULL.
    fn converted_back(&self, name: &str, members: &[&Member]) -> String {
        format!("pg_catalog.jsonb_populate_record({name}::{}, {})", self.base, jsonb_object(name, members))
    }
}

fn member_expression(row: &str, member: &Member) -> String {
    format!("({row}).{}", quoted(&member.name))
}

/// Returns the SQL expression that builds a `jsonb` object of members of a row.
fn jsonb_object(row: &str, members: &[&Member]) -> String {
    let objects = members.chunks(MEMBERS_PER_CALL).map(|members| {
        let members = members.iter().map(|member| {
            format!("{}::pg_catalog.text, {}", literal(&member.name), member_expression(row, member))
        });
        format!("pg_catalog.jsonb_build_object({})", members.collect::<Vec<_>>().join(", "))
    });
    let objects: Vec<String> = objects.collect();
    match objects.is_empty() {
        true => "'{}'::pg_catalog.jsonb".to_owned(),
        false => format!("({})", objects.join(" OPERATOR(pg_catalog.||) ")),
    }
}
