//! Layers, their order, and the origins of values.

use koan_backup::Koan;

use super::fixture::{Folder, builder};
use crate::{BuilderConfig as _, Configuration, ConfigurationSources, KoanConfig as _, Origin};

fn variable(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Returns the value and the origin of a key.
fn value<'a>(configuration: &'a Configuration, key: &str) -> (&'a str, String) {
    let value = configuration.effective().iter().find(|value| value.key == key);
    let value = value.unwrap_or_else(|| panic!("`{key}` has no value"));
    let origin = value.origin.to_string();
    (&value.value, origin.rsplit('/').next().unwrap_or_default().to_owned())
}

#[test]
fn a_higher_layer_replaces_a_lower_one_and_every_value_has_its_origin() {
    let folder = Folder::new();
    let file =
        folder.write("koan.toml", "[backup]\nmax_concurrency = 3\nbatch_size = 500\ntimeout = \"1h\"\n");
    let configuration = ConfigurationSources::new()
        .default_value("backup.max_concurrency", "2")
        .default_value("application", "shop")
        .file(file)
        .variables([variable("KOAN__BACKUP__BATCH_SIZE", "600"), variable("KOAN__BACKUP__TIMEOUT", "2h")])
        .flag("backup.timeout", "3h", "--timeout")
        .load()
        .expect("the configuration is valid");
    assert_eq!(value(&configuration, "application"), ("\"shop\"", "default of the application".to_owned()));
    assert_eq!(value(&configuration, "backup.max_concurrency"), ("3", "koan.toml:2:19".to_owned()));
    assert_eq!(
        value(&configuration, "backup.batch_size"),
        ("600", "variable KOAN__BACKUP__BATCH_SIZE".to_owned())
    );
    assert_eq!(value(&configuration, "backup.timeout"), ("\"3h\"", "flag --timeout".to_owned()));
    assert_eq!(value(&configuration, "restore.batch_size"), ("1000", "default".to_owned()));

    let timeout = configuration.effective().iter().find(|value| value.key == "backup.timeout");
    let replaced = &timeout.expect("the key is set").replaced;
    let replaced: Vec<_> =
        replaced.iter().map(|value| (value.value.as_str(), value.origin.to_string())).collect();
    assert_eq!(replaced.len(), 2, "the file and the variable disagree with the flag: {replaced:?}");
    assert!(replaced[0].1.ends_with("koan.toml:4:11") && replaced[0].0 == "\"1h\"", "{replaced:?}");
    assert_eq!(replaced[1], ("\"2h\"", "variable KOAN__BACKUP__TIMEOUT".to_owned()));
    assert_eq!(configuration.origins().len(), configuration.effective().len());
}

#[test]
fn each_format_has_the_lines_and_columns_of_its_values() {
    let folder = Folder::new();
    let toml = folder.write("koan.toml", "application = \"shop\"\n[backup]\n  batch_size = 500\n");
    let yaml = folder.write("koan.yaml", "application: shop\nbackup:\n  batch_size: 500\n");
    let json = folder.write(
        "koan.json",
        "{\n\t\"application\": \"shop\",\n  \"backup\": {\n    \"batch_size\": 500 } }\n",
    );
    for (file, application, batch_size) in
        [(toml, "1:15", "3:16"), (yaml, "1:14", "3:15"), (json, "2:17", "4:19")]
    {
        let configuration = ConfigurationSources::new().file(&file).load().expect("the file is valid");
        for (key, place) in [("application", application), ("backup.batch_size", batch_size)] {
            let expected = format!("{}:{place}", file.display());
            assert_eq!(configuration.origin(key).map(ToString::to_string), Some(expected), "{key}");
        }
        assert_eq!(configuration.application(), Some("shop"));
    }
}

#[test]
fn a_variable_sets_a_value_of_each_type_and_finds_names_in_any_case() {
    let folder = Folder::new();
    let file = folder.write("koan.toml", "[storage]\nDr = \"/backups\"\n");
    let variables = [
        variable("KOAN__STORAGE__DR__BANDWIDTH_LIMIT", "1000"),
        variable("KOAN__STORAGE__NEAR__URL", "near"),
        variable("KOAN__DENY_UNCOVERED", "true"),
        variable("KOAN__MAINTENANCE__PROFILES", "Dr, near"),
        variable("KOAN__ENCRYPTION__KEYS", "[{ env = \"KEY\" }]"),
        variable("KOAN__PROVIDERS__MAIN__URL", "{ env = \"DATABASE_URL\" }"),
        variable("KOAN__EXPECTATIONS__SERIES__NIGHTLY__BACKUP_WITHIN", "1d"),
        variable("KOAN_ENV", "ignored, because it has one underscore"),
        variable("PATH", "ignored"),
    ];
    let sources = ConfigurationSources::new().file(file).variables(variables);
    let configuration = sources.load().expect("the variables are valid");
    for (key, expected) in [
        ("storage.Dr.bandwidth_limit", "1000"),
        ("storage.near.url", "\"near\""),
        ("deny_uncovered", "true"),
        ("maintenance.profiles", "[\"Dr\", \"near\"]"),
        ("providers.main.url", "***"),
        ("expectations.series.nightly.backup_within", "\"1d\""),
    ] {
        assert_eq!(value(&configuration, key).0, expected, "{key}");
    }
}

#[test]
fn a_variable_in_lower_case_is_a_problem_that_names_it() {
    let variables = ["koan__backup__batch_size", "KOAN__backup__TIMEOUT", "Koan_backup"];
    let sources = ConfigurationSources::new().variables(variables.map(|name| variable(name, "5")));
    let problems: Vec<_> = sources.check().iter().map(ToString::to_string).collect();
    let problem = |name: &str, other: &str| {
        format!("variable {name}: the name of the variable is not in upper case; rename it to `{other}`")
    };
    let expected = [
        problem("KOAN__backup__TIMEOUT", "KOAN__BACKUP__TIMEOUT"),
        problem("koan__backup__batch_size", "KOAN__BACKUP__BATCH_SIZE"),
    ];
    assert_eq!(problems, expected);
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_unicode_text_is_a_problem_that_names_it() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

    let latin = || OsString::from_vec(b"caf\xe9".to_vec());
    let variables = [(OsString::from("koan__APPLICATION"), latin()), (OsString::from("OTHER"), latin())];
    let sources = ConfigurationSources::new().os_variables(variables.into_iter());
    let problems: Vec<_> = sources.check().iter().map(ToString::to_string).collect();
    let expected = "variable koan__APPLICATION: the name or the value of the variable is not Unicode text; \
                    set it again with Unicode text";
    assert_eq!(problems, [expected]);
}

#[test]
fn a_fixed_value_cannot_be_changed_by_any_layer() {
    let folder = Folder::new();
    let file = folder.write("koan.toml", "deny_uncovered = false\n");
    let original = folder.write("koan.json", r#"{ "Koan": { "BackupRestore": { "BatchSize": 7 } } }"#);
    let fixed =
        || ConfigurationSources::new().fixed("deny_uncovered", "true").fixed("backup.batch_size", "5");
    for (sources, origin) in [
        (fixed().file(file), "koan.toml:1:18"),
        (fixed().file(original), "koan.json:1:45"),
        (fixed().variables([variable("KOAN__DENY_UNCOVERED", "true")]), "variable KOAN__DENY_UNCOVERED"),
        (fixed().flag("deny_uncovered", "false", "--allow-uncovered"), "flag --allow-uncovered"),
    ] {
        let error = sources.load().expect_err("a fixed value was set").to_string();
        assert!(error.contains(origin) && error.contains("is fixed by the application"), "{error}");
    }
    let configuration = fixed().load().expect("nothing changes a fixed value");
    assert_eq!(configuration.origin("deny_uncovered"), Some(&Origin::Fixed));
    let built = configuration.apply(builder()).expect("the configuration is applied");
    assert!(format!("{built:?}").contains("uncovered_policy: Deny"), "{built:?}");
}

#[test]
fn an_optional_file_may_be_missing_and_a_later_file_wins() {
    let folder = Folder::new();
    let (first, second) =
        (folder.write("a.toml", "application = \"a\"\n"), folder.write("b.yml", "application: b\n"));
    let sources =
        ConfigurationSources::new().file(first).optional_file(folder.path("missing.toml")).file(second);
    assert_eq!(sources.load().expect("both files are valid").application(), Some("b"));
}

#[tokio::test]
async fn a_context_is_built_from_a_path_and_a_builder_takes_a_configuration() {
    let folder = Folder::new();
    let text = "application = \"shop\"\nenvironment = \"test\"\n[paths]\nroot = \"{folder}/state\"\n\
                [providers]\nmain = \"memory:\"\n[storage]\nlocal = \"memory:\"\n\
                [encryption]\nrecipients = [\"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\"]\n";
    let file = folder.write("koan.toml", text);
    let koan = Koan::from_config(&file).await.expect("the context is built from the linked entities");
    assert_eq!(koan.identity().application(), "shop");
    let sources = ConfigurationSources::new().file(&file);
    let builder = builder().application("other").config(sources).expect("the configuration is valid");
    let built = builder.environment("later").build().await.expect("the context is built");
    assert_eq!((built.identity().application(), built.identity().environment()), ("shop", "later"));
    let missing = Koan::from_config(folder.path("none.toml")).await.expect_err("the file does not exist");
    assert!(missing.to_string().contains("none.toml"), "{missing}");
}

#[tokio::test]
async fn a_configured_provider_and_profile_replace_those_of_the_builder() {
    let folder = Folder::new();
    let database = folder.database("shop.db");
    let text = format!(
        "[providers]\nmain = \"sqlite:{}\"\n[storage]\nlocal = \"{}\"\n",
        database.display(),
        folder.path("backups").display()
    );
    let configuration = folder.load(&text);
    let builder = builder()
        .provider(koan_backup::Memory::new())
        .storage(koan_backup::Storage::memory())
        .state_directory(folder.path("state"));
    let koan = configuration.apply(builder).expect("the configuration is applied").build().await;
    let koan = koan.expect("the context is built");
    let backup = koan.backup("nightly").await.expect("the backup succeeds");
    assert_eq!(backup.item_count(), 3, "the records are those of the SQLite database");
    assert!(folder.path("backups").read_dir().expect("the directory of the profile").count() > 0);
}
