//! The modules of a crate and their imports, read from its source files.
//!
//! An import counts for the module that defines the name, not for a module that only re-exports the name.
//! A re-export (`pub use`) is an import as well, unless a module below the re-exporting module defines the
//! name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;
use syn::{Attribute, Item, ItemMod, ItemUse, LitStr, Macro, Meta, UseTree, Visibility};

/// A map from each module to the modules that it imports from, with the imported names. Modules are paths
/// such as `catalog::query`; the path of `lib.rs` is empty.
pub(super) type Imports = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// A module of a source file, without its unit tests. Inline modules (`mod name { … }`) are included.
#[derive(Default)]
struct Module {
    /// The path of the file module that contains this module.
    file: String,
    /// The re-exported names, each with the path from which the name is re-exported.
    exports: BTreeMap<String, Vec<String>>,
    /// The names that `use` introduces, each with the imported path.
    aliases: BTreeMap<String, Vec<String>>,
    /// The paths that occur in the code of the module.
    paths: BTreeSet<Vec<String>>,
}

/// The source of a crate.
pub(super) struct Crate {
    modules: BTreeMap<String, Module>,
}

impl Crate {
    /// Reads every source file of the crate in a folder.
    pub(super) fn read(folder: &Path) -> Self {
        let mut modules = BTreeMap::new();
        read_folder(&folder.join("src"), "", &mut modules);
        assert!(!modules.is_empty(), "the crate {} has no source files", folder.display());
        Self { modules }
    }

    /// Returns the imports of each module. Re-exports of names from a module below it are not counted.
    pub(super) fn imports(&self) -> Imports {
        let mut imports = Imports::new();
        for (name, module) in &self.modules {
            let used = imports.entry(module.file.clone()).or_default();
            let mut add = |(from, item): (String, String)| {
                let file = self.modules.get(&from).map_or(&from, |module| &module.file);
                if *file != module.file {
                    used.entry(file.clone()).or_default().insert(item);
                }
            };
            module.paths.iter().filter_map(|path| self.resolved(name, path, 0)).for_each(&mut add);
            let re_exported = module.exports.values().filter_map(|path| self.resolved(name, path, 0));
            re_exported.filter(|(from, _)| !is_below(from, &module.file)).for_each(add);
        }
        imports
    }

    /// Returns the module that defines the item of a path, and the name of the item in that module; `*` is
    /// the module itself.
    fn resolved(&self, module: &str, path: &[String], depth: usize) -> Option<(String, String)> {
        if depth > 20 {
            return None;
        }
        let mut current = module.to_owned();
        let mut rest = path.iter();
        let mut segment = rest.next()?;
        match segment.as_str() {
            "crate" | "self" | "super" => {
                let mut next = Some(segment);
                while let Some(word) = next.filter(|word| ["crate", "self", "super"].contains(&word.as_str()))
                {
                    match word.as_str() {
                        "crate" => current = String::new(),
                        "super" => current = parent(&current)?,
                        _ => {}
                    }
                    next = rest.next();
                }
                match next {
                    Some(next) => segment = next,
                    // The path consists only of `crate`, `self` and `super`, as in `use super::*`.
                    None => return Some((current, "*".to_owned())),
                }
            }
            first => {
                if !self.modules.contains_key(&child(&current, first)) {
                    let aliases = &self.modules.get(&current)?.aliases;
                    let alias = aliases.get(first).filter(|alias| alias.as_slice() != path)?;
                    let full_path: Vec<String> = alias.iter().chain(rest).cloned().collect();
                    return self.resolved(module, &full_path, depth + 1);
                }
            }
        }
        loop {
            let below = child(&current, segment);
            if self.modules.contains_key(&below) {
                current = below;
                match rest.next() {
                    Some(next) => segment = next,
                    None => return Some((current, "*".to_owned())),
                }
                continue;
            }
            let found = self.modules.get(&current)?;
            if let Some(origin) = found.exports.get(segment) {
                let full_path: Vec<String> = origin.iter().chain(rest).cloned().collect();
                return self.resolved(&current, &full_path, depth + 1);
            }
            return Some((current, segment.clone()));
        }
    }
}

/// Returns the path of the submodule `name` of a module.
fn child(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

/// Returns whether a module is below another module.
fn is_below(module: &str, other: &str) -> bool {
    other.is_empty() || module.strip_prefix(other).is_some_and(|rest| rest.starts_with("::"))
}

/// Returns the path of the module that contains a module, or `None` for `lib.rs`.
fn parent(module: &str) -> Option<String> {
    match module.rsplit_once("::") {
        Some((parent, _)) => Some(parent.to_owned()),
        None => (!module.is_empty()).then(String::new),
    }
}

/// Reads all source files of a folder and its subfolders, except unit tests.
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
            let name = if stem == "lib" { module.to_owned() } else { child(module, &stem) };
            read_file(&text, &name, modules);
        }
    }
}

/// Reads the modules of a source file.
fn read_file(text: &str, name: &str, modules: &mut BTreeMap<String, Module>) {
    let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    read_items(&file.items, name, name, modules);
}

/// Reads a module and its inline modules.
fn read_items(items: &[Item], name: &str, file: &str, modules: &mut BTreeMap<String, Module>) {
    let mut reader = Reader::default();
    reader.module.file = file.to_owned();
    items.iter().for_each(|item| reader.visit_item(item));
    modules.insert(name.to_owned(), reader.module);
    for (inner, items) in reader.inner {
        read_items(&items, &child(name, &inner), file, modules);
    }
}

/// Collects the imports and paths of one module.
#[derive(Default)]
struct Reader {
    module: Module,
    /// The inline modules, each with its name and its items.
    inner: Vec<(String, Vec<Item>)>,
}

/// Returns whether an item has the attribute `#[cfg(test)]`.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test")
    })
}

impl Reader {
    /// Adds each path of a `use` tree. `prefix` contains the segments of the path before the tree.
    fn flatten(&mut self, tree: &UseTree, prefix: &[String], is_export: bool) {
        let with = |name: String| prefix.iter().cloned().chain([name]).collect::<Vec<_>>();
        match tree {
            UseTree::Path(path) => self.flatten(&path.tree, &with(path.ident.to_string()), is_export),
            UseTree::Group(group) => {
                group.items.iter().for_each(|item| self.flatten(item, prefix, is_export))
            }
            UseTree::Name(name) if name.ident == "self" => {
                if let Some(module_name) = prefix.last() {
                    self.add_import(module_name.clone(), prefix.to_vec(), is_export);
                }
            }
            UseTree::Name(name) => {
                self.add_import(name.ident.to_string(), with(name.ident.to_string()), is_export)
            }
            UseTree::Rename(rename) => {
                // `use X as _` imports X as well.
                let path = with(rename.ident.to_string());
                let name = if rename.rename == "_" { &rename.ident } else { &rename.rename };
                self.add_import(name.to_string(), path, is_export);
            }
            UseTree::Glob(_) => {
                self.module.paths.insert(prefix.to_vec());
            }
        }
    }

    /// Finds the paths in the arguments of a macro, which `syn` does not parse.
    fn find_paths(&mut self, tokens: TokenStream) {
        let (mut segments, mut colons) = (Vec::new(), 0);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.end_path(&mut segments);
                    }
                    segments.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !segments.is_empty() => colons += 1,
                other => {
                    self.end_path(&mut segments);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.find_paths(group.stream());
                    }
                }
            }
        }
        self.end_path(&mut segments);
    }

    /// Adds the path of the collected segments, if there is more than one, and clears the segments.
    fn end_path(&mut self, segments: &mut Vec<String>) {
        let segments = std::mem::take(segments);
        if segments.len() > 1 {
            self.module.paths.insert(segments);
        }
    }

    /// Adds a name that `use` introduces or re-exports, with its path.
    fn add_import(&mut self, name: String, path: Vec<String>, is_export: bool) {
        if !is_export {
            // Two functions may import different paths under the same name, and `aliases` contains only the
            // last one.
            self.module.paths.insert(path.clone());
        }
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
        if let Some((_, items)) = &item.content {
            self.inner.push((item.ident.to_string(), items.clone()));
        }
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {
        // `pub(in super::super)` imports nothing.
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        self.find_paths(item.tokens.clone());
        syn::visit::visit_macro(self, item);
    }

    fn visit_attribute(&mut self, item: &'ast Attribute) {
        // The attribute can contain a path in a string, as in `#[serde(with = "crate::…")]`.
        if let Meta::List(list) = &item.meta {
            for token in list.tokens.clone() {
                let Ok(text) = syn::parse2::<LitStr>(token.into()) else { continue };
                if let Ok(path) = text.parse::<syn::Path>() {
                    self.visit_path(&path);
                }
            }
        }
        syn::visit::visit_attribute(self, item);
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

#[test]
fn an_import_is_found_in_every_form_of_the_language() {
    let forms = [
        "use crate::high::Name;",
        "use crate::high::Name as _;",
        "use crate::high::*;",
        "use super::high::{self, Other};",
        // These re-export the name.
        "pub(crate) use crate::high::Name;",
        "pub use crate::high::*;",
        // These import through an inline module of `lib.rs` or of the file.
        "use crate::names::Name;",
        "fn f() -> crate::names::Name { loop {} }",
        "mod inner { use super::super::high::Name; }",
        // This uses two functions under the same name.
        "fn f() { use crate::high::f as g; } fn h() { use crate::low::g; }",
        "fn f() { format!(\"{}\", crate::high::f(1)); }",
        "fn f() { vec![[crate::high::Name { a: 1 }]]; }",
        "struct S { #[serde(with = \"crate::high\")] a: u8 }",
        "impl crate::high::Trait for u8 {}",
    ];
    for form in forms {
        let mut modules = BTreeMap::new();
        read_file("mod high; mod low; pub mod names { pub use crate::high::Name; }", "", &mut modules);
        read_file("pub struct Name;", "high", &mut modules);
        read_file(form, "file", &mut modules);
        let imports = Crate { modules }.imports();
        assert!(imports["file"].contains_key("high"), "the import of `{form}` was not found: {imports:?}");
    }
    // These imports make every name of `lib.rs` available, so they count as imports of `lib.rs`.
    for form in ["use crate::*;", "use super::*;"] {
        let mut modules = BTreeMap::new();
        read_file("mod file;", "", &mut modules);
        read_file(form, "file", &mut modules);
        assert!(Crate { modules }.imports()["file"].contains_key(""), "{form}");
    }
}

#[test]
fn re_exports_from_submodules_and_imports_of_unit_tests_are_not_counted() {
    let mut modules = BTreeMap::new();
    read_file("mod low; pub mod names { pub use crate::low::Name; }", "", &mut modules);
    read_file(
        "mod part; pub use part::Name; #[cfg(test)] mod tests { use crate::high::Name; }",
        "low",
        &mut modules,
    );
    read_file("pub(in super::super) struct Name;", "low::part", &mut modules);
    let imports = Crate { modules }.imports();
    assert!(imports.values().all(BTreeMap::is_empty), "{imports:?}");
}
