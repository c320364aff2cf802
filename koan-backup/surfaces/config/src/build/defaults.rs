//! The defaults of operations, and the tasks in the background.

use std::num::NonZeroUsize;

use koan_backup_core::builders::{BackupOptions, RestoreOptions};
use koan_backup_core::catalog::Expectations;
use koan_backup_core::maintenance::MaintenanceDefaults;
use koan_backup_core::{BackupName, KoanBuilder, Retention};

use super::{Build, DISCOVERY_INTERVAL};
use crate::settings::{ExpectationSettings, MaintenanceSettings, RetentionSettings};

/// A method of a retention policy that sets the number of a rule or limit.
type CountRule = fn(Retention, usize) -> Retention;

impl Build<'_> {
    /// Adds the defaults of operations and the tasks in the background to the builder.
    pub(super) fn defaults(&mut self, mut builder: KoanBuilder) -> KoanBuilder {
        let settings = &self.loaded.settings;
        if let Some(name) = &settings.backup.name {
            let name = self.accept("backup.name", BackupName::of_new_backup(name));
            builder = name.into_iter().fold(builder, KoanBuilder::default_backup_name);
        }
        if is_set(self, "backup") {
            builder = builder.backup_defaults(self.backup());
        }
        if is_set(self, "restore") {
            builder = builder.restore_defaults(self.restore());
        }
        match retention(&settings.retention) {
            Some(policy) => builder = builder.retention_policy(policy),
            None if is_incomplete(&settings.retention) => {
                let message = "the retention has neither a rule nor a limit, so it would keep no backup";
                self.refuse("retention", message, "add one, for example `keep_daily = 14`");
            }
            None => {}
        }
        if is_set(self, "expectations") {
            builder = builder.expectations(expectations(&settings.expectations));
        }
        if is_set(self, "maintenance") {
            builder = builder.maintenance_defaults(self.maintenance(&settings.maintenance));
        }
        if settings.maintenance.enabled == Some(true) {
            builder = builder.background_maintenance();
        }
        if settings.discovery.every.is_some_and(|every| every.0.is_zero()) {
            self.refuse("discovery.every", "`discovery.every` is 0 seconds", "set a longer time");
        }
        if settings.discovery.enabled == Some(true) {
            builder = builder
                .background_discovery(settings.discovery.every.map_or(DISCOVERY_INTERVAL, |every| every.0));
        }
        if settings.warm_up == Some(true) {
            builder = builder.background_warm_up();
        }
        builder
    }

    fn backup(&self) -> BackupOptions {
        let settings = &self.loaded.settings.backup;
        let mut options = BackupOptions::default();
        if let Some(compression) = settings.compression {
            options.compression = compression.0;
        }
        if let Some(rows) = settings.batch_size {
            options.batch_size = rows.get();
        }
        if let Some(entities) = settings.max_concurrency {
            options.max_concurrency = entities.get();
        }
        options.verify_after = settings.verify_after == Some(true);
        options.timeout = settings.timeout.map(|timeout| timeout.0);
        options
    }

    fn restore(&self) -> RestoreOptions {
        let settings = &self.loaded.settings.restore;
        let mut options = RestoreOptions::default();
        if let Some(records) = settings.batch_size {
            options.batch_size = records.get();
        }
        if let Some(blocks) = settings.max_concurrency {
            options.max_concurrency = blocks.get();
        }
        if let Some(level) = settings.level {
            options.level = level.into();
        }
        if let Some(mode) = settings.on_conflict {
            options.conflict = mode.into();
        }
        options.timeout = settings.timeout.map(|timeout| timeout.0);
        options
    }

    fn maintenance(&mut self, settings: &MaintenanceSettings) -> MaintenanceDefaults {
        let mut defaults = MaintenanceDefaults::default();
        if let Some(every) = settings.every {
            if every.0.is_zero() {
                self.refuse("maintenance.every", "`maintenance.every` is 0 seconds", "set a longer time");
            }
            defaults.every = every.0;
        }
        if let Some(jitter) = settings.jitter {
            defaults.jitter = jitter.0;
        }
        defaults.verification_enabled = settings.verify != Some(false);
        if let Some(age) = settings.cleanup_older_than {
            defaults.cleanup_older_than = Some(age.0);
        }
        if settings.cleanup == Some(false) {
            defaults.cleanup_older_than = None;
        }
        defaults.profiles = settings.profiles.clone().unwrap_or_default();
        defaults
    }
}

/// Returns whether a table has a value.
fn is_set(build: &Build<'_>, key: &str) -> bool {
    build.loaded.node(key).is_some_and(|node| !node.entries().is_empty())
}

/// Returns whether there is a setting that needs a rule or a limit.
fn is_incomplete(settings: &RetentionSettings) -> bool {
    settings.exempt_tags.is_some()
        || settings.released_entities.is_some()
        || settings.include_unidentified == Some(true)
        || settings.allow_idle_rules == Some(true)
}

/// Returns the retention policy, if it has a rule or a limit.
pub(crate) fn retention(settings: &RetentionSettings) -> Option<Retention> {
    let mut policy = Retention::new();
    let counts: [(Option<NonZeroUsize>, CountRule); 7] = [
        (settings.keep_last, Retention::keep_last),
        (settings.keep_hourly, Retention::hourly),
        (settings.keep_daily, Retention::daily),
        (settings.keep_weekly, Retention::weekly),
        (settings.keep_monthly, Retention::monthly),
        (settings.keep_yearly, Retention::yearly),
        (settings.max_backups_per_entity, Retention::max_backups_per_entity),
    ];
    let mut has_rule = false;
    for (count, set) in counts {
        if let Some(count) = count {
            policy = set(policy, count.get());
            has_rule = true;
        }
    }
    if let Some(age) = settings.keep_within {
        policy = policy.within(age.0);
        has_rule = true;
    }
    if let Some(days) = settings.max_age_days {
        policy = policy.max_age_days(days.get());
        has_rule = true;
    }
    for tag in settings.exempt_tags.iter().flatten() {
        policy = policy.exempt_tag(tag);
    }
    for entity in settings.released_entities.iter().flatten() {
        policy = policy.release_entity(entity);
    }
    if settings.include_unidentified == Some(true) {
        policy = policy.include_unidentified();
    }
    if settings.allow_idle_rules == Some(true) {
        policy = policy.allow_idle_rules();
    }
    has_rule.then_some(policy)
}

/// Returns the expectations.
pub(crate) fn expectations(settings: &ExpectationSettings) -> Expectations {
    let mut expected = Expectations::new();
    if let Some(age) = settings.backup_within {
        expected = expected.every(age.0);
    }
    if let Some(age) = settings.verified_within {
        expected = expected.verified_within(age.0);
    }
    if let Some(age) = settings.entities_within {
        expected = expected.entities_within(age.0);
    }
    if let Some(percent) = settings.max_loss_percent {
        expected = expected.max_loss_percent(percent);
    }
    for (name, series) in &settings.series {
        if let Some(age) = series.backup_within {
            expected = expected.backup_every(name, age.0);
        }
        if let Some(age) = series.verified_within {
            expected = expected.backup_verified_within(name, age.0);
        }
    }
    expected
}
