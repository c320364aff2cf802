//! The scanner that finds the tokens of a line without a JSON parser.
//!
//! Lines that a type serializes have one form: no white space, and escapes and numbers as `serde_json` writes
//! them. The general path handles a line in any other form.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::row::{Projection, Slot};
use super::super::token::{LineTokens, Token};
use crate::foundation::canonical::{plain_length, push_text};
use crate::foundation::schema::LogicalType;

impl<'l> LineTokens<'l> {
    /// Finds the tokens of a line without its line feed. Returns `None` unless the line has a scalar for each
    /// field, in the order of the projection, and writing these tokens results in the same line.
    pub(crate) fn scan(line: &'l [u8], fields: &'l Projection) -> Option<Self> {
        let mut tokens = Vec::with_capacity(fields.len());
        scan_fields(line, fields, |index, token| {
            let is_expected = index == tokens.len() && token.is_scalar();
            tokens.push(token);
            is_expected.then_some(())
        })?;
        (tokens.len() == fields.len()).then_some(Self { projection: fields, tokens })
    }
}

/// Calls `accept` for each token of a line without its line feed, with the index of its field. Returns `None`
/// if the line does not have the form that types serialize, or if `accept` returns `None`.
#[inline]
pub(super) fn scan_fields<'l>(
    line: &'l [u8],
    fields: &Projection,
    mut accept: impl FnMut(usize, Token<'l>) -> Option<()>,
) -> Option<()> {
    let mut rest = std::str::from_utf8(line).ok()?.strip_prefix('{')?;
    let mut expected = 0;
    loop {
        let (index, slot, text) = field(fields, expected, rest)?;
        let (token, tail) = token(slot, text)?;
        accept(index, token)?;
        expected = index + 1;
        match tail.as_bytes().first()? {
            b',' => rest = &tail[1..],
            b'}' if tail.len() == 1 => return Some(()),
            _ => return None,
        }
    }
}

/// Returns the field whose name is at the start of `text`, and the text after the name. The field at the
/// index `expected` is compared first.
#[inline]
fn field<'f, 'l>(
    fields: &'f Projection,
    expected: usize,
    text: &'l str,
) -> Option<(usize, &'f Slot, &'l str)> {
    if let Some(slot) = fields.slots().get(expected)
        && let Some(tail) = strip_name(slot, text)
    {
        return Some((expected, slot, tail));
    }
    find_field(fields, text)
}

/// Returns the same as [`field`], but compares all fields.
#[cold]
fn find_field<'f, 'l>(fields: &'f Projection, text: &'l str) -> Option<(usize, &'f Slot, &'l str)> {
    let mut slots = fields.slots().iter().enumerate();
    slots.find_map(|(index, slot)| Some((index, slot, strip_name(slot, text)?)))
}

#[inline]
fn strip_name<'l>(slot: &Slot, text: &'l str) -> Option<&'l str> {
    let name = slot.quoted_name();
    // A name consists of complete characters, so the text after it is valid UTF-8 as well.
    text.as_bytes().starts_with(name).then(|| text.get(name.len()..)).flatten()
}

/// Returns the token at the start of `text`, and the text after the token.
#[inline]
fn token<'l>(slot: &Slot, text: &'l str) -> Option<(Token<'l>, &'l str)> {
    let (token, literal) = match text.as_bytes().first()? {
        b'n' => (Token::Null, "null"),
        _ if !slot.is_scalar() => return structure(text),
        b'"' => return quoted(text),
        b'-' | b'0'..=b'9' if matches!(slot.logical(), LogicalType::Float { .. }) => {
            return float(slot, text);
        }
        b'-' | b'0'..=b'9' => return integer(text),
        b't' => (Token::Bool(true), "true"),
        b'f' => (Token::Bool(false), "false"),
        _ => return None,
    };
    Some((token, text.strip_prefix(literal)?))
}

/// Returns the token of the quoted string at the start of `text`, and the text after the string.
#[inline]
fn quoted(text: &str) -> Option<(Token<'_>, &str)> {
    let (content, tail) = text[1..].split_at(plain_length(&text.as_bytes()[1..]));
    match tail.as_bytes().first()? {
        b'"' => Some((Token::Text(Cow::Borrowed(content)), &tail[1..])),
        b'\\' => escaped(text),
        _ => None,
    }
}

/// Returns the same as [`quoted`], for a string with escapes.
fn escaped(text: &str) -> Option<(Token<'_>, &str)> {
    let (content, tail) = parse_first::<String>(text)?;
    // JSON has several escapes for one character, and types serialize only one of them.
    let mut canonical = Vec::with_capacity(text.len() - tail.len());
    push_text(&content, &mut canonical);
    let is_canonical = canonical == text.as_bytes()[..text.len() - tail.len()];
    is_canonical.then_some((Token::Text(Cow::Owned(content)), tail))
}

/// Returns the token of the list or object at the start of `text`, and the text after it. Returns `None` for
/// a scalar: the field is not scalar, so only its type can determine whether the scalar is valid.
fn structure(text: &str) -> Option<(Token<'_>, &str)> {
    if !text.starts_with(['{', '[']) {
        return None;
    }
    let (json, tail) = parse_first::<&RawValue>(text)?;
    Some((Token::Json(json.get()), tail))
}

/// Parses the JSON value at the start of `text`, and returns the value and the text after it.
fn parse_first<'l, T: Deserialize<'l>>(text: &'l str) -> Option<(T, &'l str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<T>();
    let value = values.next()?.ok()?;
    Some((value, text.get(values.byte_offset()..)?))
}

/// Returns the token of the integer at the start of `text`, and the text after its digits. If the number has
/// a fraction or an exponent, the returned text does not begin with a delimiter, and the caller refuses the
/// line.
#[inline]
fn integer(text: &str) -> Option<(Token<'static>, &str)> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let is_negative = digits.len() < text.len();
    let (mut number, mut count) = (0u64, 0);
    while let Some(digit) = digits.get(count).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10)
    {
        number = number.checked_mul(10)?.checked_add(digit.into())?;
        count += 1;
    }
    if count == 0 || (digits[0] == b'0' && (count > 1 || is_negative)) {
        return None;
    }
    let token = match (is_negative, i64::try_from(number)) {
        (true, _) => Token::I64(0i64.checked_sub_unsigned(number)?),
        (false, Ok(number)) => Token::I64(number),
        (false, Err(_)) => Token::U64(number),
    };
    Some((token, &text[count + usize::from(is_negative)..]))
}

/// Returns the token of the floating-point number at the start of `text`, and the text after it. Returns
/// `None` if `serde_json` would write the number in a different form.
fn float<'l>(slot: &Slot, text: &'l str) -> Option<(Token<'l>, &'l str)> {
    let (text, tail) = text.split_at(text.bytes().position(|byte| matches!(byte, b',' | b'}'))?);
    let number = match *slot.logical() {
        LogicalType::Float { bits } if bits > 32 => Token::F64(text.parse().ok()?),
        _ => Token::F32(text.parse().ok()?),
    };
    let mut written = Vec::with_capacity(text.len());
    (number.write(&mut written) && written == text.as_bytes()).then_some((number, tail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foundation::schema::{FieldSchema, WireForm};

    fn fields() -> Projection {
        let mut fields = Projection::default();
        let integer = LogicalType::Integer { bits: 64, signed: true };
        for (name, logical) in [
            ("id", integer),
            ("ra\"te", LogicalType::Float { bits: 64 }),
            ("part", LogicalType::Float { bits: 32 }),
            ("text", LogicalType::Text),
            ("flag", LogicalType::Bool),
        ] {
            fields.field(&FieldSchema {
                name: name.to_owned(),
                column: None,
                rust_type: String::new(),
                logical,
                wire: WireForm::Plain,
                nullable: true,
                key: false,
                required: false,
            });
        }
        fields
    }

    #[test]
    fn the_tokens_of_a_line_are_written_as_the_same_line() {
        let fields = fields();
        for line in [
            r#"{"id":0,"ra\"te":0.1,"part":0.1,"text":"","flag":true}"#,
            r#"{"id":-9223372036854775808,"ra\"te":-0.0,"part":1e+30,"text":"ü, } \u","flag":false}"#,
            r#"{"id":18446744073709551615,"ra\"te":null,"part":null,"text":null,"flag":null}"#,
            r#"{"id":1,"ra\"te":0.5,"part":0.5,"text":"a \"b\" \\ \n\u0001","flag":true}"#,
        ] {
            let line = line.replace(" \\u", "\u{1f600}");
            let tokens = LineTokens::scan(line.as_bytes(), &fields)
                .unwrap_or_else(|| panic!("the line was not scanned: {line}"));
            let mut written = Vec::new();
            assert!(tokens.write(&mut written) && tokens.has_only_scalars());
            assert_eq!(String::from_utf8(written).expect("the line is UTF-8"), line);
        }
    }

    #[test]
    fn a_line_that_would_be_written_differently_is_not_scanned() {
        let fields = fields();
        let line = |id: &str, rate: &str, part: &str, text: &str, flag: &str| {
            format!(r#"{{"id":{id},"ra\"te":{rate},"part":{part},"text":{text},"flag":{flag}}}"#)
        };
        let accepted = line("1", "0.5", "0.5", "\"a\"", "true");
        assert!(LineTokens::scan(accepted.as_bytes(), &fields).is_some());
        let mut rejected: Vec<Vec<u8>> = [
            line("01", "0.5", "0.5", "\"a\"", "true"),
            line("-0", "0.5", "0.5", "\"a\"", "true"),
            line("+1", "0.5", "0.5", "\"a\"", "true"),
            line("-", "0.5", "0.5", "\"a\"", "true"),
            line("1.0", "0.5", "0.5", "\"a\"", "true"),
            line("1e2", "0.5", "0.5", "\"a\"", "true"),
            line(" 1", "0.5", "0.5", "\"a\"", "true"),
            line("18446744073709551616", "0.5", "0.5", "\"a\"", "true"),
            line("99999999999999999999", "0.5", "0.5", "\"a\"", "true"),
            line("-9223372036854775809", "0.5", "0.5", "\"a\"", "true"),
            line("-18446744073709551615", "0.5", "0.5", "\"a\"", "true"),
            line("00", "0.5", "0.5", "\"a\"", "true"),
            line("-01", "0.5", "0.5", "\"a\"", "true"),
            line("1", "5", "0.5", "\"a\"", "true"),
            line("1", "0.50", "0.5", "\"a\"", "true"),
            line("1", "1E5", "0.5", "\"a\"", "true"),
            line("1", "0.5", "0.30000000000000004", "\"a\"", "true"),
            line("1", "0.5", "0.5", r#""\u0061""#, "true"),
            line("1", "0.5", "0.5", r#""a\/""#, "true"),
            line("1", "0.5", "0.5", r#""a\"#, "true"),
            line("1", "0.5", "0.5", "\"a", "true"),
            line("1", "0.5", "0.5", "\"a\tb\"", "true"),
            line("1", "0.5", "0.5", "[1]", "true"),
            line("1", "0.5", "0.5", "{}", "true"),
            line("1", "0.5", "0.5", "nul", "true"),
            line("1", "0.5", "0.5", "\"a\"", "truely"),
            line("1", "0.5", "0.5", "\"a\"", "true,\"more\":1"),
            format!("{accepted} "),
            format!(" {accepted}"),
            accepted.replace("\"flag\":true", "\"text\":\"b\""),
            accepted.replace(",\"flag\":true", ""),
            accepted.replace("{\"id\":1,", "{").replace("\"flag\":true", "\"flag\":true,\"id\":1"),
            accepted.replace("}", ",}"),
            accepted.replace("{", "{,"),
            accepted.replace("ra\\\"te", "ra\\u0022te"),
            "{}".to_owned(),
            String::new(),
        ]
        .map(String::into_bytes)
        .to_vec();
        rejected.extend((0..accepted.len()).map(|length| accepted.as_bytes()[..length].to_vec()));
        rejected.push(line("1", "0.5", "0.5", "\"\u{e9}\"", "true").replace('\u{e9}', "?").into_bytes());
        let last = rejected.last_mut().expect("a line was added");
        *last.iter_mut().find(|byte| **byte == b'?').expect("the line contains `?`") = 0xff;
        for line in rejected {
            let text = String::from_utf8_lossy(&line).into_owned();
            assert!(LineTokens::scan(&line, &fields).is_none(), "{text}");
        }
    }
}
