//! How a full-text index follows its content: every row, or those that triggers choose.
//!
//! The command `rebuild` of FTS puts every row of the content into the index. Where triggers leave rows out, such as those that are
//! marked as deleted, these rows would be found again after a restore. So the statements of the triggers are read, and done once for
//! the whole table: `INSERT INTO f (…) VALUES (new.…)` under `WHEN c` becomes `INSERT INTO f (…) SELECT new.… FROM docs AS new WHERE c`.

use std::collections::BTreeSet;

use rusqlite::{Connection, Result};

use super::super::catalog::Catalog;
use super::tokens::{Token, in_parentheses, parts, position, tokens};
use super::{ExternalIndex, triggers_that_write};
use koan_backup_sql::identifier::quoted;

/// How an index is made to fit its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Follow {
    /// By the command `rebuild`.
    Rebuild,
    /// By emptying it and by this statement.
    Select(String),
    /// It cannot be told; the trigger is named.
    Unknown { trigger: String, table: String },
}

/// A trigger that writes the index.
struct Trigger {
    name: String,
    table: String,
    event: Event,
    /// The columns of `UPDATE OF`.
    of: BTreeSet<String>,
    when: Option<Clause>,
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Insert,
    Update,
    Delete,
}

/// A condition: as it is written, and in the form in which it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Clause {
    sql: String,
    normal: String,
}

/// A statement of a trigger that writes the index.
enum Step {
    Insert(Insertion),
    /// Takes a row out. The condition is that of the statement alone.
    Remove(Option<Clause>),
    /// Changes a row in its place.
    Change,
    /// Leaves the content of the index alone: it writes another table, or maintains the index.
    Nothing,
}

struct Insertion {
    columns: String,
    values: String,
    /// Each column with its value, in the form in which they are compared.
    pairs: BTreeSet<(String, String)>,
    condition: Option<Clause>,
    source: Source,
}

/// Where the values of an insertion come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The row of the trigger.
    Row,
    /// The row of the content that has the same number.
    Content,
}

/// The commands of FTS that change how an index is stored, and not what it holds: <https://sqlite.org/fts5.html#special_insert_commands>
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

/// Reads the triggers that write an index.
pub(super) fn follow(connection: &Connection, catalog: &Catalog, index: &ExternalIndex) -> Result<Follow> {
    let writers = triggers_that_write(connection, catalog, index)?;
    let mut statement = connection.prepare_cached(
        "SELECT name, tbl_name, sql FROM main.sqlite_schema WHERE type = 'trigger' ORDER BY name",
    )?;
    let mut rows = statement.query([])?;
    let mut triggers = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, table, sql): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let tokens = tokens(&sql);
        if !tokens.iter().any(|token| names(token, index)) || !writers.may_include(&name, &table) {
            continue;
        }
        match trigger(name.clone(), table.clone(), &sql, &tokens, index) {
            Some(trigger) if trigger.event == Event::Delete || trigger.steps.is_empty() => {}
            Some(trigger) => triggers.push(trigger),
            None => return Ok(Follow::Unknown { trigger: name, table }),
        }
    }
    let count = "SELECT count(*) FROM pragma_table_info(?1)";
    let columns: i64 = connection.query_row(count, [&index.name], |row| row.get(0))?;
    Ok(decide(&triggers, index, usize::try_from(columns).unwrap_or(usize::MAX)))
}

/// `columns` is the number of columns of the index.
fn decide(triggers: &[Trigger], index: &ExternalIndex, columns: usize) -> Follow {
    let unknown =
        |trigger: &Trigger| Follow::Unknown { trigger: trigger.name.clone(), table: trigger.table.clone() };
    let insertions: Vec<(&Trigger, &Insertion)> = triggers
        .iter()
        .filter(|trigger| trigger.event == Event::Insert)
        .flat_map(|trigger| trigger.steps.iter().map(move |step| (trigger, step)))
        .filter_map(|(trigger, step)| match step {
            Step::Insert(insertion) => Some((trigger, insertion)),
            _ => None,
        })
        .collect();
    let (trigger, insertion) = match insertions.as_slice() {
        // The application fills it.
        [] => return triggers.first().map_or(Follow::Rebuild, unknown),
        [one] => *one,
        [_, (trigger, _), ..] => return unknown(trigger),
    };
    let others = |trigger: &&Trigger| trigger.event == Event::Insert && trigger.steps.len() > 1;
    if let Some(trigger) = triggers.iter().find(others) {
        return unknown(trigger);
    }
    let condition = all_of(trigger.when.as_ref(), insertion.condition.as_ref(), "new");
    if let Some(trigger) = triggers.iter().find(|trigger| {
        trigger.event == Event::Update && !keeps_up(trigger, triggers, insertion, condition.as_ref())
    }) {
        return unknown(trigger);
    }
    let is_plain = |(column, value): &(String, String)| {
        matches!(column.as_str(), "rowid" | "docid" | "_rowid_" | "oid")
            || value.rsplit(' ').next() == Some(column.as_str()) && value.split(' ').count() == 3
    };
    let is_whole =
        insertion.pairs.len().checked_sub(1) == Some(columns) && insertion.pairs.iter().all(is_plain);
    match (condition, insertion.source) {
        (None, _) if is_whole => Follow::Rebuild,
        (condition, Source::Row) if index.version == 5 => {
            let (name, table) = (quoted(&index.name), quoted(&trigger.table));
            let filter = condition.map(|clause| format!(" WHERE {}", clause.sql)).unwrap_or_default();
            let (columns, values) = (&insertion.columns, &insertion.values);
            Follow::Select(format!(
                "INSERT INTO main.{name} ({columns}) SELECT {values} FROM main.{table} AS new{filter}"
            ))
        }
        _ => unknown(trigger),
    }
}

/// Whether an update leaves exactly those rows in the index that an insertion of the new rows would put there.
fn keeps_up(trigger: &Trigger, all: &[Trigger], inserted: &Insertion, condition: Option<&Clause>) -> bool {
    let (mut removed, mut added) = (Vec::new(), Vec::new());
    for step in &trigger.steps {
        match step {
            Step::Insert(insertion) if insertion.pairs != inserted.pairs => return false,
            Step::Insert(insertion) => {
                added.push(all_of(trigger.when.as_ref(), insertion.condition.as_ref(), "new"));
            }
            Step::Remove(clause) => removed.push(all_of(trigger.when.as_ref(), clause.as_ref(), "old")),
            Step::Nothing => {}
            Step::Change => return condition.is_none() && trigger.steps.len() == 1,
        }
    }
    let Some(condition) = condition else {
        // A row that goes comes back under the same condition, in this trigger or in another.
        let conditions = |of: &Trigger, is_added: bool| {
            let mut found = Vec::new();
            for step in &of.steps {
                match step {
                    Step::Insert(insertion) if is_added => {
                        found.push(all_of(of.when.as_ref(), insertion.condition.as_ref(), ""))
                    }
                    Step::Remove(clause) if !is_added => {
                        found.push(all_of(of.when.as_ref(), clause.as_ref(), ""))
                    }
                    _ => {}
                }
            }
            found
                .into_iter()
                .map(|clause| (of.of.clone(), clause.map(|clause| clause.normal)))
                .collect::<Vec<_>>()
        };
        let updates = || all.iter().filter(|other| other.event == Event::Update);
        let mut gone: Vec<_> = updates().flat_map(|other| conditions(other, false)).collect();
        let mut back: Vec<_> = updates().flat_map(|other| conditions(other, true)).collect();
        gone.sort();
        back.sort();
        return gone == back;
    };
    // Each update must be seen that may change whether the condition holds.
    let named = condition.normal.split(' ').collect::<Vec<_>>();
    let columns = named.windows(3).filter(|three| three[0] == "$" && three[1] == ".").map(|three| three[2]);
    let sees_all = trigger.of.is_empty() || columns.clone().all(|column| trigger.of.contains(column));
    let is_condition =
        |clause: &Option<Clause>| clause.as_ref().is_some_and(|clause| clause.normal == condition.normal);
    let goes = |clause: &Option<Clause>| clause.is_none() || is_condition(clause);
    let updates = || all.iter().filter(|other| other.event == Event::Update);
    let has = |is_wanted: fn(&Step) -> bool| updates().any(|other| other.steps.iter().any(is_wanted));
    sees_all
        && removed.iter().all(goes)
        && added.iter().all(is_condition)
        && has(|step| matches!(step, Step::Insert(_)))
        && has(|step| matches!(step, Step::Remove(_)))
}

/// Both conditions. In the form in which they are compared the row of that name is `$`.
fn all_of(one: Option<&Clause>, other: Option<&Clause>, row: &str) -> Option<Clause> {
    let shown = |normal: &str| normal.replace(&format!("{row} . "), "$ . ");
    let clauses: Vec<&Clause> = one.into_iter().chain(other).collect();
    (!clauses.is_empty()).then(|| Clause {
        sql: clauses.iter().map(|clause| format!("({})", clause.sql)).collect::<Vec<_>>().join(" AND "),
        normal: clauses.iter().map(|clause| shown(&clause.normal)).collect::<Vec<_>>().join(" and "),
    })
}

/// Takes a trigger apart. `None` if it writes the index in a way that is not understood.
fn trigger(
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
        // The row of the trigger, and nothing else.
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

/// Whether a statement is known to write another table than the index, or none.
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

/// Whether a token may be the name of the index. SQLite takes a text for a name where only a name can be.
fn names(token: &Token, index: &ExternalIndex) -> bool {
    token.is_name(&index.name) || token.is_text(&index.name)
}

/// Whether a text is a command that leaves the content alone. FTS4 has the value behind the name: `merge=200,8`.
fn is_maintenance(command: &Token) -> bool {
    let name = command.content().and_then(|text| text.split('=').next()).unwrap_or_default();
    MAINTENANCE.iter().any(|known| known.eq_ignore_ascii_case(name))
        && command.content().is_some_and(|text| command.is_text(text))
}

/// Tokens that begin with what is expected.
trait Prefix<'t> {
    fn strip_prefix_word(self, word: &str) -> Option<&'t [Token]>;
    /// The index, with or without its schema.
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

/// The tokens without parentheses around all of them, in one spelling.
fn normal(tokens: &[Token]) -> String {
    match in_parentheses(tokens) {
        Some((inner, [])) => normal(inner),
        _ => tokens.iter().map(Token::normal).collect::<Vec<_>>().join(" "),
    }
}

fn row_form(normal: &str) -> String {
    normal.replace("new . ", "$ . ")
}
