//! Finds sequences that are named only in the text of defaults, functions and triggers.

use koan_backup_core::Result;
use tokio_postgres::types::Oid;

use super::super::connection::Connection;
use super::super::error::failed;

/// An SQL text that may use sequences.
#[derive(Debug)]
pub(super) struct SequenceText {
    pub(super) table: Oid,
    /// The column whose default contains the text, or calls the function that contains the text.
    pub(super) column: Option<String>,
    pub(super) text: String,
    /// The schema of the function, or of the table.
    pub(super) schema: String,
    /// Whether the column stores the value that `nextval` returns unchanged.
    pub(super) stores_value: bool,
}

/// The sequences in a text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SequenceNames {
    pub(super) literals: Vec<String>,
    /// Whether the text uses sequences whose names are not literals.
    pub(super) has_computed_names: bool,
}

/// Selects the defaults of columns and of their domains, and the functions that these defaults and the
/// tables' triggers call, directly or through other functions. Functions of PostgreSQL and of extensions are
/// excluded.
const SOURCES: &str = r#"
    WITH RECURSIVE defaults AS (
        SELECT a.attrelid, a.attname::text AS name, pg_catalog.pg_get_expr(f.adbin, f.adrelid) AS text,
               'pg_catalog.pg_attrdef'::regclass AS class, f.oid, pg_catalog.format_type(a.atttypid,
                   NULL) AS type
        FROM pg_catalog.pg_attrdef f JOIN pg_catalog.pg_attribute a ON a.attrelid = f.adrelid
            AND a.attnum = f.adnum
        WHERE a.attrelid = ANY ($1)
        UNION ALL
        SELECT a.attrelid, a.attname::text, t.typdefault, 'pg_catalog.pg_type'::regclass, t.oid,
               pg_catalog.format_type(t.typbasetype, NULL)
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.atthasdef AND t.typtype = 'd'
            AND t.typdefault IS NOT NULL),
    own AS (
        SELECT p.oid, p.proname::text AS name, n.nspname::text AS schema,
               coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc) AS text
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND p.prokind IN ('f', 'p')
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.pg_proc'::regclass
                          AND e.objid = p.oid AND e.deptype = 'e')),
    called AS (
        SELECT d.attrelid, d.name AS column_name, p.refobjid AS oid FROM defaults d
        JOIN pg_catalog.pg_depend p ON p.classid = d.class AND p.objid = d.oid
         AND p.refclassid = 'pg_catalog.pg_proc'::regclass
        UNION
        SELECT t.tgrelid, NULL, t.tgfoid FROM pg_catalog.pg_trigger t
        WHERE t.tgrelid = ANY ($1) AND NOT t.tgisinternal AND t.tgenabled <> 'D'
        UNION
        SELECT c.attrelid, c.column_name, q.oid FROM called c JOIN own p ON p.oid = c.oid
        JOIN own q ON q.oid <> p.oid AND pg_catalog.lower(p.text)
             ~ ('(^|[^[:alnum:]_$])' || pg_catalog.regexp_replace(pg_catalog.lower(q.name),
                 '([^[:alnum:]_])', '\\\1', 'g')
                || '"?[[:space:]]*\('))
    SELECT d.attrelid, d.name, d.text, n.nspname::text,
           d.type IN ('smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision')
             AND d.text ~ '^\(?nextval\(\(?''([^'']|'''')*''::(regclass|text\)::regclass)\)(\)?::[[:alpha:]_ ."]+)?$'
    FROM defaults d JOIN pg_catalog.pg_class c ON c.oid = d.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    UNION ALL
    SELECT c.attrelid, c.column_name, p.text, p.schema, false FROM called c JOIN own p ON p.oid = c.oid"#;

/// Reads the defaults of some tables, and the functions that defaults and triggers call, if their text
/// contains `nextval`.
pub(super) async fn read_texts(connection: &Connection, tables: &[Oid]) -> Result<Vec<SequenceText>> {
    let operation = "reading the defaults and triggers of tables";
    let rows =
        connection.client.query(SOURCES, &[&tables]).await.map_err(|error| failed(operation, &error))?;
    let mut texts = Vec::new();
    for row in rows {
        let read = || {
            Ok::<_, tokio_postgres::Error>(SequenceText {
                table: row.try_get(0)?,
                column: row.try_get(1)?,
                text: row.try_get::<_, Option<String>>(2)?.unwrap_or_default(),
                schema: row.try_get(3)?,
                stores_value: row.try_get(4)?,
            })
        };
        texts.push(read().map_err(|error| failed(operation, &error))?);
    }
    texts.retain(|source| source.text.to_ascii_lowercase().contains("nextval"));
    Ok(texts)
}

/// Returns the sequence names in the calls of `nextval` in a text.
pub(super) fn names(text: &str) -> SequenceNames {
    let mut names = SequenceNames::default();
    let lower = text.to_ascii_lowercase();
    for (start, word) in lower.match_indices("nextval") {
        let rest = text[start + word.len()..].trim_start();
        let Some(rest) = rest.strip_prefix('(') else { continue };
        let rest = rest.trim_start_matches(|c: char| c == '(' || c.is_whitespace());
        match leading_literal(rest) {
            Some(name) if names.literals.contains(&name) => {}
            Some(name) if is_name(&name) => names.literals.push(name),
            _ => names.has_computed_names = true,
        }
    }
    names
}

/// Returns whether a text is the name of a relation in SQL syntax, with or without its schema.
fn is_name(text: &str) -> bool {
    let (mut parts, mut rest) = (0, text);
    loop {
        let end = match rest.strip_prefix('"') {
            Some(quoted) => quoted.find('"').filter(|&length| length > 0).map(|length| length + 2),
            None => {
                let end =
                    rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(rest.len());
                (end > 0 && !rest.starts_with(|c: char| c.is_ascii_digit() || c == '$')).then_some(end)
            }
        };
        let Some(end) = end else { return false };
        parts += 1;
        match rest[end..].strip_prefix('.') {
            Some(more) if parts < 2 => rest = more,
            _ => return rest.len() == end,
        }
    }
}

/// Returns the content of the literal at the start of a text, or `None` if there is no literal or an
/// expression is concatenated to it.
fn leading_literal(text: &str) -> Option<String> {
    let mut content = String::new();
    let mut rest = text.strip_prefix('\'')?;
    loop {
        let (part, after) = rest.split_once('\'')?;
        content.push_str(part);
        match after.strip_prefix('\'') {
            Some(more) => {
                content.push('\'');
                rest = more;
            }
            None => {
                let after = after.trim_start();
                return (after.starts_with("::") || after.starts_with(')')).then_some(content);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_names_are_found_in_texts_and_computed_names_are_detected() {
        let found = |text: &str| {
            let names = names(text);
            (names.literals, names.has_computed_names)
        };
        let named = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(found("('X'::text || nextval('s.q2'::regclass))"), (named(&["s.q2"]), false));
        assert_eq!(found("nextval(('its'::text)::regclass)"), (named(&["its"]), false));
        assert_eq!(
            found("BEGIN NEW.id := NEXTVAL ( 'a' ); RETURN nextval('b'); END"),
            (named(&["a", "b"]), false)
        );
        assert_eq!(found("SELECT nextval(name)"), (named(&[]), true));
        assert_eq!(found("nextval('seq_' || TG_TABLE_NAME)"), (named(&[]), true));
        assert_eq!(found("nextval('...')"), (named(&[]), true));
        assert_eq!(found("nextval('\"Mixed Case\".\"s\"')"), (named(&["\"Mixed Case\".\"s\""]), false));
        assert_eq!(found("SELECT 1 -- nextval is not called"), (named(&[]), false));
    }
}
