//! Columns that triggers fill and that no field covers: they stay as they are when triggers do not fire.

use koan_backup_core::{Finding, Result, Severity};

use super::connection::Connection;
use super::error::failed;
use super::mapping::Mapping;
use super::state::StateOptions;

/// The triggers of a table that run before each row, with the name, text and first argument of their functions.
const TRIGGERS: &str = "
    SELECT t.tgname::text, p.proname::text, p.prosrc,
           pg_catalog.split_part(pg_catalog.encode(t.tgargs, 'escape'), '\\000', 1), t.tgtype & 4 <> 0
    FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
    WHERE t.tgrelid = $1 AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0
    ORDER BY 1";

/// A finding for each column that would hold what it held before, or its default.
pub(super) async fn findings(
    connection: &Connection,
    entity: &str,
    mapping: &Mapping,
    options: &StateOptions,
) -> Result<Vec<Finding>> {
    // Whose triggers fire fills them.
    if mapping.unmapped_columns.is_empty() || !mapping.table.is_owned {
        return Ok(Vec::new());
    }
    let table = &mapping.table.shown;
    let what = format!("reading the triggers of table `{table}`");
    let rows = connection.client.query(TRIGGERS, &[&mapping.table.oid]).await;
    let mut findings = Vec::new();
    for row in rows.map_err(|error| failed(&what, &error))? {
        let read = |index| row.try_get::<_, String>(index).map_err(|error| failed(&what, &error));
        let (trigger, function, text, argument) = (read(0)?, read(1)?, read(2)?, read(3)?);
        // One that fires on UPDATE alone does not fill the column of a new row.
        let on_insert: bool = row.try_get(4).map_err(|error| failed(&what, &error))?;
        let severity = if on_insert { Severity::Error } else { Severity::Warning };
        for column in &mapping.unmapped_columns {
            let name = &column.name;
            let fills = match function.as_str() {
                "tsvector_update_trigger" | "tsvector_update_trigger_column" => argument == *name,
                _ => assigns(&text, name),
            };
            if !fills {
                continue;
            }
            let stale = format!(
                "column `{name}` of table `{table}` is in no field, and trigger `{trigger}` fills it, which does not fire"
            );
            findings.push(match options.recomputed_columns.get(&format!("{table}.{name}")) {
                Some(by) => Finding::new(
                    Severity::Note,
                    entity,
                    format!("{stale}; it must be computed again afterwards ({by})"),
                ),
                None => Finding::new(
                    severity,
                    entity,
                    format!(
                        "{stale}: `{name}` would have to be computed again afterwards; add it as a field, make it a generated \
                         column, or name what computes it with `.recomputed_after_restore(\"{table}.{name}\", \"…\")`"
                    ),
                ),
            });
        }
    }
    Ok(findings)
}

/// Whether the text of a trigger's function gives the new row a value for a column.
fn assigns(text: &str, column: &str) -> bool {
    let (text, column) = (text.to_lowercase(), column.to_lowercase());
    [format!("new.{column}"), format!("new.\"{column}\"")].iter().any(|name| {
        text.match_indices(name.as_str()).any(|(start, name)| {
            let (before, behind) = (text[..start].trim_end(), text[start + name.len()..].trim_start());
            let ends = !text[start + name.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
            let begins = before.is_empty()
                || before.ends_with(';')
                || ["begin", "then", "else", "loop", "declare", "*/"]
                    .iter()
                    .any(|word| before.ends_with(word))
                || before.rsplit('\n').next().is_some_and(|line| line.trim_start().starts_with("--"));
            let is_target = before.ends_with("into") || before.ends_with("into strict");
            ends && (behind.starts_with(":=") || is_target || (begins && behind.starts_with('=')))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_function_assigns_is_told_from_what_it_reads() {
        for text in [
            "BEGIN NEW.search := to_tsvector(NEW.title); RETURN NEW; END",
            "BEGIN\n  new.search = to_tsvector(new.title);\nEND",
            "BEGIN IF true THEN NEW.\"search\" = 'x'; END IF; END",
            "BEGIN SELECT to_tsvector(t) INTO NEW.search FROM x; END",
        ] {
            assert!(assigns(text, "search"), "{text}");
        }
        for text in [
            "BEGIN IF NEW.search = OLD.search THEN RETURN NEW; END IF; END",
            "BEGIN NEW.search_all := 1; END",
            "BEGIN NEW.title := NEW.search; END",
        ] {
            assert!(!assigns(text, "search"), "{text}");
        }
    }
}
