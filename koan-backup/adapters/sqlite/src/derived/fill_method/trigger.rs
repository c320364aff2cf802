//! Parses a trigger that writes a full-text index.

use std::collections::BTreeSet;

use super::super::external_index::ExternalIndex;
use super::super::tokens::{Token, in_parentheses, split_at_commas, word_position};

/// A parsed trigger that writes the index.
pub(super) struct Trigger {
    pub(super) name: String,
    pub(super) table: String,
    pub(super) event: Event,
    /// The columns of `UPDATE OF`; empty if the trigger fires on an update of any column.
    pub(super) update_columns: BTreeSet<String>,
    pub(super) when: Option<Condition>,
    pub(super) steps: Vec<Step>,
}

/// The event on which a trigger fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Insert,
    Update,
    Delete,
}

/// A condition: its SQL text, and its normal form for comparisons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) sql: String,
    pub(super) normalized: String,
}

/// A statement of a trigger that writes the index.
pub(super) enum Step {
    Insert(Insertion),
    /// Removes a row. The condition is that of the statement itself, without the WHEN condition of the
    /// trigger.
    Remove(Option<Condition>),
    /// Changes an indexed row in place.
    UpdateInPlace,
    /// Does not change the content of the index: the statement writes another table, or maintains the index.
    NoContentChange,
}

/// A statement that adds a row to the index.
pub(super) struct Insertion {
    /// The SQL text of the column list.
    pub(super) columns: String,
    /// The SQL text of the values.
    pub(super) values: String,
    /// Each column with its value, in normal form.
    pub(super) pairs: BTreeSet<(String, String)>,
    pub(super) condition: Option<Condition>,
    pub(super) source: Source,
}

/// The row from which an insertion takes its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The row `new` of the trigger.
    TriggerRow,
    /// The row of the content table that has the same rowid as the row of the trigger.
    ContentRow,
}

/// The commands of FTS that change how an index is stored, but not its content:
/// <https://sqlite.org/fts5.html#special_insert_commands>
const MAINTENANCE_COMMANDS: &[&str] = &[
    "optimize",
    "merge",
    "automerge",
    "crisismerge",
    "usermerge",
    "pgsz",
    "flush",
    "rank",
    "secure-delete",
    "integrity-check",
];

/// Parses a trigger. Returns `None` if it writes the index in a way that is not supported.
pub(super) fn parse_trigger(
    name: String,
    table: String,
    sql: &str,
    tokens: &[Token],
    index: &ExternalIndex,
) -> Option<Trigger> {
    let on = tokens.iter().skip(3).position(|token| token.is_word("on"))? + 3;
    let head = &tokens[3..on];
    let has_word = |word: &str| head.iter().any(|token| token.is_word(word));
    let of_keyword = head.iter().position(|token| token.is_word("of")).filter(|_| !has_word("instead"));
    let event = match () {
        () if head.last()?.is_word("insert") => Event::Insert,
        () if head.last()?.is_word("delete") => Event::Delete,
        () if has_word("update") => Event::Update,
        () => return None,
    };
    let begin = on + tokens[on..].iter().position(|token| token.is_word("begin"))?;
    let end = tokens.iter().rposition(|token| token.is_word("end")).filter(|end| *end > begin)?;
    let when = tokens[on..begin].iter().position(|token| token.is_word("when"));
    let steps = tokens[begin + 1..end].split(|token| token.is_punctuation(';'));
    let steps = steps.filter(|step| step.iter().any(|token| is_index_name(token, index)));
    let steps = steps.map(|step| parse_step(sql, step, index));
    let steps = steps.filter(|step| !matches!(step, Some(Step::NoContentChange)));
    Some(Trigger {
        name,
        table,
        event,
        update_columns: of_keyword
            .map(|at| head[at + 1..].iter().filter_map(Token::content).map(str::to_lowercase).collect())
            .unwrap_or_default(),
        when: when.and_then(|when| parse_condition(sql, &tokens[on + when + 1..begin])),
        steps: steps.collect::<Option<_>>()?,
    })
}

/// Parses a statement of a trigger. Returns `None` if it writes the index in a way that is not supported.
fn parse_step(sql: &str, step: &[Token], index: &ExternalIndex) -> Option<Step> {
    if does_not_write_index(step, index) {
        return Some(Step::NoContentChange);
    }
    let (first, rest) = step.split_first()?;
    if first.is_word("delete") {
        let rest = rest.strip_prefix_word("from")?.strip_prefix_name(index)?.strip_prefix_word("where")?;
        // The condition must select the row of the trigger and no other row.
        let is_row = matches!(rest, [_, equals, old, dot, _] if equals.is_punctuation('=') && old.is_word("old") && dot.is_punctuation('.'));
        return is_row.then_some(Step::Remove(None));
    }
    if first.is_word("update") {
        let rest = rest.strip_prefix_name(index)?;
        let is_unconditional =
            !rest.iter().any(|token| token.is_word("and") || token.is_word("or") || token.is_word("case"));
        return is_unconditional.then_some(Step::UpdateInPlace);
    }
    if !first.is_word("insert") && !first.is_word("replace") {
        return None;
    }
    let rest = match rest {
        [or, _, rest @ ..] if or.is_word("or") => rest,
        rest => rest,
    };
    let rest = rest.strip_prefix_word("into")?.strip_prefix_name(index)?;
    let (columns, rest) = in_parentheses(rest)?;
    let (keyword, rest) = rest.split_first()?;
    let (values, condition, source) = if keyword.is_word("values") {
        let (values, rest) = in_parentheses(rest)?;
        if !rest.is_empty() {
            return None;
        }
        (values, None, Source::TriggerRow)
    } else if keyword.is_word("select") {
        let unsupported = ["group", "order", "limit", "union", "except", "intersect", "join", "distinct"];
        if unsupported.iter().any(|word| word_position(rest, word).is_some()) {
            return None;
        }
        let filter = word_position(rest, "where");
        let condition = filter.map_or(&[][..], |at| &rest[at + 1..]);
        let before = &rest[..filter.unwrap_or(rest.len())];
        match word_position(before, "from") {
            None => (before, parse_condition(sql, condition), Source::TriggerRow),
            Some(from) => {
                let [content] = &before[from + 1..] else { return None };
                let is_same_row = matches!(condition, [.., equals, new, dot, _] if equals.is_punctuation('=') && new.is_word("new") && dot.is_punctuation('.'));
                if !content.is_name(&index.content) || !is_same_row || !matches!(condition.len(), 5 | 7) {
                    return None;
                }
                (&before[..from], None, Source::ContentRow)
            }
        }
    } else {
        return None;
    };
    let (names, expressions) = (split_at_commas(columns), split_at_commas(values));
    if names.len() != expressions.len() {
        return None;
    }
    if names.first()?.first()?.is_name(&index.name) {
        let [command, others @ ..] = *expressions.first()? else { return None };
        if others.is_empty() && is_maintenance(command) {
            return Some(Step::NoContentChange);
        }
        let is_removal = command.is_text("delete") && source == Source::TriggerRow;
        return is_removal.then_some(Step::Remove(condition));
    }
    let pairs = names
        .iter()
        .zip(&expressions)
        .map(|(name, value)| (normalized(name), with_row_placeholder(&normalized(value))));
    Some(Step::Insert(Insertion {
        columns: source_text(sql, columns).to_owned(),
        values: source_text(sql, values).to_owned(),
        pairs: pairs.collect(),
        condition,
        source,
    }))
}

/// Returns whether a statement certainly does not write the index: it writes no table, or another table.
fn does_not_write_index(step: &[Token], index: &ExternalIndex) -> bool {
    let Some((first, rest)) = step.split_first() else { return true };
    let rest = match rest {
        [or, _, rest @ ..] if or.is_word("or") => rest,
        rest => rest,
    };
    let object = match rest {
        _ if first.is_word("select") => return true,
        _ if first.is_word("update") => rest,
        [into, rest @ ..]
            if (first.is_word("insert") || first.is_word("replace")) && into.is_word("into") =>
        {
            rest
        }
        [from, rest @ ..] if first.is_word("delete") && from.is_word("from") => rest,
        _ => return false,
    };
    let object = match object {
        [schema, dot, rest @ ..] if dot.is_punctuation('.') && schema.content().is_some() => rest,
        object => object,
    };
    object.first().is_some_and(|first| !is_index_name(first, index))
}

/// Returns whether a token may be the name of the index. SQLite accepts a string literal as a name where only
/// a name is possible.
pub(super) fn is_index_name(token: &Token, index: &ExternalIndex) -> bool {
    token.is_name(&index.name) || token.is_text(&index.name)
}

/// Returns whether a string is an FTS command that does not change the content of an index. In FTS4, the
/// string contains the value of the command as well: `merge=200,8`.
fn is_maintenance(command: &Token) -> bool {
    let name = command.content().and_then(|text| text.split('=').next()).unwrap_or_default();
    MAINTENANCE_COMMANDS.iter().any(|known| known.eq_ignore_ascii_case(name))
        && command.content().is_some_and(|text| command.is_text(text))
}

/// Methods that remove an expected prefix from a list of tokens, and return `None` if the list does not begin
/// with it.
trait Prefix<'t> {
    fn strip_prefix_word(self, word: &str) -> Option<&'t [Token]>;
    /// Removes the name of the index, with or without its schema.
    fn strip_prefix_name(self, index: &ExternalIndex) -> Option<&'t [Token]>;
}

impl<'t> Prefix<'t> for &'t [Token] {
    fn strip_prefix_word(self, word: &str) -> Option<&'t [Token]> {
        self.split_first().filter(|(first, _)| first.is_word(word)).map(|(_, rest)| rest)
    }

    fn strip_prefix_name(self, index: &ExternalIndex) -> Option<&'t [Token]> {
        let rest = match self {
            [main, dot, rest @ ..] if main.is_name("main") && dot.is_punctuation('.') => rest,
            rest => rest,
        };
        rest.split_first().filter(|(first, _)| first.is_name(&index.name)).map(|(_, rest)| rest)
    }
}

fn parse_condition(sql: &str, tokens: &[Token]) -> Option<Condition> {
    (!tokens.is_empty())
        .then(|| Condition { sql: source_text(sql, tokens).to_owned(), normalized: normalized(tokens) })
}

fn source_text<'s>(sql: &'s str, tokens: &[Token]) -> &'s str {
    match (tokens.first(), tokens.last()) {
        (Some(first), Some(last)) => &sql[first.start..last.end],
        _ => "",
    }
}

/// Returns the normal form of tokens: uniform spelling, and no parentheses around the complete text.
fn normalized(tokens: &[Token]) -> String {
    match in_parentheses(tokens) {
        Some((inner, [])) => normalized(inner),
        _ => tokens.iter().map(Token::normalized).collect::<Vec<_>>().join(" "),
    }
}

/// Replaces the row `new` with the placeholder `$`.
fn with_row_placeholder(normalized: &str) -> String {
    normalized.replace("new . ", "$ . ")
}
