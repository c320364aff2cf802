//! Reads the modules of a crate from its source files, and which names each module imports from which other
//! module.
//!
//! An import through a re-export (`pub use`) counts as an import from the module that defines the name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::visit::Visit;
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree, Visibility};

/// For each module, the modules from which it imports names, with these names. Modules are paths such as
/// `catalog::query`; the path of `lib.rs` is empty.
pub(super) type Imports = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// A module as read from its file, without its unit tests.
#[derive(Default)]
struct Module {
    /// The re-exported names with the paths where they come from.
    exports: BTreeMap<String, Vec<String>>,
    /// The imported names with their paths, by the name that the module uses for them.
    aliases: BTreeMap<String, Vec<String>>,
    /// The paths that occur in the code.
    paths: BTreeSet<Vec<String>>,
}

/// The source of a crate.
pub(super) struct Crate {
    modules: BTreeMap<String, Module>,
}

impl Crate {
    /// Reads every file below `src`.
    pub(super) fn read(folder: &Path) -> Self {
        let mut modules = BTreeMap::new();
        read_folder(&folder.join("src"), "", &mut modules);
        assert!(!modules.is_empty(), "{} has source files", folder.display());
        Self { modules }
    }

    /// Returns the imports of each module from other modules. Names that a module re-exports from a module
    /// below it are not counted for it.
    pub(super) fn imports(&self) -> Imports {
        let mut imports = Imports::new();
        for (name, module) in &self.modules {
            let used = imports.entry(name.clone()).or_default();
            for path in module.paths.iter().chain(module.aliases.values()) {
                let Some((from, what)) = self.resolved(name, path, 0) else { continue };
                if from != *name {
                    used.entry(from).or_default().insert(what);
                }
            }
        }
        imports
    }

    /// Returns the module that defines the item of a path in a module, and the name of the item there.
    fn resolved(&self, module: &str, path: &[String], depth: usize) -> Option<(String, String)> {
        if depth > 20 {
            return None;
        }
        let mut at = module.to_owned();
        let mut rest = path.iter();
        let mut segment = rest.next()?;
        match segment.as_str() {
            "crate" => {
                at = String::new();
                segment = rest.next()?;
            }
            "self" => segment = rest.next()?,
            "super" => {
                at = parent(&at)?;
                segment = rest.next()?;
                while segment == "super" {
                    at = parent(&at)?;
                    segment = rest.next()?;
                }
            }
            first => {
                if !self.modules.contains_key(&child(&at, first)) {
                    let alias =
                        self.modules.get(&at)?.aliases.get(first).filter(|alias| alias.as_slice() != path)?;
                    let whole: Vec<String> = alias.iter().chain(rest).cloned().collect();
                    return self.resolved(module, &whole, depth + 1);
                }
            }
        }
        loop {
            let below = child(&at, segment);
            if self.modules.contains_key(&below) {
                at = below;
                match rest.next() {
                    Some(next) => segment = next,
                    None => return Some((at, "*".to_owned())),
                }
                continue;
            }
            let found = self.modules.get(&at)?;
            if let Some(origin) = found.exports.get(segment) {
                let whole: Vec<String> = origin.iter().chain(rest).cloned().collect();
                return self.resolved(&at, &whole, depth + 1);
            }
            return Some((at, segment.clone()));
        }
    }
}

fn child(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

fn parent(module: &str) -> Option<String> {
    match module.rsplit_once("::") {
        Some((parent, _)) => Some(parent.to_owned()),
        None => (!module.is_empty()).then(String::new),
    }
}

fn read_folder(folder: &Path, module: &str, modules: &mut BTreeMap<String, Module>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if stem != "tests" && stem != "snapshots" {
                read_folder(&path, &child(module, &stem), modules);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && stem != "tests" {
            let text = fs::read_to_string(&path).expect("a source file");
            let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let name = if stem == "lib" { module.to_owned() } else { child(module, &stem) };
            let mut reader = Reader::default();
            file.items.iter().for_each(|item| reader.visit_item(item));
            modules.insert(name, reader.module);
        }
    }
}

#[derive(Default)]
struct Reader {
    module: Module,
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test")
    })
}

impl Reader {
    fn flatten(&mut self, tree: &UseTree, before: &[String], is_export: bool) {
        let with = |name: String| before.iter().cloned().chain([name]).collect::<Vec<_>>();
        match tree {
            UseTree::Path(path) => self.flatten(&path.tree, &with(path.ident.to_string()), is_export),
            UseTree::Group(group) => {
                group.items.iter().for_each(|item| self.flatten(item, before, is_export))
            }
            UseTree::Name(name) if name.ident == "self" => {
                if let Some(own) = before.last() {
                    self.found(own.clone(), before.to_vec(), is_export);
                }
            }
            UseTree::Name(name) => {
                self.found(name.ident.to_string(), with(name.ident.to_string()), is_export)
            }
            UseTree::Rename(rename) => {
                // `use X as _` imports X as well.
                let path = with(rename.ident.to_string());
                self.found(
                    rename.rename.to_string().replace('_', &rename.ident.to_string()),
                    path,
                    is_export,
                );
            }
            UseTree::Glob(_) => {
                self.module.paths.insert(before.to_vec());
            }
        }
    }

    fn found(&mut self, name: String, path: Vec<String>, is_export: bool) {
        let names = if is_export { &mut self.module.exports } else { &mut self.module.aliases };
        names.insert(name, path);
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Const(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !is_test(attributes) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        // A module in braces is a part of its file.
        syn::visit::visit_item_mod(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_export = !matches!(item.vis, Visibility::Inherited);
        self.flatten(&item.tree, &[], is_export);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.module.paths.insert(segments);
        }
        syn::visit::visit_path(self, path);
    }
}
