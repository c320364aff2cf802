//! Splits a `CREATE TABLE` statement into its column definitions and table constraints, which a restore
//! examines separately.

use super::derived::tokens::{Token, in_parentheses, split_at_commas, tokens};

/// A column definition or a table constraint in a `CREATE TABLE` statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// The name of the column; `None` for a constraint of the table.
    pub(super) column: Option<String>,
    /// The SQL text of the element without its CHECK constraints.
    pub(super) text: String,
    pub(super) checks: Vec<Check>,
    /// The expression of a generated column.
    pub(super) generated: Option<String>,
    /// The expression of a default value, if it is in parentheses.
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
    pub(super) fn description(&self) -> String {
        match &self.name {
            Some(name) => format!("constraint `{name}`"),
            None => format!("constraint `CHECK ({})`", self.condition),
        }
    }
}

/// Returns the column definitions and table constraints in a `CREATE TABLE` statement.
pub(super) fn elements(sql: &str) -> Vec<Element> {
    let tokens = tokens(sql);
    let list = tokens.iter().position(|token| token.is_punctuation('('));
    let Some((list, _)) = list.and_then(|start| in_parentheses(&tokens[start..])) else { return Vec::new() };
    split_at_commas(list).into_iter().filter_map(|tokens| element(sql, tokens)).collect()
}

/// Parses one element from its tokens.
fn element(sql: &str, tokens: &[Token]) -> Option<Element> {
    let first = tokens.first()?;
    let is_constraint =
        ["constraint", "primary", "unique", "check", "foreign"].iter().any(|word| first.is_word(word));
    let column = first.content().filter(|_| !is_constraint).map(str::to_owned);
    let mut element =
        Element { column, text: String::new(), checks: Vec::new(), generated: None, default: None };
    // The text from `copied_to` to the next CHECK constraint is still to be copied.
    let (mut position, mut copied_to) = (0, first.start);
    while position < tokens.len() {
        let (word, next) = (&tokens[position], position + 1);
        let Some((inner, rest)) = in_parentheses(&tokens[next..]) else {
            position = next;
            continue;
        };
        let end = tokens.len() - rest.len();
        let text = match (inner.first(), inner.last()) {
            (Some(first), Some(last)) => sql[first.start..last.end].to_owned(),
            _ => String::new(),
        };
        if word.is_word("check") {
            let keyword = position.checked_sub(2).filter(|&keyword| tokens[keyword].is_word("constraint"));
            let name = keyword.and_then(|keyword| tokens[keyword + 1].content()).map(str::to_owned);
            element.text.push_str(&sql[copied_to..tokens[keyword.unwrap_or(position)].start]);
            copied_to = tokens[end - 1].end;
            element.checks.push(Check { name, condition: text });
        } else if word.is_word("as") {
            element.generated = Some(text);
        } else if word.is_word("default") {
            element.default = Some(text);
        }
        position = end;
    }
    let last = tokens.last().map_or(copied_to, |last| last.end);
    element.text.push_str(&sql[copied_to..last.max(copied_to)]);
    Some(element)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_and_constraints_are_distinguished_in_every_spelling() {
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
        assert_eq!(elements[1].checks[0].description(), "constraint `so (`");
        assert_eq!(elements[2].generated.as_deref(), Some("id + 1"));
        assert_eq!(elements[3].generated.as_deref(), Some("'check (' || g"));
        assert_eq!(elements[5].checks[0].description(), "constraint `CHECK (\"check\" > 1)`");
    }
}
