//! The option names of the original design: `Koan:Storage:…`, `Koan:BackupRestore:…`, `Koan:Backup:…` and
//! `Koan:Paths:…`, in their JSON form. They are translated to the settings of this crate.

mod keys;
mod profile;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

#[cfg(test)]
pub(crate) use keys::KEYS;

use crate::key_path;
use crate::node::{Content, Node};
use crate::problem::Problem;

/// The section `Koan`. It contains nothing after the translation.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Original {}

impl JsonSchema for Original {
    fn schema_name() -> Cow<'static, str> {
        "Original".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        keys::schema()
    }
}

/// The key of the section.
const SECTION: &str = "Koan";

/// Moves the values of the section `Koan` of a layer to the settings that they stand for. A setting that the layer
/// contains under its own name has precedence.
pub(crate) fn translate(layer: &mut Node, problems: &mut Vec<Problem>) {
    let Content::Table(entries) = &mut layer.content else { return };
    let Some(index) = entries.iter().position(|entry| entry.key == SECTION) else { return };
    let koan = entries.remove(index).value;
    let mut translation = Translation { koan: &koan, layer, problems };
    translation.paths();
    translation.storage();
    translation.operations();
    translation.retention();
    translation.background();
    translation.format();
}

struct Translation<'a> {
    koan: &'a Node,
    layer: &'a mut Node,
    problems: &'a mut Vec<Problem>,
}

impl Translation<'_> {
    fn value(&self, path: &str) -> Option<Node> {
        let path: Vec<_> = path.split(':').map(str::to_owned).collect();
        self.koan.at(&path).cloned()
    }

    /// Sets a setting, unless the layer contains it already.
    fn set(&mut self, key: &str, value: Node) {
        let path = key_path::parse(key);
        if self.layer.at(&path).is_none() {
            self.layer.set(&path, value);
        }
    }

    /// Copies values without a change. The first key that is set has precedence.
    fn copy(&mut self, from: &[&str], to: &[&str]) {
        for value in from.iter().filter_map(|path| self.value(path)).collect::<Vec<_>>() {
            to.iter().for_each(|key| self.set(key, value.clone()));
        }
    }

    fn paths(&mut self) {
        self.copy(&["Paths:Root"], &["paths.root"]);
        let declares_storage =
            self.layer.get("storage").is_some() || self.value("Storage:Profiles").is_some();
        if !declares_storage {
            self.copy(&["Paths:Backups"], &["paths.backups"]);
        }
    }

    fn storage(&mut self) {
        self.copy(&["BackupRestore:DefaultStorageProfile", "Storage:DefaultProfile"], &["default_storage"]);
        let backups = self.value("Paths:Backups");
        for profile in self.value("Storage:Profiles").iter().flat_map(Node::entries) {
            match profile::settings(profile, backups.as_ref().and_then(Node::as_text)) {
                Ok(settings) => {
                    for (name, value) in settings {
                        let path = ["storage".to_owned(), profile.key.clone()];
                        let path: Vec<_> =
                            path.into_iter().chain(name.split('.').map(str::to_owned)).collect();
                        if self.layer.at(&path).is_none() {
                            self.layer.set(&path, value);
                        }
                    }
                }
                Err(problem) => self.problems.push(problem),
            }
        }
    }

    fn operations(&mut self) {
        if let Some(level) = self.value("BackupRestore:CompressionLevel") {
            let compression = match level.as_text() {
                Some("Fastest") => "deflate:1",
                Some("NoCompression") => "stored",
                Some("SmallestSize") => "deflate:9",
                _ => "deflate:6",
            };
            self.set("backup.compression", Node::text(compression, level.origin));
        }
        if let Some(compress) = self.value("Backup:DefaultCompress") {
            let compression = if compress.content == Content::Boolean(true) { "deflate" } else { "stored" };
            self.set("backup.compression", Node::text(compression, compress.origin));
        }
        self.copy(&["BackupRestore:MaxConcurrentBackups"], &["backup.max_concurrency"]);
        self.copy(
            &["BackupRestore:BatchSize", "BackupRestore:DefaultBatchSize"],
            &["backup.batch_size", "restore.batch_size"],
        );
        if let Some(optimize) = self.value("BackupRestore:EnableAdapterOptimization") {
            let level = if optimize.content == Content::Boolean(true) { "fast" } else { "safe" };
            self.set("restore.level", Node::text(level, optimize.origin));
        }
    }

    fn retention(&mut self) {
        for (from, to) in
            [("KeepDaily", "keep_daily"), ("KeepWeekly", "keep_weekly"), ("KeepMonthly", "keep_monthly")]
        {
            let (from, to) = (format!("BackupRestore:RetentionPolicy:{from}"), format!("retention.{to}"));
            self.copy(&[&from], &[&to]);
        }
        self.copy(&["BackupRestore:RetentionDays", "Backup:RetentionDays"], &["retention.max_age_days"]);
        self.copy(&["Backup:MaxBackupsPerEntity"], &["retention.max_backups_per_entity"]);
    }

    fn background(&mut self) {
        self.copy(&["BackupRestore:WarmupEntitiesOnStartup"], &["warm_up"]);
        self.copy(&["BackupRestore:EnableBackgroundDiscovery"], &["discovery.enabled"]);
        self.copy(&["BackupRestore:EnableBackgroundMaintenance"], &["maintenance.enabled"]);
        self.copy(&["BackupRestore:MaintenanceInterval"], &["maintenance.every"]);
    }

    /// Refuses a format that backups do not have.
    fn format(&mut self) {
        let Some(format) = self.value("Backup:DefaultFormat") else { return };
        let text = format.as_text().unwrap_or_default().to_owned();
        if !text.eq_ignore_ascii_case("zip") {
            let message = format!("`Koan:Backup:DefaultFormat` cannot be `{}`", text.escape_debug());
            let problem = Problem::new(format.origin, "Koan.Backup.DefaultFormat", message);
            self.problems
                .push(problem.with_remedy("backups are ZIP archives; write `zip`, or remove the key"));
        }
    }
}
