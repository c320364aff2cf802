//! The permitted dependencies of each crate.

use std::collections::BTreeSet;
use std::fs;

use super::root;

/// Returns the crates of this workspace that a crate depends on, without those of its tests.
fn dependencies(folder: &str) -> BTreeSet<String> {
    dependencies_in(&fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("a manifest"))
}

/// Returns the names of crates of this workspace in the dependency sections of a manifest: as the name of a
/// dependency, of a section or of a package.
fn dependencies_in(manifest: &str) -> BTreeSet<String> {
    let (mut found, mut is_section) = (BTreeSet::new(), false);
    for line in manifest.lines() {
        let line = line.split('#').next().unwrap_or_default();
        if line.starts_with('[') {
            is_section = line.contains("dependencies") && !line.contains("dev-dependencies");
        }
        let words = line.split(|sign: char| !(sign.is_ascii_alphanumeric() || "-_/".contains(sign)));
        let ours = words.filter(|word| word.starts_with("koan-backup") && !word.contains('/'));
        found.extend(ours.filter(|_| is_section).map(str::to_owned));
    }
    found
}

#[test]
fn an_adapter_depends_on_core_and_on_what_sql_adapters_share_and_on_no_other_adapter() {
    for adapter in fs::read_dir(root().join("koan-backup/adapters")).expect("the adapters") {
        let name = adapter.expect("an entry").file_name().to_string_lossy().into_owned();
        let mut found = dependencies(&format!("koan-backup/adapters/{name}"));
        assert!(found.remove("koan-backup-core"), "{name} depends on core");
        found.remove("koan-backup-sql");
        assert!(found.is_empty(), "{name} depends on {found:?}");
    }
}

#[test]
fn core_and_the_macros_depend_on_no_crate_of_ours() {
    for folder in ["koan-backup-core", "koan-backup-derive"] {
        assert_eq!(dependencies(folder), BTreeSet::new(), "{folder}");
    }
}

#[test]
fn a_dependency_is_found_in_whatever_form_it_is_written() {
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
    let of_tests = "[dependencies]\nserde = \"1\"  # as koan-backup\n[dev-dependencies]\nkoan-backup = { path = \"..\" }";
    assert_eq!(dependencies_in(of_tests), BTreeSet::new());
}
