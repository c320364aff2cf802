//! The defaults of operations, and the tasks in the background.

use std::num::NonZeroUsize;

use koan_backup_core::builders::{BackupOptions, RestoreOptions};
use koan_backup_core::catalog::Expectations;
use koan_backup_core::maintenance::MaintenanceDefaults;
use koan_backup_core::{BackupName, KoanBuilder, Retention};

use super::{Build, DISCOVERY_INTERVAL};
use crate::key_path;
use crate::settings::{
    BackupSettings, DirectorySettings, ExpectationSettings, MaintenanceSettings, RestoreSettings,
    RetentionSettings,
};

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
        // Only the keys that are set change the defaults of the builder.
        builder = builder.change_backup_defaults(|options| backup(&settings.backup, options));
        builder = builder.change_restore_defaults(|options| restore(&settings.restore, options));
        if has_rule(&settings.retention) || (is_set(self, "retention") && builder.has_retention_policy()) {
            builder = builder.change_retention_policy(|policy| retention(policy, &settings.retention));
        } else if is_incomplete(&settings.retention) {
            let message = "the retention has neither a rule nor a limit, so it would keep no backup";
            self.refuse("retention", message, "add one, for example `keep_daily = 14`");
        }
        for (name, directory) in &settings.directories {
            let key = key_path::display(&["directories".to_owned(), name.clone()]);
            if !has_rule(&directory.retention) {
                let message =
                    format!("`{key}.retention` has neither a rule nor a limit, so it would keep no backup");
                self.refuse(&key, message, "add one, for example `retention.keep_last = 3`");
            }
            let is_same = |(other, known): (&String, &DirectorySettings)| {
                (other < name && known.root == directory.root).then_some(other.clone())
            };
            if let Some(other) = settings.directories.iter().find_map(is_same) {
                let message = format!("`{key}.root` is also the root of `directories.{other}`");
                self.refuse(&format!("{key}.root"), message, "remove one of them");
            }
            builder = builder
                .directory_retention(&directory.root, retention(Retention::new(), &directory.retention));
        }
        builder = builder.change_expectations(|expected| expectations(expected, &settings.expectations));
        if settings.maintenance.every.is_some_and(|every| every.0.is_zero()) {
            self.refuse("maintenance.every", "`maintenance.every` is 0 seconds", "set a longer time");
        }
        builder =
            builder.change_maintenance_defaults(|defaults| maintenance(&settings.maintenance, defaults));
        builder = match settings.maintenance.enabled {
            Some(true) => builder.background_maintenance(),
            Some(false) => builder.without_background_maintenance(),
            None => builder,
        };
        if settings.discovery.every.is_some_and(|every| every.0.is_zero()) {
            self.refuse("discovery.every", "`discovery.every` is 0 seconds", "set a longer time");
        }
        let every = settings.discovery.every.map(|every| every.0);
        builder = match (settings.discovery.enabled, builder.discovery_interval()) {
            (Some(false), _) => builder.without_background_discovery(),
            (None, None) => builder,
            (_, known) => builder.background_discovery(every.or(known).unwrap_or(DISCOVERY_INTERVAL)),
        };
        match settings.warm_up {
            Some(true) => builder.background_warm_up(),
            Some(false) => builder.without_background_warm_up(),
            None => builder,
        }
    }
}

/// Sets the configured options of backups.
fn backup(settings: &BackupSettings, options: &mut BackupOptions) {
    if let Some(compression) = settings.compression {
        options.compression = compression.0;
    }
    if let Some(rows) = settings.batch_size {
        options.batch_size = rows.get();
    }
    if let Some(entities) = settings.max_concurrency {
        options.max_concurrency = entities.get();
    }
    if let Some(is_verified) = settings.verify_after {
        options.verify_after = is_verified;
    }
    if let Some(timeout) = settings.timeout {
        options.timeout = Some(timeout.0);
    }
}

/// Sets the configured options of restores.
fn restore(settings: &RestoreSettings, options: &mut RestoreOptions) {
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
    if let Some(timeout) = settings.timeout {
        options.timeout = Some(timeout.0);
    }
}

/// Sets the configured defaults of maintenance.
fn maintenance(settings: &MaintenanceSettings, defaults: &mut MaintenanceDefaults) {
    if let Some(every) = settings.every {
        defaults.every = every.0;
    }
    if let Some(jitter) = settings.jitter {
        defaults.jitter = jitter.0;
    }
    if let Some(is_verified) = settings.verify {
        defaults.verification_enabled = is_verified;
    }
    if let Some(age) = settings.cleanup_older_than {
        defaults.cleanup_older_than = Some(age.0);
    }
    match settings.cleanup {
        Some(false) => defaults.cleanup_older_than = None,
        Some(true) if defaults.cleanup_older_than.is_none() => {
            defaults.cleanup_older_than = MaintenanceDefaults::default().cleanup_older_than;
        }
        _ => {}
    }
    if let Some(is_removed) = settings.remove_expired_stream_backups {
        defaults.remove_expired_stream_backups = is_removed;
    }
    if let Some(profiles) = &settings.profiles {
        defaults.profiles.clone_from(profiles);
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

/// Returns whether the settings contain a rule or a limit.
pub(crate) fn has_rule(settings: &RetentionSettings) -> bool {
    counts(settings).iter().any(|(count, _)| count.is_some())
        || settings.keep_within.is_some()
        || settings.max_age_days.is_some()
}

/// Returns the numbers of the rules and limits, each with the method that sets it.
fn counts(settings: &RetentionSettings) -> [(Option<NonZeroUsize>, CountRule); 7] {
    [
        (settings.keep_last, Retention::keep_last),
        (settings.keep_hourly, Retention::hourly),
        (settings.keep_daily, Retention::daily),
        (settings.keep_weekly, Retention::weekly),
        (settings.keep_monthly, Retention::monthly),
        (settings.keep_yearly, Retention::yearly),
        (settings.max_backups_per_entity, Retention::max_backups_per_entity),
    ]
}

/// Sets the configured rules, limits and exceptions of a policy.
pub(crate) fn retention(mut policy: Retention, settings: &RetentionSettings) -> Retention {
    for (count, set) in counts(settings) {
        policy = count.into_iter().fold(policy, |policy, count| set(policy, count.get()));
    }
    if let Some(age) = settings.keep_within {
        policy = policy.within(age.0);
    }
    if let Some(days) = settings.max_age_days {
        policy = policy.max_age_days(days.get());
    }
    if let Some(tags) = &settings.exempt_tags {
        policy = policy.exempt_tags(tags);
    }
    if let Some(entities) = &settings.released_entities {
        policy = policy.released_entities(entities);
    }
    policy = match settings.include_unidentified {
        Some(true) => policy.include_unidentified(),
        Some(false) => policy.exclude_unidentified(),
        None => policy,
    };
    match settings.allow_idle_rules {
        Some(true) => policy.allow_idle_rules(),
        Some(false) => policy.refuse_idle_rules(),
        None => policy,
    }
}

/// Sets the configured expectations.
pub(crate) fn expectations(mut expected: Expectations, settings: &ExpectationSettings) -> Expectations {
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
