//! The retention policy.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::period::Period;
use super::reason::count_with_noun;
use crate::foundation::error::{Error, ErrorKind, Result};

/// The policy that decides which backups are kept.
///
/// Rules apply to the backups of each [series](crate::catalog::SeriesName) separately, and only to completed
/// backups. A backup is kept if any rule keeps it. A limit overrides the rules. A limit does not remove a
/// backup that is pinned, has an exempt tag, or is the newest completed backup of its series. If there are
/// limits and no rules, all backups within the limits are kept. Calendar periods are in UTC.
///
/// Only backups of the application and environment of the context are considered. Independently of rules and
/// limits, the newest valid backup of every entity and set is kept, regardless of its series, until the
/// entity is [released](Self::release_entity). If an entity lost most of its records from one backup of a
/// series to the next, the last backup before the loss is kept until the loss is
/// [acknowledged](crate::builders::Catalog::acknowledge).
///
/// ```
/// use std::time::Duration;
///
/// use koan_backup::Retention;
///
/// let policy = Retention::new()
///     .within(Duration::from_secs(48 * 3600))
///     .daily(14)
///     .weekly(8)
///     .monthly(12)
///     .exempt_tag("legal");
/// # let text = serde_json::to_string(&policy).expect("a policy is serialized");
/// # assert_eq!(serde_json::from_str::<Retention>(&text).expect("a policy is read"), policy);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[must_use = "a retention does nothing until it is given to `retention` or to maintenance"]
pub struct Retention {
    last: Option<usize>,
    hourly: Option<usize>,
    daily: Option<usize>,
    weekly: Option<usize>,
    monthly: Option<usize>,
    yearly: Option<usize>,
    within_hours: Option<u64>,
    exempt_tags: BTreeSet<String>,
    max_age_days: Option<u32>,
    max_backups_per_entity: Option<usize>,
    allow_idle_rules: bool,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    released_entities: BTreeSet<String>,
    include_unidentified: bool,
}

macro_rules! count_setters {
    ($($(#[$doc:meta])+ $method:ident => $field:ident),* $(,)?) => {
        $($(#[$doc])+
        pub fn $method(mut self, count: usize) -> Self {
            self.$field = Some(count);
            self
        })*
    };
}

impl Retention {
    /// Returns a policy without rules, which [`plan`](crate::builders::RetentionBuilder::plan) refuses.
    pub fn new() -> Self {
        Self::default()
    }

    count_setters! {
        /// Keeps the newest `count` backups.
        keep_last => last,
        /// Keeps the newest backup of each of the last `count` hours that have a backup.
        hourly => hourly,
        /// Keeps the newest backup of each of the last `count` days that have a backup.
        daily => daily,
        /// Keeps the newest backup of each of the last `count` weeks that have a backup.
        weekly => weekly,
        /// Keeps the newest backup of each of the last `count` months that have a backup.
        monthly => monthly,
        /// Keeps the newest backup of each of the last `count` years that have a backup.
        yearly => yearly,
        /// Limit: removes a backup if for every entity in it, at least this number of newer backups, of any
        /// series, are kept.
        max_backups_per_entity => max_backups_per_entity,
    }

    /// Keeps all backups that are not older than `age`, in whole hours, rounded up.
    pub fn within(mut self, age: Duration) -> Self {
        self.within_hours = Some(age.as_secs().div_ceil(3600));
        self
    }

    /// Keeps all backups with this tag, regardless of the limits.
    pub fn exempt_tag(mut self, tag: impl Into<String>) -> Self {
        self.exempt_tags.insert(tag.into());
        self
    }

    /// Keeps all backups with one of these tags, instead of the tags that were set before.
    pub fn exempt_tags<S: Into<String>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        self.exempt_tags = tags.into_iter().map(Into::into).collect();
        self
    }

    /// Limit: removes backups that are older than this number of days.
    pub fn max_age_days(mut self, days: u32) -> Self {
        self.max_age_days = Some(days);
        self
    }

    /// Allows [`apply`](crate::builders::RetentionBuilder::apply) to apply a plan in which a rule keeps no
    /// backup.
    pub fn allow_idle_rules(mut self) -> Self {
        self.allow_idle_rules = true;
        self
    }

    /// Releases an entity that no longer exists in the code: the last backup that contains the entity may be
    /// removed.
    ///
    /// If the application still backs up an entity with this name, no plan can be made.
    pub fn release_entity(mut self, name: impl Into<String>) -> Self {
        self.released_entities.insert(name.into());
        self
    }

    /// Releases these entities, instead of the entities that were released before.
    pub fn released_entities<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.released_entities = names.into_iter().map(Into::into).collect();
        self
    }

    /// Does not apply a plan in which a rule keeps no backup, which is the default.
    pub fn refuse_idle_rules(mut self) -> Self {
        self.allow_idle_rules = false;
        self
    }

    /// Does not consider backups of older versions, which is the default.
    pub fn exclude_unidentified(mut self) -> Self {
        self.include_unidentified = false;
        self
    }

    /// Also considers backups of older versions, which record no environment. Use this option only if no
    /// other application has written to the storage profile.
    pub fn include_unidentified(mut self) -> Self {
        self.include_unidentified = true;
        self
    }

    pub(crate) fn released_names(&self) -> &BTreeSet<String> {
        &self.released_entities
    }

    pub(crate) fn includes_unidentified(&self) -> bool {
        self.include_unidentified
    }

    pub(super) fn last(&self) -> Option<usize> {
        self.last
    }

    pub(super) fn periods(&self) -> impl Iterator<Item = (Period, usize)> {
        let counts = [self.hourly, self.daily, self.weekly, self.monthly, self.yearly];
        Period::ALL.into_iter().zip(counts).filter_map(|(period, count)| Some((period, count?)))
    }

    pub(super) fn within_hours(&self) -> Option<u64> {
        self.within_hours
    }

    pub(super) fn tags(&self) -> &BTreeSet<String> {
        &self.exempt_tags
    }

    pub(super) fn max_age(&self) -> Option<u32> {
        self.max_age_days
    }

    pub(super) fn max_per_entity(&self) -> Option<usize> {
        self.max_backups_per_entity
    }

    /// Returns whether there is a rule that keeps backups. A policy without rules has only limits.
    pub(super) fn has_rules(&self) -> bool {
        self.last.is_some() || self.periods().next().is_some() || self.within_hours.is_some()
    }

    pub(crate) fn allows_idle_rules(&self) -> bool {
        self.allow_idle_rules
    }

    /// Checks that the policy has a rule or a limit, and that no number is 0.
    ///
    /// # Errors
    /// There is neither a rule nor a limit, or the number of a rule or limit is 0.
    pub(crate) fn validate(&self) -> Result<()> {
        let refused = |text: String| Err(Error::new(ErrorKind::Configuration, text));
        let counts = self.periods().map(|(period, count)| (period.rule(), count));
        let counts = counts
            .chain(self.last.map(|count| ("keep_last", count)))
            .chain(self.within_hours.map(|hours| ("within", usize::try_from(hours).unwrap_or(usize::MAX))))
            .chain(
                self.max_age_days.map(|days| ("max_age_days", usize::try_from(days).unwrap_or(usize::MAX))),
            )
            .chain(self.max_backups_per_entity.map(|count| ("max_backups_per_entity", count)));
        let mut has_rule = false;
        for (rule, count) in counts {
            has_rule = true;
            if count == 0 {
                return refused(format!(
                    "`{rule}` is 0, so it would keep no backup; omit the rule, or set a larger number"
                ));
            }
        }
        match has_rule {
            true => Ok(()),
            false => refused(
                "the retention policy has no rule, so it would keep no backup; add a rule, for example \
                 `Retention::new().keep_last(7).daily(30)`"
                    .to_owned(),
            ),
        }
    }
}

/// Formats the rules, then the limits, for example `keep_last(7), daily(30); max_age_days(400)`.
impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rules: Vec<String> = self.last.iter().map(|count| format!("keep_last({count})")).collect();
        rules.extend(self.periods().map(|(period, count)| format!("{}({count})", period.rule())));
        rules.extend(self.within_hours.map(|hours| format!("within({})", count_with_noun(hours, "hour"))));
        rules.extend(self.exempt_tags.iter().map(|tag| format!("exempt_tag({tag})")));
        rules.extend(self.released_entities.iter().map(|name| format!("release_entity({name})")));
        rules.extend(self.include_unidentified.then(|| "include_unidentified()".to_owned()));
        let mut limits: Vec<String> =
            self.max_age_days.iter().map(|days| format!("max_age_days({days})")).collect();
        limits.extend(self.max_backups_per_entity.map(|count| format!("max_backups_per_entity({count})")));
        let parts = [rules.join(", "), limits.join(", ")];
        let parts: Vec<_> = parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect();
        f.write_str(&parts.join("; "))
    }
}
