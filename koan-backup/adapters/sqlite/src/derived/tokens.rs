//! Splits SQL into tokens, without the comments.

/// A token of SQL and its position in the text.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    kind: TokenKind,
    /// A word or punctuation as written; quoted text without the quotation marks.
    value: String,
    pub(in super::super) start: usize,
    pub(in super::super) end: usize,
}

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenKind {
    /// A keyword, a name or a number without quotation marks.
    Word,
    /// A name in double quotes, backticks or brackets.
    Name,
    /// Text in single quotes.
    Text,
    Punctuation,
}

impl Token {
    /// Returns whether the token is this word without quotation marks, in upper or lower case.
    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.kind == TokenKind::Word && self.value.eq_ignore_ascii_case(word)
    }

    /// Returns whether the token is this punctuation character.
    pub(crate) fn is_punctuation(&self, character: char) -> bool {
        self.kind == TokenKind::Punctuation && self.value.starts_with(character)
    }

    /// Returns whether the token is this text in single quotes, in upper or lower case.
    pub(crate) fn is_text(&self, text: &str) -> bool {
        self.kind == TokenKind::Text && self.value.eq_ignore_ascii_case(text)
    }

    /// Returns whether the token is this name, with or without quotation marks.
    pub(crate) fn is_name(&self, name: &str) -> bool {
        matches!(self.kind, TokenKind::Word | TokenKind::Name) && self.value.eq_ignore_ascii_case(name)
    }

    /// Returns the text without quotation marks; `None` for punctuation.
    pub(crate) fn content(&self) -> Option<&str> {
        (self.kind != TokenKind::Punctuation).then_some(self.value.as_str())
    }

    /// Returns the normal form of the token, which is the same for all spellings with the same meaning.
    pub(crate) fn normalized(&self) -> String {
        match self.kind {
            TokenKind::Word | TokenKind::Name => self.value.to_lowercase(),
            TokenKind::Text => format!("'{}'", self.value),
            TokenKind::Punctuation => self.value.clone(),
        }
    }
}

/// Splits SQL into tokens.
pub(crate) fn tokens(sql: &str) -> Vec<Token> {
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
                tokens.push(Token { kind: TokenKind::Word, value, start, end });
                continue;
            }
            _ => {
                let end = start + first.len_utf8();
                tokens.push(Token { kind: TokenKind::Punctuation, value: first.into(), start, end });
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
        let kind = if first == '\'' { TokenKind::Text } else { TokenKind::Name };
        tokens.push(Token { kind, value, start, end });
    }
    tokens
}

/// Splits a list of tokens at its commas. Commas in parentheses do not split it.
pub(crate) fn split_at_commas(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0_i32;
    tokens
        .split(|token| {
            depth += i32::from(token.is_punctuation('(')) - i32::from(token.is_punctuation(')'));
            depth == 0 && token.is_punctuation(',')
        })
        .collect()
}

/// Returns the tokens within the parentheses at the start of a list, and the tokens after them.
pub(crate) fn in_parentheses(tokens: &[Token]) -> Option<(&[Token], &[Token])> {
    if !tokens.first()?.is_punctuation('(') {
        return None;
    }
    let mut depth = 0_i32;
    let end = tokens.iter().position(|token| {
        depth += i32::from(token.is_punctuation('(')) - i32::from(token.is_punctuation(')'));
        depth == 0
    })?;
    Some((&tokens[1..end], &tokens[end + 1..]))
}

/// Returns the position of the first token outside parentheses that is this word.
pub(crate) fn word_position(tokens: &[Token], word: &str) -> Option<usize> {
    let mut depth = 0_i32;
    tokens.iter().position(|token| {
        depth += i32::from(token.is_punctuation('(')) - i32::from(token.is_punctuation(')'));
        depth == 0 && token.is_word(word)
    })
}
