//! The values of a line in the one form that a type of single values writes, found without a parser of JSON.
//!
//! Such a line is known but for its values: names in the order of the schema, no white space, text without escapes, numbers as
//! `serde_json` writes them. Whatever differs is left to `serde_json`.

use std::borrow::Cow;

use super::super::token::{Plain, PlainRow};
use super::super::row::{Projection, Slot};
use crate::canonical::plain_length;
use crate::schema::LogicalType;

impl<'l> PlainRow<'l> {
    /// The row whose plain line, without its line feed, `line` is. `None` says nothing.
    pub(crate) fn in_line(line: &'l [u8], fields: &'l Projection) -> Option<Self> {
        let mut values = Vec::with_capacity(fields.len());
        each(line, fields, |value| {
            values.push(value);
            Some(())
        })?;
        Some(Self { projection: fields, values })
    }
}

/// Gives `take` the values of the row whose plain line, without its line feed, `line` is, in order. `None` says nothing, and is what
/// `take` ends it with.
#[inline]
pub(super) fn each<'l>(
    line: &'l [u8],
    fields: &Projection,
    mut take: impl FnMut(Plain<'l>) -> Option<()>,
) -> Option<()> {
    let mut rest = std::str::from_utf8(line).ok()?;
    let mut before = b'{';
    for slot in fields.slots() {
        let (value, behind) = value(slot, after(after(rest, &[before])?, slot.label())?)?;
        take(value)?;
        rest = behind;
        before = b',';
    }
    (rest == "}" && !fields.is_empty()).then_some(())
}

/// What stands behind `expected`.
#[inline]
fn after<'l>(text: &'l str, expected: &[u8]) -> Option<&'l str> {
    // Names and brackets are whole characters, so that what is behind them is text as well.
    text.as_bytes().starts_with(expected).then(|| text.get(expected.len()..)).flatten()
}

/// The value that `text` begins with, and what stands behind it.
#[inline]
fn value<'l>(slot: &Slot, text: &'l str) -> Option<(Plain<'l>, &'l str)> {
    let (plain, literal) = match text.as_bytes().first()? {
        b'"' => {
            let (content, behind) = text[1..].split_at(plain_length(&text.as_bytes()[1..]));
            return Some((Plain::Text(Cow::Borrowed(content)), behind.strip_prefix('"')?));
        }
        b'-' | b'0'..=b'9' if matches!(slot.logical(), LogicalType::Float { .. }) => {
            return float(slot, text);
        }
        b'-' | b'0'..=b'9' => return integer(text),
        b'n' => (Plain::Null, "null"),
        b't' => (Plain::Bool(true), "true"),
        b'f' => (Plain::Bool(false), "false"),
        _ => return None,
    };
    Some((plain, text.strip_prefix(literal)?))
}

/// The integer that `text` begins with. If more of a number follows, it is not what is expected behind a value.
#[inline]
fn integer(text: &str) -> Option<(Plain<'static>, &str)> {
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
    let plain = match (is_negative, i64::try_from(number)) {
        (true, _) => Plain::I64(0i64.checked_sub_unsigned(number)?),
        (false, Ok(number)) => Plain::I64(number),
        (false, Err(_)) => Plain::U64(number),
    };
    Some((plain, &text[count + usize::from(is_negative)..]))
}

/// The floating-point number that `text` begins with, if it is written so.
fn float<'l>(slot: &Slot, text: &'l str) -> Option<(Plain<'l>, &'l str)> {
    let (text, behind) = text.split_at(text.bytes().position(|byte| matches!(byte, b',' | b'}'))?);
    let number = match *slot.logical() {
        LogicalType::Float { bits } if bits > 32 => Plain::F64(text.parse().ok()?),
        _ => Plain::F32(text.parse().ok()?),
    };
    let mut written = Vec::with_capacity(text.len());
    (number.write(&mut written) && written == text.as_bytes()).then_some((number, behind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{FieldSchema, WireForm};

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
    fn a_line_that_is_taken_is_written_again_as_it_is() {
        let fields = fields();
        for line in [
            r#"{"id":0,"ra\"te":0.1,"part":0.1,"text":"","flag":true}"#,
            r#"{"id":-9223372036854775808,"ra\"te":-0.0,"part":1e+30,"text":"ü, } \u","flag":false}"#,
            r#"{"id":18446744073709551615,"ra\"te":null,"part":null,"text":null,"flag":null}"#,
        ] {
            let line = line.replace(" \\u", "\u{1f600}");
            let row =
                PlainRow::in_line(line.as_bytes(), &fields).unwrap_or_else(|| panic!("a plain line: {line}"));
            let mut again = Vec::new();
            assert!(row.write(&mut again) && row.is_of_scalars());
            assert_eq!(String::from_utf8(again).expect("text"), line);
        }
    }

    #[test]
    fn whatever_would_be_written_in_another_way_is_left_to_the_parser() {
        let fields = fields();
        let line = |id: &str, rate: &str, part: &str, text: &str, flag: &str| {
            format!(r#"{{"id":{id},"ra\"te":{rate},"part":{part},"text":{text},"flag":{flag}}}"#)
        };
        let usual = line("1", "0.5", "0.5", "\"a\"", "true");
        assert!(PlainRow::in_line(usual.as_bytes(), &fields).is_some());
        let mut others: Vec<Vec<u8>> = [
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
            line("1", "0.5", "0.5", r#""a\"""#, "true"),
            line("1", "0.5", "0.5", "\"a", "true"),
            line("1", "0.5", "0.5", "\"a\tb\"", "true"),
            line("1", "0.5", "0.5", "[1]", "true"),
            line("1", "0.5", "0.5", "{}", "true"),
            line("1", "0.5", "0.5", "nul", "true"),
            line("1", "0.5", "0.5", "\"a\"", "truely"),
            line("1", "0.5", "0.5", "\"a\"", "true,\"more\":1"),
            format!("{usual} "),
            format!(" {usual}"),
            usual.replace("\"flag\":true", "\"text\":\"b\""),
            usual.replace(",\"flag\":true", ""),
            usual.replace("ra\\\"te", "ra\\u0022te"),
            "{}".to_owned(),
            String::new(),
        ]
        .map(String::into_bytes)
        .to_vec();
        others.extend((0..usual.len()).map(|length| usual.as_bytes()[..length].to_vec()));
        others.push(line("1", "0.5", "0.5", "\"\u{e9}\"", "true").replace('\u{e9}', "?").into_bytes());
        let last = others.last_mut().expect("pushed");
        *last.iter_mut().find(|byte| **byte == b'?').expect("there") = 0xff;
        for other in others {
            let shown = String::from_utf8_lossy(&other).into_owned();
            assert!(PlainRow::in_line(&other, &fields).is_none(), "{shown}");
        }
    }
}
