//! The lists of backups and the text of the plans in the table of cases.

use uuid::Uuid;

use super::super::*;
use crate::foundation::id::{BackupId, BackupName};
use crate::foundation::series::SeriesName;

/// Parses `2026-11-21 03:00 nightly`, followed by any of `failed`, `damaged`, `pinned`, `#tag`, `Entity` and
/// `Entity=30`.
fn backup(index: usize, line: &str) -> Candidate {
    let mut words = line.split_whitespace();
    let mut word = || words.next().expect("the line contains a day, a time and a name");
    let created_at = format!("{}T{}:00Z", word(), word()).parse().expect("the time is valid");
    let mut backup = Candidate {
        id: BackupId::from_uuid(Uuid::from_u128(index as u128)),
        name: BackupName::new(word()).expect("the name is valid"),
        series: SeriesName::new("nightly").expect("the series is valid"),
        created_at,
        is_complete: true,
        is_damaged: false,
        tags: Vec::new(),
        entities: Vec::new(),
        protection_reason: None,
        size_bytes: 10,
    };
    backup.series = SeriesName::of(&backup.name);
    for word in words {
        match (word, word.strip_prefix('#'), word.split_once('=')) {
            ("failed", ..) => backup.is_complete = false,
            ("damaged", ..) => backup.is_damaged = true,
            ("pinned", ..) => backup.protection_reason = Some("audit".to_owned()),
            (_, Some(tag), _) => backup.tags.push(tag.to_owned()),
            (_, _, Some((entity, days))) => {
                backup
                    .entities
                    .push((entity.to_owned(), Some(days.parse().expect("the number of days is an integer"))));
            }
            (entity, ..) => backup.entities.push((entity.to_owned(), None)),
        }
    }
    backup
}

/// Formats the plans of all cases as the text of one snapshot. All plans are made at noon of the same
/// Saturday.
pub(super) fn cases(cases: Vec<(&str, Retention, Vec<String>)>) -> String {
    let now = "2026-11-21T12:00:00Z".parse().expect("the time is valid");
    let mut text = String::from("now: 2026-11-21 12:00, a Saturday\n");
    for (title, retention, lines) in cases {
        let candidates = lines.iter().enumerate().map(|(index, line)| backup(index + 1, line)).collect();
        let plan = plan(&retention, candidates, &[], now);
        text += &format!("\n## {title}\n{retention}\n\n{plan}\n");
    }
    text
}

pub(super) fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|&line| line.to_owned()).collect()
}

/// Returns one backup at 3 a.m. of each of the last `days` days, newest first.
pub(super) fn nightly(days: i64) -> Vec<String> {
    let newest: jiff::civil::Date = "2026-11-21".parse().expect("the date is valid");
    let day = |back: i64| newest.checked_sub(jiff::Span::new().days(back)).expect("the date is valid");
    (0..days).map(|back| format!("{} 03:00 nightly", day(back))).collect()
}

/// Returns one backup on the first of each of the last `months` months.
pub(super) fn monthly(months: i64) -> Vec<String> {
    let newest: jiff::civil::Date = "2026-11-01".parse().expect("the date is valid");
    let day = |back: i64| newest.checked_sub(jiff::Span::new().months(back)).expect("the date is valid");
    (0..months).map(|back| format!("{} 03:00 nightly", day(back))).collect()
}

pub(super) fn policy() -> Retention {
    Retention::new()
}
