//! Parses a trigger that writes a full-text index.

use std::collections::BTreeSet;

use super::super::external_index::ExternalIndex;
use super::super::tokens::{Token, in_parentheses, parts, position};

/// A parsed trigger that writes the index.
pub(super) struct Trigger {
    pub(super) name: String,
    pub(super) table: String,
    pub(super) event: Event,
    /// The columns of `UPDATE OF`.
    pub(super) of: BTreeSet<String>,
    pub(super) when: Option<Clause>,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Insert,
    Update,
    Delete,
}

/// A condition: its SQL text, and a normal form for comparisons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clause {
    pub(super) sql: String,
    pub(super) normal: String,
}

/// A statement of a trigger that writes the index.
pub(super) enum Step {
    Insert(Insertion),
    /// Removes a row. The condition is that of the statement, without the condition of the trigger.
    Remove(Option<Clause>),
    /// Changes an indexed row in place.
    Change,
    /// Does not change the content of the index: it writes another table, or maintains the index.
    Nothing,
}

pub(super) struct Insertion {
    pub(super) columns: String,
    pub(super) values: String,
    /// Each column with its value, in normal form.
    pub(super) pairs: BTreeSet<(String, String)>,
    pub(super) condition: Option<Clause>,
    pub(super) source: Source,
}

/// Where the values of an insertion come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The row of the trigger.
    Row,
    /// The row of the content with the same rowid.
    Content,
}

/// The commands of FTS that change how an index is stored, but not its content:
/// <https://sqlite.org/fts5.html#special_insert_commands>
const MAINTENANCE: &[&str] = &[
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
pub(super) fn trigger(
    name: String,
    table: String,
    sql: &str,
    tokens: &[Token],
    index: &ExternalIndex,
) -> Option<Trigger> {
    let on = tokens.iter().skip(3).position(|token| token.is_word("on"))? + 3;
    let head = &tokens[3..on];
    let is = |word: &str| head.iter().any(|token| token.is_word(word));
    let of = head.iter().position(|token| token.is_word("of")).filter(|_| !is("instead"));
    let event = match () {
        () if head.last()?.is_word("insert") => Event::Insert,
        () if head.last()?.is_word("delete") => Event::Delete,
        () if is("update") => Event::Update,
        () => return None,
    };
    let begin = on + tokens[on..].iter().position(|token| token.is_word("begin"))?;
    let end = tokens.iter().rposition(|token| token.is_word("end")).filter(|end| *end > begin)?;
    let when = tokens[on..begin].iter().position(|token| token.is_word("when"));
    let steps = tokens[begin + 1..end].split(|token| token.is_mark(';'));
    let steps = steps.filter(|step| step.iter().any(|token| names(token, index)));
    let steps = steps.map(|step| self::step(sql, step, index));
    let steps = steps.filter(|step| !matches!(step, Some(Step::Nothing)));
    Some(Trigger {
        name,
        table,
        event,
        of: of
            .map(|of| head[of + 1..].iter().filter_map(Token::content).map(str::to_lowercase).collect())
            .unwrap_or_default(),
        when: when.and_then(|when| clause(sql, &tokens[on + when + 1..begin])),
        steps: steps.collect::<Option<_>>()?,
    })
}

fn step(sql: &str, step: &[Token], index: &ExternalIndex) -> Option<Step> {
    if writes_another(step, index) {
        return Some(Step::Nothing);
    }
    let (first, rest) = step.split_first()?;
    if first.is_word("delete") {
        let rest = rest.strip_prefix_word("from")?.strip_prefix_name(index)?.strip_prefix_word("where")?;
        // The condition must select the row of the trigger and nothing else.
        let is_row = matches!(rest, [_, equals, old, dot, _] if equals.is_mark('=') && old.is_word("old") && dot.is_mark('.'));
        return is_row.then_some(Step::Remove(None));
    }
    if first.is_word("update") {
        let rest = rest.strip_prefix_name(index)?;
        let is_whole =
            !rest.iter().any(|token| token.is_word("and") || token.is_word("or") || token.is_word("case"));
        return is_whole.then_some(Step::Change);
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
        (values, None, Source::Row)
    } else if keyword.is_word("select") {
        let more = ["group", "order", "limit", "union", "except", "intersect", "join", "distinct"];
        if more.iter().any(|word| position(rest, word).is_some()) {
            return None;
        }
        let filter = position(rest, "where");
        let condition = filter.map_or(&[][..], |at| &rest[at + 1..]);
        let before = &rest[..filter.unwrap_or(rest.len())];
        match position(before, "from") {
            None => (before, clause(sql, condition), Source::Row),
            Some(from) => {
                let [content] = &before[from + 1..] else { return None };
                let ends = matches!(condition, [.., equals, new, dot, _] if equals.is_mark('=') && new.is_word("new") && dot.is_mark('.'));
                if !content.is_name(&index.content) || !ends || !matches!(condition.len(), 5 | 7) {
                    return None;
                }
                (&before[..from], None, Source::Content)
            }
        }
    } else {
        return None;
    };
    let (names, given) = (parts(columns), parts(values));
    if names.len() != given.len() {
        return None;
    }
    if names.first()?.first()?.is_name(&index.name) {
        let [command, more @ ..] = *given.first()? else { return None };
        if more.is_empty() && is_maintenance(command) {
            return Some(Step::Nothing);
        }
        let is_removal = command.is_text("delete") && source == Source::Row;
        return is_removal.then_some(Step::Remove(condition));
    }
    let pairs = names.iter().zip(&given).map(|(name, value)| (normal(name), row_form(&normal(value))));
    Some(Step::Insert(Insertion {
        columns: text(sql, columns).to_owned(),
        values: text(sql, values).to_owned(),
        pairs: pairs.collect(),
        condition,
        source,
    }))
}

/// Returns whether a statement is known to write no table, or another table than the index.
fn writes_another(step: &[Token], index: &ExternalIndex) -> bool {
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
        [schema, dot, rest @ ..] if dot.is_mark('.') && schema.content().is_some() => rest,
        object => object,
    };
    object.first().is_some_and(|first| !names(first, index))
}

/// Returns whether a token may be the name of the index. SQLite accepts a string literal as a name where only
/// a name is possible.
pub(super) fn names(token: &Token, index: &ExternalIndex) -> bool {
    token.is_name(&index.name) || token.is_text(&index.name)
}

/// Returns whether a string is a command that does not change the content. In FTS4, the value follows the
/// name: `merge=200,8`.
fn is_maintenance(command: &Token) -> bool {
    let name = command.content().and_then(|text| text.split('=').next()).unwrap_or_default();
    MAINTENANCE.iter().any(|known| known.eq_ignore_ascii_case(name))
        && command.content().is_some_and(|text| command.is_text(text))
}

/// Removes an expected prefix from a list of tokens.
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
            [main, dot, rest @ ..] if main.is_name("main") && dot.is_mark('.') => rest,
            rest => rest,
        };
        rest.split_first().filter(|(first, _)| first.is_name(&index.name)).map(|(_, rest)| rest)
    }
}

fn clause(sql: &str, tokens: &[Token]) -> Option<Clause> {
    (!tokens.is_empty()).then(|| Clause { sql: text(sql, tokens).to_owned(), normal: normal(tokens) })
}

fn text<'s>(sql: &'s str, tokens: &[Token]) -> &'s str {
    match (tokens.first(), tokens.last()) {
        (Some(first), Some(last)) => &sql[first.start..last.end],
        _ => "",
    }
}

/// Returns the normal form of tokens: uniform spelling, and no parentheses around all of them.
fn normal(tokens: &[Token]) -> String {
    match in_parentheses(tokens) {
        Some((inner, [])) => normal(inner),
        _ => tokens.iter().map(Token::normal).collect::<Vec<_>>().join(" "),
    }
}

fn row_form(normal: &str) -> String {
    normal.replace("new . ", "$ . ")
}
