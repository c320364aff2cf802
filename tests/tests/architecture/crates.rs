//! What each crate may depend on.

use std::collections::BTreeSet;
use std::fs;

use super::root;

/// The crates of this workspace that a crate depends on outside of its tests.
fn dependencies(folder: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("a manifest");
    let (_, section) = text.split_once("\n[dependencies]").unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let names = section.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
    names.filter(|name| name.starts_with("koan-backup")).map(str::to_owned).collect()
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
