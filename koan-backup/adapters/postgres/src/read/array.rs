//! Converts arrays to JSON lists, nested by dimension.
//!
//! The server sends the number of dimensions, whether there are NULLs, and the type of the elements; the
//! length and lower bound of each dimension; then each element with its length (PostgreSQL's `array_send`).

use koan_backup_core::value::Timestamp;

use super::super::column_type::{BinaryFormat, is_json_null};
use super::super::null_form::form_of;
use super::bytes::{fixed, malformed, utf8};
use super::{decimal, inet, temporal};
use koan_backup_sql::conversion_error::ConversionError;

/// Returns the array as JSON text.
pub(super) fn json(
    bytes: &[u8],
    element: &BinaryFormat,
    decimals_as_text: bool,
) -> Result<String, ConversionError> {
    let mut rest = bytes;
    let dimensions = usize::try_from(int(&mut rest)?).map_err(|_| malformed())?;
    let (_has_nulls, _type) = (int(&mut rest)?, int(&mut rest)?);
    if dimensions == 0 {
        return Ok("[]".to_owned());
    }
    if dimensions > 1 && matches!(element, BinaryFormat::Json | BinaryFormat::Jsonb) {
        return Err(ConversionError::new(
            "contains an array of JSON with several dimensions, which a list cannot distinguish from an array \
             of JSON lists with one dimension; read the column into a text field",
        ));
    }
    let mut lengths = Vec::with_capacity(dimensions.min(6));
    for _ in 0..dimensions {
        lengths.push(usize::try_from(int(&mut rest)?).map_err(|_| malformed())?);
        if int(&mut rest)? != 1 {
            return Err(ConversionError::new(
                "contains an array whose lower bound is not 1, which a list cannot represent; read the column \
                 into a text field",
            ));
        }
    }
    let mut text = String::with_capacity(bytes.len());
    list(&mut rest, &lengths, element, decimals_as_text, &mut text)?;
    Ok(text)
}

/// Returns the form that lists which `null`s of an array of JSON are JSON `null`, or `None` if the array
/// contains no `null`.
pub(super) fn null_form(bytes: &[u8], element: &BinaryFormat) -> Option<String> {
    let mut rest = bytes;
    let dimensions = int(&mut rest).ok()?;
    let (_has_nulls, _type) = (int(&mut rest).ok()?, int(&mut rest).ok()?);
    let mut length = i64::from(dimensions > 0);
    for _ in 0..dimensions {
        length = length.checked_mul(i64::from(int(&mut rest).ok()?))?;
        int(&mut rest).ok()?;
    }
    let (mut nulls, mut json) = (0u64, Vec::new());
    for _ in 0..length {
        let value = match usize::try_from(int(&mut rest).ok()?) {
            Err(_) => None,
            Ok(length) => {
                let (value, after) = rest.split_at_checked(length)?;
                rest = after;
                Some(value)
            }
        };
        let is_json = value.map(|value| is_json_null(element, value));
        if is_json == Some(true) {
            json.push(nulls);
        }
        nulls += u64::from(is_json != Some(false));
    }
    (nulls > 0).then(|| form_of(&json))
}

fn list(
    rest: &mut &[u8],
    lengths: &[usize],
    element: &BinaryFormat,
    decimals_as_text: bool,
    out: &mut String,
) -> Result<(), ConversionError> {
    let Some((&length, inner)) = lengths.split_first() else {
        return value(rest, element, decimals_as_text, out);
    };
    out.push('[');
    for index in 0..length {
        if index > 0 {
            out.push(',');
        }
        list(rest, inner, element, decimals_as_text, out)?;
    }
    out.push(']');
    Ok(())
}

fn value(
    rest: &mut &[u8],
    element: &BinaryFormat,
    decimals_as_text: bool,
    out: &mut String,
) -> Result<(), ConversionError> {
    let Ok(length) = usize::try_from(int(rest)?) else {
        out.push_str("null");
        return Ok(());
    };
    let (bytes, after) = rest.split_at_checked(length).ok_or_else(malformed)?;
    *rest = after;
    match element {
        BinaryFormat::Bool => out.push_str(if bytes == [1] { "true" } else { "false" }),
        BinaryFormat::Int2 => out.push_str(&i16::from_be_bytes(fixed(bytes)?).to_string()),
        BinaryFormat::Int4 => out.push_str(&i32::from_be_bytes(fixed(bytes)?).to_string()),
        BinaryFormat::Int8 => out.push_str(&i64::from_be_bytes(fixed(bytes)?).to_string()),
        BinaryFormat::Float4 => out.push_str(&float(f64::from(f32::from_be_bytes(fixed(bytes)?)))?),
        BinaryFormat::Float8 => out.push_str(&float(f64::from_be_bytes(fixed(bytes)?))?),
        BinaryFormat::Numeric if decimals_as_text => string(&decimal::text(bytes)?, out)?,
        BinaryFormat::Numeric => out.push_str(&decimal::text(bytes)?),
        // Whether `null` is NULL or JSON `null` is recorded separately.
        BinaryFormat::Json => out.push_str(utf8(bytes)?),
        BinaryFormat::Jsonb => out.push_str(utf8(bytes.get(1..).ok_or_else(malformed)?)?),
        BinaryFormat::Uuid => string(&uuid::Uuid::from_bytes(fixed(bytes)?).to_string(), out)?,
        BinaryFormat::Inet => string(&inet::text(bytes)?, out)?,
        BinaryFormat::Bytes => {
            let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
            out.push_str(&format!("[{}]", numbers.join(",")));
        }
        BinaryFormat::Date => string(&temporal::date(i32::from_be_bytes(fixed(bytes)?))?.to_string(), out)?,
        BinaryFormat::Time => string(&temporal::time(i64::from_be_bytes(fixed(bytes)?))?.to_string(), out)?,
        BinaryFormat::Timestamp => {
            string(&temporal::date_time(i64::from_be_bytes(fixed(bytes)?))?.to_string(), out)?
        }
        BinaryFormat::TimestampTz => {
            let local = temporal::date_time(i64::from_be_bytes(fixed(bytes)?))?;
            string(&Timestamp { local, offset_seconds: 0 }.to_string(), out)?;
        }
        _ => string(utf8(bytes)?, out)?,
    }
    Ok(())
}

fn float(number: f64) -> Result<String, ConversionError> {
    match number.is_finite() {
        true => Ok(format!("{number:?}")),
        false => Err(decimal::not_finite()),
    }
}

fn string(text: &str, out: &mut String) -> Result<(), ConversionError> {
    out.push_str(&serde_json::to_string(text).map_err(|_| malformed())?);
    Ok(())
}

fn int(rest: &mut &[u8]) -> Result<i32, ConversionError> {
    let (number, after) = rest.split_first_chunk::<4>().ok_or_else(malformed)?;
    *rest = after;
    Ok(i32::from_be_bytes(*number))
}
