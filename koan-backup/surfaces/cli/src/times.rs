//! Readable times.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Returns a time as people say it: `today 02:00`, `yesterday 02:00`, `2026-11-12 17:20`.
pub(crate) fn moment(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let (local, today) = (at.to_zoned(zone.clone()), now.to_zoned(zone.clone()).date());
    let time = local.strftime("%H:%M");
    if local.date() == today {
        format!("today {time}")
    } else if today.checked_sub(1.day()).is_ok_and(|yesterday| local.date() == yesterday) {
        format!("yesterday {time}")
    } else {
        format!("{} {time}", local.date())
    }
}

/// Returns how long ago a time was: `just now`, `5 min ago`, `4 h ago`, `3 d ago`.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    match now.duration_since(at).as_secs() {
        ..60 => "just now".to_owned(),
        seconds @ ..3600 => format!("{} min ago", seconds / 60),
        seconds @ ..86_400 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} d ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("the time is valid")
    }

    #[test]
    fn days_are_those_of_the_time_zone() {
        let now = at("2026-11-29T01:30:00Z");
        let shown = |time: &str, zone: &TimeZone| moment(at(time), now, zone);
        assert_eq!(shown("2026-11-29T00:10:00Z", &TimeZone::UTC), "today 00:10");
        assert_eq!(shown("2026-11-28T23:10:00Z", &TimeZone::UTC), "yesterday 23:10");
        assert_eq!(shown("2026-11-12T17:20:59Z", &TimeZone::UTC), "2026-11-12 17:20");
        let west = TimeZone::fixed(jiff::tz::offset(-3));
        assert_eq!(shown("2026-11-29T00:10:00Z", &west), "today 21:10");
    }

    #[test]
    fn ages_have_one_unit() {
        let now = at("2026-11-29T12:00:00Z");
        let ages =
            ["2026-11-29T12:00:30Z", "2026-11-29T11:15:00Z", "2026-11-29T08:00:00Z", "2026-11-20T08:00:00Z"];
        let shown = ages.map(|time| ago(at(time), now));
        assert_eq!(shown.join("|"), "just now|45 min ago|4 h ago|9 d ago");
    }
}
