//! The clauses of a `CREATE TABLE` statement that a restore examines separately.

use super::derived::tokens::{Token, in_parentheses, parts, tokens};

/// A column or a constraint of a table, as it is written in the `CREATE TABLE` statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// The name of the column; `None` for a constraint of the table.
    pub(super) column: Option<String>,
    /// The text without its CHECK constraints.
    pub(super) text: String,
    pub(super) checks: Vec<Check>,
    /// The expression of a generated column.
    pub(super) generated: Option<String>,
    /// The expression of a default in parentheses.
    pub(super) default: Option<String>,
}

/// A CHECK constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    name: Option<String>,
    pub(super) condition: String,
}

impl Check {
    /// Returns the description of the constraint for messages.
    pub(super) fn shown(&self) -> String {
        match &self.name {
            Some(name) => format!("constraint `{name}`"),
            None => format!("constraint `CHECK ({})`", self.condition),
        }
    }
}

/// Returns the columns and constraints in a `CREATE TABLE` statement.
pub(super) fn elements(sql: &str) -> Vec<Element> {
    let tokens = tokens(sql);
    let list = tokens.iter().position(|token| token.is_mark('('));
    let Some((list, _)) = list.and_then(|at| in_parentheses(&tokens[at..])) else { return Vec::new() };
    parts(list).into_iter().filter_map(|part| element(sql, part)).collect()
}

fn element(sql: &str, part: &[Token]) -> Option<Element> {
    let first = part.first()?;
    let is_constraint =
        ["constraint", "primary", "unique", "check", "foreign"].iter().any(|word| first.is_word(word));
    let column = first.content().filter(|_| !is_constraint).map(str::to_owned);
    let mut element =
        Element { column, text: String::new(), checks: Vec::new(), generated: None, default: None };
    let (mut at, mut kept) = (0, first.start);
    while at < part.len() {
        let (word, behind) = (&part[at], at + 1);
        let Some((inner, rest)) = in_parentheses(&part[behind..]) else {
            at = behind;
            continue;
        };
        let end = part.len() - rest.len();
        let text = match (inner.first(), inner.last()) {
            (Some(first), Some(last)) => sql[first.start..last.end].to_owned(),
            _ => String::new(),
        };
        if word.is_word("check") {
            let named = at.checked_sub(2).filter(|&named| part[named].is_word("constraint"));
            let name = named.and_then(|named| part[named + 1].content()).map(str::to_owned);
            element.text.push_str(&sql[kept..part[named.unwrap_or(at)].start]);
            kept = part[end - 1].end;
            element.checks.push(Check { name, condition: text });
        } else if word.is_word("as") {
            element.generated = Some(text);
        } else if word.is_word("default") {
            element.default = Some(text);
        }
        at = end;
    }
    let last = part.last().map_or(kept, |last| last.end);
    element.text.push_str(&sql[kept..last.max(kept)]);
    Some(element)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_and_constraints_are_told_apart_however_they_are_written() {
        let sql = "CREATE TABLE \"a (b\" ( id INTEGER PRIMARY KEY CHECK(id > 0) NOT NULL, -- CHECK (x)\n [some name] VARCHAR(10) DEFAULT (abs(-1)) \
            CONSTRAINT \"so (\" CHECK (length([some name]) IN (1, 2)) COLLATE NOCASE, g INT GENERATED ALWAYS AS (id + 1) STORED, \
            h AS ('check (' || g), CONSTRAINT t CHECK (g > id), CHECK (\"check\" > 1) ) STRICT";
        let elements = elements(sql);
        let columns: Vec<_> = elements.iter().map(|element| element.column.as_deref()).collect();
        assert_eq!(columns, [Some("id"), Some("some name"), Some("g"), Some("h"), None, None]);
        let checks: Vec<_> = elements
            .iter()
            .flat_map(|element| &element.checks)
            .map(|check| check.condition.as_str())
            .collect();
        assert_eq!(checks, ["id > 0", "length([some name]) IN (1, 2)", "g > id", "\"check\" > 1"]);
        assert_eq!(elements[0].text, "id INTEGER PRIMARY KEY  NOT NULL");
        assert_eq!(elements[1].text, "[some name] VARCHAR(10) DEFAULT (abs(-1))  COLLATE NOCASE");
        assert_eq!(elements[1].default.as_deref(), Some("abs(-1)"));
        assert_eq!(elements[1].checks[0].shown(), "constraint `so (`");
        assert_eq!(elements[2].generated.as_deref(), Some("id + 1"));
        assert_eq!(elements[3].generated.as_deref(), Some("'check (' || g"));
        assert_eq!(elements[5].checks[0].shown(), "constraint `CHECK (\"check\" > 1)`");
    }
}
