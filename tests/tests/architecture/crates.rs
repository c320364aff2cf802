//! The permitted dependencies of each crate.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use super::root;

/// Returns the crates of this workspace that a crate depends on, without its dev-dependencies.
fn dependencies(folder: &str) -> BTreeSet<String> {
    dependencies_in(&fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("a manifest"))
}

/// Returns the names of crates of this workspace that occur in the dependency sections of a manifest, as the
/// name of a dependency, in the name of a section, or as the name of a package.
fn dependencies_in(manifest: &str) -> BTreeSet<String> {
    let (mut found, mut is_dependency_section) = (BTreeSet::new(), false);
    for line in manifest.lines() {
        let line = line.split('#').next().unwrap_or_default();
        if line.starts_with('[') {
            is_dependency_section = line.contains("dependencies") && !line.contains("dev-dependencies");
        }
        let words =
            line.split(|character: char| !(character.is_ascii_alphanumeric() || "-_/".contains(character)));
        let crate_names = words.filter(|word| word.starts_with("koan-backup") && !word.contains('/'));
        found.extend(crate_names.filter(|_| is_dependency_section).map(str::to_owned));
    }
    found
}

#[test]
fn an_adapter_depends_only_on_core_and_on_the_shared_crate_of_sql_adapters() {
    for adapter in fs::read_dir(root().join("koan-backup/adapters")).expect("the adapters") {
        let name = adapter.expect("an entry").file_name().to_string_lossy().into_owned();
        let mut found = dependencies(&format!("koan-backup/adapters/{name}"));
        assert!(found.remove("koan-backup-core"), "the adapter `{name}` does not depend on core");
        found.remove("koan-backup-sql");
        assert!(
            found.is_empty(),
            "the adapter `{name}` depends on other crates of this workspace: {found:?}"
        );
    }
}

#[test]
fn a_surface_depends_on_core_and_on_few_other_surfaces() {
    for (surface, others) in [
        (
            "cli",
            vec![
                "koan-backup-config",
                "koan-backup-generate",
                "koan-backup-http",
                "koan-backup-metrics",
                "koan-backup-notify",
            ],
        ),
        ("http", vec!["koan-backup-metrics"]),
        ("metrics", vec![]),
        ("notify", vec!["koan-backup-config"]),
    ] {
        let expected = others.into_iter().chain(["koan-backup-core"]).map(str::to_owned).collect();
        let found = dependencies(&format!("koan-backup/surfaces/{surface}"));
        assert_eq!(found, expected, "the dependencies of `{surface}` in this workspace");
    }
}

#[test]
fn core_depends_on_the_crate_of_entities_which_depends_on_the_macros() {
    for (folder, expected) in [
        ("koan-backup-core", vec!["koan-backup-entity"]),
        ("koan-backup/entity", vec!["koan-backup-derive"]),
        ("koan-backup-derive", vec![]),
    ] {
        let expected = expected.into_iter().map(str::to_owned).collect();
        assert_eq!(dependencies(folder), expected, "the dependencies of `{folder}` in this workspace");
    }
}

#[test]
fn a_crate_of_models_builds_fewer_than_thirty_crates() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--locked", "--offline", "--edges", "normal,build", "--prefix", "none"])
        .args(["--format", "{p}", "--no-dedupe", "--manifest-path"])
        .arg(root().join("tests/models/Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("names are UTF-8");
    let crates: BTreeSet<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(crates.contains("koan-backup-entity"), "{crates:?}");
    assert!(
        crates.len() < 30,
        "a crate that only declares entities builds {} crates: {crates:?}",
        crates.len()
    );
    for heavy in ["tokio", "jiff", "object_store", "age", "koan-backup-core", "thiserror"] {
        assert!(!crates.contains(heavy), "a crate that only declares entities builds `{heavy}`");
    }
}

#[test]
fn a_dependency_is_found_in_every_form_of_a_manifest() {
    for form in [
        "[dependencies]\nkoan-backup-json.workspace = true",
        "[dependencies.koan-backup-json]\nworkspace = true",
        "[dependencies]\nother = { package = \"koan-backup-json\", path = \"..\" }",
        "[target.'cfg(unix)'.dependencies]\nkoan-backup-json = { path = \"../koan-backup/json\" }",
        "[build-dependencies]\nkoan-backup-json = \"0.1\"",
    ] {
        let found = dependencies_in(&format!("[package]\nname = \"koan-backup-memory\"\n\n{form}\n"));
        assert_eq!(found, BTreeSet::from(["koan-backup-json".to_owned()]), "{form}");
    }
    let dev_dependency = "[dependencies]\nserde = \"1\"  # as koan-backup\n\
        [dev-dependencies]\nkoan-backup = { path = \"..\" }";
    assert_eq!(dependencies_in(dev_dependency), BTreeSet::new());
}
