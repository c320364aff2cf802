//! Reads dates and times, which the server sends as days or microseconds since 2000-01-01.

use koan_backup_core::value::{Date, DateTime, Time};
use koan_backup_sql::conversion_error::ConversionError;

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// The number of days from 0000-03-01 to 2000-01-01.
const DAYS_TO_2000: i64 = 730_425;

/// Returns the date that is this number of days after 2000-01-01.
pub(super) fn date(days: i32) -> Result<Date, ConversionError> {
    if days == i32::MAX || days == i32::MIN {
        return Err(infinite());
    }
    date_of(i64::from(days))
}

/// Returns the date and time that is this number of microseconds after 2000-01-01.
pub(super) fn date_time(micros: i64) -> Result<DateTime, ConversionError> {
    if micros == i64::MAX || micros == i64::MIN {
        return Err(infinite());
    }
    let date = date_of(micros.div_euclid(MICROS_PER_DAY))?;
    Ok(DateTime { date, time: time(micros.rem_euclid(MICROS_PER_DAY))? })
}

/// Returns the time of day that is this number of microseconds after midnight.
pub(super) fn time(micros: i64) -> Result<Time, ConversionError> {
    if !(0..MICROS_PER_DAY).contains(&micros) {
        return Err(ConversionError::new(
            "contains 24:00:00, which other databases do not support; store 00:00:00",
        ));
    }
    let seconds = micros / 1_000_000;
    let to_i8 = |number: i64| i8::try_from(number).unwrap_or(0);
    Ok(Time {
        hour: to_i8(seconds / 3600),
        minute: to_i8(seconds / 60 % 60),
        second: to_i8(seconds % 60),
        nanosecond: i32::try_from(micros % 1_000_000 * 1000).unwrap_or(0),
    })
}

/// Returns the date that is this number of days after 2000-01-01, by Howard Hinnant's `civil_from_days`:
/// <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>
fn date_of(days_after_2000: i64) -> Result<Date, ConversionError> {
    let days = days_after_2000 + DAYS_TO_2000;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let outside =
        || ConversionError::new("contains a date outside the years -9999 to 9999; store the date as text");
    let year = i16::try_from(year).ok().filter(|year| (-9999..=9999).contains(year)).ok_or_else(outside)?;
    Ok(Date { year, month: i8::try_from(month).unwrap_or(1), day: i8::try_from(day).unwrap_or(1) })
}

fn infinite() -> ConversionError {
    ConversionError::new(
        "contains `infinity`, which is not a date; store NULL or a distant date, or read the column into a \
         text field",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_2000() {
        let text_of = |days: i32| date(days).map(|date| date.to_string()).ok();
        assert_eq!(text_of(0).as_deref(), Some("2000-01-01"));
        assert_eq!(text_of(59).as_deref(), Some("2000-02-29"));
        assert_eq!(text_of(-1).as_deref(), Some("1999-12-31"));
        assert_eq!(text_of(-730_119).as_deref(), Some("0001-01-01"));
        assert_eq!(text_of(-730_120).as_deref(), Some("0000-12-31"));
        assert_eq!(text_of(2_921_939).as_deref(), Some("9999-12-31"));
        assert_eq!(text_of(2_921_940), None);
        assert_eq!(text_of(i32::MAX), None);
    }

    #[test]
    fn times_before_2000_have_the_correct_day() {
        let text_of = |micros: i64| date_time(micros).map(|date_time| date_time.to_string()).ok();
        assert_eq!(text_of(-1).as_deref(), Some("1999-12-31T23:59:59.999999"));
        assert_eq!(text_of(86_400_000_001).as_deref(), Some("2000-01-02T00:00:00.000001"));
        assert_eq!(text_of(i64::MIN), None);
        assert!(time(MICROS_PER_DAY).is_err());
    }
}
