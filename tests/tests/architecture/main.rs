//! Checks that the structure of the code agrees with ARCHITECTURE.md: the folders of core use only folders in
//! lower layers, no files import each other in a cycle, and every path in ARCHITECTURE.md exists.

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

/// Returns the layer of each folder, from the table below the heading "Layers of core" of ARCHITECTURE.md.
fn layers() -> BTreeMap<String, u8> {
    let page = page();
    let (_, section) = page.split_once("## Layers of core").expect("the section about layers");
    let (section, _) = section.split_once("\n## ").expect("the section after the section about layers");
    let mut layers = BTreeMap::new();
    for row in section.lines() {
        let mut cells = row.split('|').map(str::trim);
        let (Some(layer), Some(folder)) = (cells.nth(1), cells.next()) else { continue };
        let Ok(layer) = layer.parse() else { continue };
        assert_eq!(
            layers.insert(folder.trim_matches('`').to_owned(), layer),
            None,
            "{folder} is in two rows of the table of layers in ARCHITECTURE.md"
        );
    }
    layers
}

#[test]
fn no_folder_of_core_uses_a_folder_in_the_same_or_a_higher_layer() {
    for folder in ["koan-backup-core", "koan-backup/entity"] {
        require_downward_imports(folder);
    }
}

/// Checks that no module of the crate in `folder` uses a module in the same or a higher layer.
fn require_downward_imports(folder: &str) {
    let layers = layers();
    let checked = Crate::read(&root().join(folder));
    let layer_of = |module: &str| {
        let folder = module.split("::").next().unwrap_or_default();
        (folder.to_owned(), layers.get(folder).copied())
    };
    let mut upward = BTreeSet::new();
    for (module, used) in checked.imports() {
        if module.is_empty() {
            continue;
        }
        let (folder, layer) = layer_of(&module);
        let layer = layer.unwrap_or_else(|| panic!("ARCHITECTURE.md has no layer for the folder `{folder}`"));
        for other in used.keys() {
            if other.is_empty() {
                upward.insert(format!("`{module}` imports from `lib.rs`, which only re-exports names"));
            }
            if let (other_folder, Some(other_layer)) = layer_of(other)
                && other_layer >= layer
                && other_folder != folder
            {
                upward.insert(format!("`{module}` (layer {layer}) uses `{other}` (layer {other_layer})"));
            }
        }
    }
    assert!(upward.is_empty(), "modules of {folder} use modules that are not in a lower layer: {upward:#?}");
}

#[test]
fn architecture_md_contains_only_paths_that_exist() {
    let page = page();
    let mut missing = BTreeSet::new();
    for name in page.split('`').skip(1).step_by(2) {
        let is_path = name.contains('/')
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || b"_/-".contains(&byte));
        let top = name.split('/').next().unwrap_or_default();
        let folders = [
            "koan-backup-core/src",
            "koan-backup/entity/src",
            "koan-backup/adapters",
            "koan-backup/surfaces",
            "koan-backup-derive/src",
            "koan-backup",
            ".",
        ];
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
        // A path is checked only if it begins with an existing folder: ARCHITECTURE.md also contains paths in
        // archives and buckets.
        if is_path && exists(top) && !exists(name) && !exists(name.split("::").next().unwrap_or_default()) {
            missing.insert(name.to_owned());
        }
    }
    assert!(missing.is_empty(), "ARCHITECTURE.md contains paths that do not exist: {missing:#?}");
}
