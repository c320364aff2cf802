//! The flags of a retention policy.

use std::time::Duration;

use clap::Args;
use koan_backup_core::Retention;

use crate::arguments;
use crate::failure::Outcome;
use crate::session::Session;

/// The keys of the rules and limits in the configuration.
const RULE_KEYS: [&str; 9] = [
    "retention.keep_last",
    "retention.keep_hourly",
    "retention.keep_daily",
    "retention.keep_weekly",
    "retention.keep_monthly",
    "retention.keep_yearly",
    "retention.keep_within",
    "retention.max_age_days",
    "retention.max_backups_per_entity",
];

/// The flags of a retention policy.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct RetentionArgs {
    /// Keep the newest N backups of each series
    #[arg(long, value_name = "N", help_heading = "Retention")]
    keep_last: Option<usize>,
    /// Keep the newest backup of each of the last N hours
    #[arg(long, value_name = "N", help_heading = "Retention")]
    keep_hourly: Option<usize>,
    /// Keep the newest backup of each of the last N days
    #[arg(long, value_name = "N", help_heading = "Retention")]
    keep_daily: Option<usize>,
    /// Keep the newest backup of each of the last N weeks
    #[arg(long, value_name = "N", help_heading = "Retention")]
    keep_weekly: Option<usize>,
    /// Keep the newest backup of each of the last N months
    #[arg(long, value_name = "N", help_heading = "Retention")]
    keep_monthly: Option<usize>,
    /// Keep the newest backup of each of the last N years
    #[arg(long, value_name = "N", help_heading = "Retention")]
    keep_yearly: Option<usize>,
    /// Keep all backups that are not older than this, such as 48h
    #[arg(long, value_name = "AGE", value_parser = arguments::duration, help_heading = "Retention")]
    keep_within: Option<Duration>,
    /// Keep all backups with this tag (repeatable)
    #[arg(long, value_name = "TAG", help_heading = "Retention")]
    keep_tag: Vec<String>,
    /// Limit: delete backups that are older than this number of days
    #[arg(long, value_name = "DAYS", help_heading = "Retention")]
    max_age_days: Option<u32>,
    /// Limit: delete a backup if each of its entities has N newer backups
    #[arg(long, value_name = "N", help_heading = "Retention")]
    max_per_entity: Option<usize>,
    /// Release an entity that no longer exists in the code (repeatable)
    #[arg(long, value_name = "ENTITY", help_heading = "Retention")]
    release_entity: Vec<String>,
    /// Apply the plan although a rule keeps no backup
    #[arg(long, help_heading = "Retention")]
    allow_idle_rules: bool,
    /// Also consider backups of older versions that record no environment
    #[arg(long, help_heading = "Retention")]
    include_unidentified: bool,
}

impl RetentionArgs {
    /// Refuses flags that would change a rule, limit or exception which the application has fixed.
    ///
    /// # Errors
    /// The application has fixed a setting of the retention.
    pub(crate) fn refuse_fixed(&self, session: &Session<'_>) -> Outcome<()> {
        let fixed_rule = session.koan.fixed_settings().find(|key| RULE_KEYS.contains(key));
        let has_rule = self.rules() != Retention::new();
        session.refuse_fixed([
            // A rule on the command line replaces the complete policy.
            fixed_rule.filter(|_| has_rule).map(|key| ("a rule of the command line", key)),
            self.keep_tag.first().map(|_| ("--keep-tag", "retention.exempt_tags")),
            self.release_entity.first().map(|_| ("--release-entity", "retention.released_entities")),
            self.allow_idle_rules.then_some(("--allow-idle-rules", "retention.allow_idle_rules")),
            self.include_unidentified.then_some(("--include-unidentified", "retention.include_unidentified")),
        ])
    }

    /// Refuses flags that would change the policy of a directory tree which the application has fixed.
    ///
    /// # Errors
    /// The application has fixed a setting of the retention of a directory tree.
    pub(crate) fn refuse_fixed_directories(&self, session: &Session<'_>) -> Outcome<()> {
        let fixed = session.koan.fixed_settings().find(|key| key.starts_with("directories."));
        let is_changed = self.adjusted(self.rules()) != Retention::new();
        session.refuse_fixed([fixed
            .filter(|_| is_changed)
            .map(|key| ("a rule or an exception of the command line", key))])
    }

    /// Returns the policy: that of the flags if one of them sets a rule or a limit, or else the configured one.
    /// The flags that are neither a rule nor a limit are added to it. Returns `None` if there is no policy.
    pub(crate) fn policy(&self, configured: Option<&Retention>) -> Option<Retention> {
        let rules = self.rules();
        let base = match configured {
            Some(configured) if rules == Retention::new() => configured.clone(),
            _ => rules,
        };
        let policy = self.adjusted(base);
        (policy != Retention::new()).then_some(policy)
    }

    /// Returns a policy with the rules and limits of the flags.
    fn rules(&self) -> Retention {
        type Rule = fn(Retention, usize) -> Retention;
        let counts: [(Option<usize>, Rule); 7] = [
            (self.keep_last, Retention::keep_last),
            (self.keep_hourly, Retention::hourly),
            (self.keep_daily, Retention::daily),
            (self.keep_weekly, Retention::weekly),
            (self.keep_monthly, Retention::monthly),
            (self.keep_yearly, Retention::yearly),
            (self.max_per_entity, Retention::max_backups_per_entity),
        ];
        let mut policy = Retention::new();
        for (count, rule) in counts {
            policy = count.into_iter().fold(policy, rule);
        }
        policy = self.keep_within.into_iter().fold(policy, Retention::within);
        self.max_age_days.into_iter().fold(policy, Retention::max_age_days)
    }

    /// Adds the flags that are neither a rule nor a limit.
    fn adjusted(&self, mut policy: Retention) -> Retention {
        policy = self.keep_tag.iter().fold(policy, Retention::exempt_tag);
        policy = self.release_entity.iter().fold(policy, Retention::release_entity);
        if self.allow_idle_rules {
            policy = policy.allow_idle_rules();
        }
        if self.include_unidentified {
            policy = policy.include_unidentified();
        }
        policy
    }
}

#[cfg(test)]
mod tests {
    use super::RULE_KEYS;

    #[test]
    fn the_keys_of_rules_are_keys_of_the_configuration() {
        let schema: serde_json::Value =
            serde_json::from_str(&koan_backup_config::schema()).expect("the schema is JSON");
        let definitions = schema["$defs"]["RetentionSettings"]["properties"].as_object().expect("the keys");
        for key in RULE_KEYS {
            let (_, name) = key.split_once('.').expect("a section");
            assert!(definitions.contains_key(name), "{key}");
        }
        let rules = definitions.keys().filter(|key| key.starts_with("keep_") || key.starts_with("max_"));
        assert_eq!(rules.count(), RULE_KEYS.len(), "every rule and limit is listed");
    }
}
