//! Checks that the structure of the code agrees with ARCHITECTURE.md: the folders of core use only folders on
//! lower floors, no files import each other in a cycle, and every path in ARCHITECTURE.md exists.

mod crates;
mod cycles;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use source::Crate;

/// Returns the folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_path_buf()
}

/// Returns the text of ARCHITECTURE.md.
fn page() -> String {
    fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md")
}

/// Returns the floor of each folder, from the table below the heading "Floors of core" of ARCHITECTURE.md.
fn floors() -> BTreeMap<String, u8> {
    let page = page();
    let (_, section) = page.split_once("## Floors of core").expect("the section about floors");
    let (section, _) = section.split_once("\n## ").expect("the section after the section about floors");
    let mut floors = BTreeMap::new();
    for row in section.lines() {
        let mut cells = row.split('|').map(str::trim);
        let (Some(floor), Some(folder)) = (cells.nth(1), cells.next()) else { continue };
        let Ok(floor) = floor.parse() else { continue };
        assert_eq!(
            floors.insert(folder.trim_matches('`').to_owned(), floor),
            None,
            "{folder} is in two rows of the table of floors in ARCHITECTURE.md"
        );
    }
    floors
}

#[test]
fn no_folder_of_core_uses_a_folder_on_the_same_or_a_higher_floor() {
    let floors = floors();
    let core = Crate::read(&root().join("koan-backup-core"));
    let floor_of = |module: &str| {
        let folder = module.split("::").next().unwrap_or_default();
        (folder.to_owned(), floors.get(folder).copied())
    };
    let mut upward = BTreeSet::new();
    for (module, used) in core.imports() {
        if module.is_empty() {
            continue;
        }
        let (folder, floor) = floor_of(&module);
        let floor = floor.unwrap_or_else(|| panic!("ARCHITECTURE.md has no floor for the folder `{folder}`"));
        for other in used.keys() {
            if other.is_empty() {
                upward.insert(format!("`{module}` imports from `lib.rs`, which only re-exports names"));
            }
            if let (other_folder, Some(other_floor)) = floor_of(other)
                && other_floor >= floor
                && other_folder != folder
            {
                upward.insert(format!("`{module}` (floor {floor}) uses `{other}` (floor {other_floor})"));
            }
        }
    }
    assert!(upward.is_empty(), "modules of core use modules that are not on a lower floor: {upward:#?}");
}

#[test]
fn architecture_md_contains_only_paths_that_exist() {
    let page = page();
    let mut missing = BTreeSet::new();
    for name in page.split('`').skip(1).step_by(2) {
        let is_path = name.contains('/')
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || b"_/-".contains(&byte));
        let top = name.split('/').next().unwrap_or_default();
        let folders =
            ["koan-backup-core/src", "koan-backup/adapters", "koan-backup-derive/src", "koan-backup", "."];
        let exists = |name: &str| {
            folders.iter().any(|folder| {
                let path = root().join(folder).join(name);
                path.exists() || path.with_extension("rs").exists() || {
                    // ARCHITECTURE.md leaves out the folder `src` in the path of an adapter.
                    let (adapter, rest) = name.split_once('/').unwrap_or((name, ""));
                    let path = root().join(folder).join(adapter).join("src").join(rest);
                    path.exists() || path.with_extension("rs").exists()
                }
            })
        };
        // Only a path that begins with an existing folder is a path of the code, because ARCHITECTURE.md also
        // contains paths in archives and buckets.
        if is_path && exists(top) && !exists(name) && !exists(name.split("::").next().unwrap_or_default()) {
            missing.insert(name.to_owned());
        }
    }
    assert!(missing.is_empty(), "ARCHITECTURE.md contains paths that do not exist: {missing:#?}");
}
