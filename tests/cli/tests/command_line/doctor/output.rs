//! The output of `doctor`, and that it changes nothing.

use super::setup::{Setup, contents};

#[test]
fn a_healthy_shop_has_no_problems_and_doctor_leaves_nothing_behind() {
    let setup = Setup::with_backup();
    let before = contents(&setup.path("backups"));
    let found = setup.doctor();
    assert_eq!(found.code, Some(0), "{}", found.text);
    assert!(found.text.ends_with("\nno problems\n"), "{}", found.text);
    found.require_count(0);
    for subject in ["configuration", "provider main", "storage local", "keys", "coverage", "backups"] {
        found.require_ok(subject);
    }
    assert_eq!(contents(&setup.path("backups")), before, "the probe was removed");
}

#[test]
fn the_lines_are_aligned_and_the_remedy_is_below_its_problem() {
    let setup = Setup { provider: "\"sqlite:{folder}/shpo.db\"".to_owned(), ..Setup::with_backup() };
    let folder = setup.shop.directory().display().to_string();
    let found = setup.doctor();
    let text = found.text.replace(&folder, "[folder]");
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"in \d+ ms", "in [time]");
    settings.add_filter(r"[\d.]+ [KMGTP]iB free", "[size] free");
    settings.add_filter(r"is [\w ]+ old; verified [\w ]+ ago", "is [age] old; verified [age] ago");
    settings.bind(|| insta::assert_snapshot!(text));
}

#[test]
fn a_database_and_a_storage_that_do_not_exist_yet_are_not_created() {
    let mut setup = Setup::new();
    setup.provider = "{ url = \"sqlite:{folder}/new.db\", create_if_missing = true }".to_owned();
    let found = setup.doctor();
    assert!(
        found.text.contains("new.db` is not created yet; the first backup or restore creates it"),
        "{}",
        found.text
    );
    assert!(
        found.text.contains("backups` is not created yet; the first backup creates it"),
        "{}",
        found.text
    );
    for name in ["new.db", "backups", "state"] {
        assert!(!setup.path(name).exists(), "`doctor` does not create `{name}`");
    }
    setup.provider = "\"json:{folder}/documents\"".to_owned();
    let found = setup.doctor();
    assert!(found.text.contains("documents` is not created yet"), "{}", found.text);
    assert!(!setup.path("documents").exists(), "`doctor` does not create the directory of JSON files");
}

#[test]
fn a_check_in_json_has_the_fields_of_the_guide() {
    let mut setup = Setup::with_backup();
    setup.provider = "\"sqlite:{folder}/shpo.db\"".to_owned();
    let checks = setup.checks();
    let problem = checks.iter().find(|check| check["state"] == "problem").expect("a problem");
    assert_eq!(problem["subject"], "provider");
    assert_eq!(problem["name"], "main");
    assert_eq!(problem["code"], "providerFailed");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("shpo.db")), "{problem}");
    assert!(problem["remedy"].as_str().is_some_and(|remedy| remedy.contains("did you mean")), "{problem}");
    let keys = checks.iter().find(|check| check["subject"] == "keys").expect("the check of the keys");
    assert_eq!((&keys["name"], &keys["remedy"]), (&serde_json::Value::Null, &serde_json::Value::Null));
}

#[test]
fn doctor_also_diagnoses_the_context_of_an_application_without_a_configuration_file() {
    let setup = Setup::new();
    let output = setup.shop.command(&["doctor"]).output().expect("the shop runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for line in
        ["ok       provider main", "ok       storage local", "ok       storage dr", "warning  backups"]
    {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    // A context that cannot be built is a problem, and not only an error.
    let mut command = setup.shop.command(&["doctor"]);
    command.env("SHOP_ONLY_BACKUP", "1").env("SHOP_DATABASE", setup.path("shpo.db"));
    let output = command.output().expect("the shop runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("problem  configuration") && text.contains("did you mean"), "{text}");
}
