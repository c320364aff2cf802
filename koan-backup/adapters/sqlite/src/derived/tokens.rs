//! SQL in pieces, without comments.

/// A piece of SQL, and where it is in the text.
#[derive(Clone, Debug)]
pub(in super::super) struct Token {
    kind: Kind,
    /// A word or mark as it is written; what is in quotation marks without them.
    value: String,
    pub(in super::super) start: usize,
    pub(in super::super) end: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Word,
    /// In double quotes, backticks or brackets.
    Name,
    /// In single quotes.
    Text,
    Mark,
}

impl Token {
    pub(in super::super) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.value.eq_ignore_ascii_case(word)
    }

    pub(in super::super) fn is_mark(&self, mark: char) -> bool {
        self.kind == Kind::Mark && self.value.starts_with(mark)
    }

    pub(in super::super) fn is_text(&self, text: &str) -> bool {
        self.kind == Kind::Text && self.value.eq_ignore_ascii_case(text)
    }

    /// Whether it is that name, in quotation marks or not.
    pub(in super::super) fn is_name(&self, name: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Name) && self.value.eq_ignore_ascii_case(name)
    }

    /// What is written, without quotation marks; `None` for a mark.
    pub(in super::super) fn content(&self) -> Option<&str> {
        (self.kind != Kind::Mark).then_some(self.value.as_str())
    }

    /// One text for all spellings that mean the same.
    pub(in super::super) fn normal(&self) -> String {
        match self.kind {
            Kind::Word | Kind::Name => self.value.to_lowercase(),
            Kind::Text => format!("'{}'", self.value),
            Kind::Mark => self.value.clone(),
        }
    }
}

/// Takes SQL apart.
pub(in super::super) fn tokens(sql: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = sql.char_indices().peekable();
    while let Some((start, first)) = rest.next() {
        let close = match first {
            '\'' | '"' | '`' => first,
            '[' => ']',
            '-' if rest.peek().is_some_and(|(_, next)| *next == '-') => {
                rest.by_ref().find(|(_, next)| *next == '\n');
                continue;
            }
            '/' if rest.peek().is_some_and(|(_, next)| *next == '*') => {
                let mut last = ' ';
                let is_end = |next: char| std::mem::replace(&mut last, next) == '*' && next == '/';
                let mut is_end = is_end;
                rest.by_ref().skip(1).find(|(_, next)| is_end(*next));
                continue;
            }
            _ if first.is_whitespace() => continue,
            _ if first.is_alphanumeric() || matches!(first, '_' | '$') => {
                let mut value = String::from(first);
                while let Some((_, next)) =
                    rest.next_if(|(_, next)| next.is_alphanumeric() || matches!(next, '_' | '$'))
                {
                    value.push(next);
                }
                let end = start + value.len();
                tokens.push(Token { kind: Kind::Word, value, start, end });
                continue;
            }
            _ => {
                let end = start + first.len_utf8();
                tokens.push(Token { kind: Kind::Mark, value: first.into(), start, end });
                continue;
            }
        };
        let mut value = String::new();
        while let Some((_, next)) = rest.next() {
            if next != close {
                value.push(next);
            } else if close != ']' && rest.next_if(|(_, next)| *next == close).is_some() {
                value.push(close);
            } else {
                break;
            }
        }
        let end = rest.peek().map_or(sql.len(), |(at, _)| *at);
        let kind = if first == '\'' { Kind::Text } else { Kind::Name };
        tokens.push(Token { kind, value, start, end });
    }
    tokens
}

/// The parts of a list between commas, those in parentheses left whole.
pub(in super::super) fn parts(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0_i32;
    tokens
        .split(|token| {
            depth += i32::from(token.is_mark('(')) - i32::from(token.is_mark(')'));
            depth == 0 && token.is_mark(',')
        })
        .collect()
}

/// The tokens within the parentheses that begin a list, and those behind them.
pub(in super::super) fn in_parentheses(tokens: &[Token]) -> Option<(&[Token], &[Token])> {
    if !tokens.first()?.is_mark('(') {
        return None;
    }
    let mut depth = 0_i32;
    let end = tokens.iter().position(|token| {
        depth += i32::from(token.is_mark('(')) - i32::from(token.is_mark(')'));
        depth == 0
    })?;
    Some((&tokens[1..end], &tokens[end + 1..]))
}

/// Where a word is that is in no parentheses.
pub(in super::super) fn position(tokens: &[Token], word: &str) -> Option<usize> {
    let mut depth = 0_i32;
    tokens.iter().position(|token| {
        depth += i32::from(token.is_mark('(')) - i32::from(token.is_mark(')'));
        depth == 0 && token.is_word(word)
    })
}
