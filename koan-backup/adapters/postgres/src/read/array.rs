//! Arrays as JSON lists, nested as deep as they have dimensions.
//!
//! Sent as: the number of dimensions, whether there are NULLs, the type of the elements; the length and lower bound of
//! each dimension; then each element with its length (PostgreSQL's `array_send`).

use koan_backup_core::value::Timestamp;

use super::super::column_type::{Sent, is_json_null};
use super::super::null_form::form_of;
use super::{decimal, fixed, inet, malformed, moment, utf8};
use koan_backup_sql::conversion_error::ConversionError;

/// The list as JSON text.
pub(super) fn json(bytes: &[u8], element: &Sent, decimals_as_text: bool) -> Result<String, ConversionError> {
    let mut rest = bytes;
    let dimensions = usize::try_from(int(&mut rest)?).map_err(|_| malformed())?;
    let (_has_nulls, _type) = (int(&mut rest)?, int(&mut rest)?);
    if dimensions == 0 {
        return Ok("[]".to_owned());
    }
    if dimensions > 1 && matches!(element, Sent::Json | Sent::Jsonb) {
        return Err(ConversionError::new(
            "holds an array of JSON of more than one dimension, which a list of JSON cannot tell from lists in an array of one; read the column into a field of text",
        ));
    }
    let mut lengths = Vec::with_capacity(dimensions.min(6));
    for _ in 0..dimensions {
        lengths.push(usize::try_from(int(&mut rest)?).map_err(|_| malformed())?);
        if int(&mut rest)? != 1 {
            return Err(ConversionError::new(
                "holds an array that does not begin at 1, which a list cannot tell; read the column into a field of text",
            ));
        }
    }
    let mut text = String::with_capacity(bytes.len());
    list(&mut rest, &lengths, element, decimals_as_text, &mut text)?;
    Ok(text)
}

/// The form of a list of JSON: which of its `null`s are JSON `null`. `None` if it has no `null`.
pub(super) fn null_form(bytes: &[u8], element: &Sent) -> Option<String> {
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
    element: &Sent,
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
    element: &Sent,
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
        Sent::Bool => out.push_str(if bytes == [1] { "true" } else { "false" }),
        Sent::Int2 => out.push_str(&i16::from_be_bytes(fixed(bytes)?).to_string()),
        Sent::Int4 => out.push_str(&i32::from_be_bytes(fixed(bytes)?).to_string()),
        Sent::Int8 => out.push_str(&i64::from_be_bytes(fixed(bytes)?).to_string()),
        Sent::Float4 => out.push_str(&float(f64::from(f32::from_be_bytes(fixed(bytes)?)))?),
        Sent::Float8 => out.push_str(&float(f64::from_be_bytes(fixed(bytes)?))?),
        Sent::Numeric if decimals_as_text => string(&decimal::text(bytes)?, out)?,
        Sent::Numeric => out.push_str(&decimal::text(bytes)?),
        // Whether `null` is NULL or JSON `null` is noted beside the list.
        Sent::Json => out.push_str(utf8(bytes)?),
        Sent::Jsonb => out.push_str(utf8(bytes.get(1..).ok_or_else(malformed)?)?),
        Sent::Uuid => string(&uuid::Uuid::from_bytes(fixed(bytes)?).to_string(), out)?,
        Sent::Inet => string(&inet::text(bytes)?, out)?,
        Sent::Bytes => {
            let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
            out.push_str(&format!("[{}]", numbers.join(",")));
        }
        Sent::Date => string(&moment::date(i32::from_be_bytes(fixed(bytes)?))?.to_string(), out)?,
        Sent::Time => string(&moment::time(i64::from_be_bytes(fixed(bytes)?))?.to_string(), out)?,
        Sent::Timestamp => string(&moment::date_time(i64::from_be_bytes(fixed(bytes)?))?.to_string(), out)?,
        Sent::TimestampTz => {
            let local = moment::date_time(i64::from_be_bytes(fixed(bytes)?))?;
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
