//! The steps of a sequence.

use std::collections::BTreeMap;

use koan_backup::prelude::*;
use proptest::prelude::*;
use rusqlite::types::Value;

/// The columns of a row without its key, as the database stores them.
pub(super) type Columns = [Value; 4];

/// A set of the entity, which has its own table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Set {
    Root,
    Archive,
    /// A set whose table may be missing; a restore can create it. Its name sorts before that of the set
    /// `archive`.
    Annex,
}

impl Set {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Archive => "archive",
            Self::Annex => "annex",
        }
    }

    pub(super) fn table(self) -> &'static str {
        match self {
            Self::Root => "note",
            Self::Archive => "note#archive",
            Self::Annex => "note#annex",
        }
    }
}

/// The choice of a backup.
#[derive(Clone, Debug)]
pub(super) enum BackupChoice {
    /// The newest backup with this name.
    Newest(&'static str),
    /// The existing backup with this index, selected by its id.
    Number(usize),
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Inserts a row, or updates the row with that key.
    Write(Set, i64, Columns),
    /// Deletes the rows between two keys.
    Delete(Set, i64, i64),
    /// Drops the table of the set `annex`.
    Drop,
    Backup {
        name: &'static str,
        only_set: Option<Set>,
    },
    Verify(BackupChoice),
    Restore(RestoreStep),
}

/// The options of a restore.
#[derive(Clone, Debug)]
pub(super) struct RestoreStep {
    pub(super) choice: BackupChoice,
    pub(super) mode: ConflictMode,
    pub(super) replace: bool,
    pub(super) level: RestoreLevel,
    pub(super) only_set: Option<Set>,
    pub(super) target_set: Option<Set>,
    pub(super) create_missing: bool,
    pub(super) dry_run: bool,
}

/// Generates any step, for this number of existing backups.
pub(super) fn any_step(backups: usize) -> impl Strategy<Value = Step> {
    // A restore without any backup is tried as well, but rarely.
    let restores = if backups == 0 { 1 } else { 6 };
    prop_oneof![
        8 => (any_set(), any_key(), any_columns()).prop_map(|(set, key, columns)| Step::Write(set, key, columns)),
        3 => (any_set(), any_key(), any_key()).prop_map(|(set, a, b)| Step::Delete(set, a.min(b), a.max(b))),
        2 => Just(Step::Drop),
        3 => (any_name(), prop::option::weighted(0.3, any_set())).prop_map(|(name, only_set)| Step::Backup { name, only_set }),
        2 => any_choice(backups).prop_map(Step::Verify),
        restores => any_restore(backups).prop_map(Step::Restore),
    ]
}

/// Generates the rows of a table.
pub(super) fn any_rows() -> impl Strategy<Value = BTreeMap<i64, Columns>> {
    prop::collection::btree_map(any_key(), any_columns(), 0..4)
}

fn any_restore(backups: usize) -> impl Strategy<Value = RestoreStep> {
    let mode = prop_oneof![
1 => Just(ConflictMode::Overwrite), 1 => Just(ConflictMode::Keep), 2 => Just(ConflictMode::Fail)];
    let level = prop_oneof![Just(RestoreLevel::Fast), Just(RestoreLevel::Balanced), Just(RestoreLevel::Safe)];
    // Several sets cannot be restored into another set. This is tried as well, but rarely.
    let sets = prop_oneof![
        6 => Just((None, None)),
        2 => any_set().prop_map(|only| (Some(only), None)),
        3 => (any_set(), any_set()).prop_map(|(only, to)| (Some(only), Some(to))),
        1 => any_set().prop_map(|to| (None, Some(to))),
    ];
    (
        any_choice(backups),
        mode,
        prop::bool::weighted(0.3),
        level,
        sets,
        any::<bool>(),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(choice, mode, replace, level, (only_set, target_set), create_missing, dry_run)| {
            RestoreStep { choice, mode, replace, level, only_set, target_set, create_missing, dry_run }
        })
}

fn any_choice(backups: usize) -> BoxedStrategy<BackupChoice> {
    let newest = any_name().prop_map(BackupChoice::Newest);
    match backups {
        0 => newest.boxed(),
        _ => prop_oneof![newest, (0..backups).prop_map(BackupChoice::Number)].boxed(),
    }
}

fn any_name() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("nightly"), Just("weekly")]
}

fn any_set() -> impl Strategy<Value = Set> {
    prop_oneof![3 => Just(Set::Root), 2 => Just(Set::Archive), 1 => Just(Set::Annex)]
}

/// Generates one of a few keys, so that steps often use the same key.
fn any_key() -> impl Strategy<Value = i64> {
    0..8i64
}

/// Generates columns in every form in which the fields of the type can be stored.
fn any_columns() -> impl Strategy<Value = Columns> {
    let text = || any::<String>().prop_map(Value::Text);
    let active = prop_oneof![
        any::<bool>().prop_map(|active| Value::Integer(active.into())),
        any::<bool>().prop_map(|active| Value::Text(active.to_string())),
    ];
    let amount = prop_oneof![
        any::<i32>().prop_map(|amount| Value::Integer(amount.into())),
        prop::num::f64::NORMAL.prop_map(Value::Real),
    ];
    let remark = prop_oneof![Just(Value::Null), text()];
    (text(), active, amount, remark)
        .prop_map(|(title, active, amount, remark)| [title, active, amount, remark])
}
