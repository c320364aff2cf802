//! Verifies that no files import each other in a cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::root;
use super::source::{Crate, Imports};

/// Returns the strongly connected components of the import graph that contain a cycle.
fn cycles(imports: &Imports) -> Vec<BTreeSet<String>> {
    let reachable_from = |start: &str| {
        let (mut visited, mut pending) = (BTreeSet::new(), vec![start.to_owned()]);
        while let Some(module) = pending.pop() {
            for imported in imports.get(&module).into_iter().flat_map(BTreeMap::keys) {
                if visited.insert(imported.clone()) {
                    pending.push(imported.clone());
                }
            }
        }
        visited
    };
    let reachable: BTreeMap<&String, BTreeSet<String>> =
        imports.keys().map(|module| (module, reachable_from(module))).collect();
    let mut groups: Vec<BTreeSet<String>> = Vec::new();
    for (module, others) in reachable.iter().filter(|(module, others)| others.contains(**module)) {
        if !groups.iter().any(|group| group.contains(*module)) {
            let mutual = others
                .iter()
                .filter(|other| reachable.get(other).is_some_and(|imported| imported.contains(*module)));
            groups.push(mutual.cloned().collect());
        }
    }
    groups
}

/// Describes the imports between the modules of a group, one per line: the importing module, the imported
/// module and the imported names.
fn description(group: &BTreeSet<String>, imports: &Imports) -> String {
    let mut text = String::new();
    for module in group {
        for (other, names) in
            imports.get(module).into_iter().flatten().filter(|(other, _)| group.contains(*other))
        {
            text.push_str(&format!(
                "  {module} -> {other}: {}\n",
                names.iter().cloned().collect::<Vec<_>>().join(", ")
            ));
        }
    }
    text
}

#[test]
fn no_files_import_each_other_in_a_cycle() {
    let crates = ["koan-backup-core", "koan-backup-derive", "koan-backup/entity"];
    let mut folders = crates.map(|folder| root().join(folder)).to_vec();
    for group in ["koan-backup/adapters", "koan-backup/surfaces"] {
        for folder in fs::read_dir(root().join(group)).expect("the folder of the crates") {
            folders.push(folder.expect("an entry").path());
        }
    }
    folders.sort();
    let mut report = String::new();
    for folder in folders {
        let imports = Crate::read(&folder).imports();
        for group in cycles(&imports) {
            report.push_str(&format!(
                "{}:\n{}",
                folder.file_name().unwrap_or_default().display(),
                description(&group, &imports)
            ));
        }
    }
    assert!(report.is_empty(), "files import each other in a cycle:\n{report}");
}

#[test]
fn a_cycle_is_found_and_reported_with_its_imports() {
    let imports = |pairs: &[(&str, &str)]| {
        let mut imports = Imports::new();
        for (from, to) in pairs {
            let used = imports.entry((*from).to_owned()).or_default();
            used.entry((*to).to_owned()).or_default().insert("Name".to_owned());
        }
        imports
    };
    assert!(cycles(&imports(&[("a", "b"), ("b", "c"), ("a", "c")])).is_empty());
    let cyclic = imports(&[("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")]);
    let found = cycles(&cyclic);
    assert_eq!(found, [BTreeSet::from(["b".to_owned(), "c".to_owned()])]);
    assert_eq!(description(&found[0], &cyclic), "  b -> c: Name\n  c -> b: Name\n");
}
