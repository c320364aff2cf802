//! The crates that are expected to declare entities, according to `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Node, Package, PackageId, TargetKind};

/// The packages on which a crate depends to declare entities.
const DECLARING_PACKAGES: [&str; 2] = ["koan-backup", "koan-backup-entity"];

/// A library that is expected to declare entities.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DeclaringCrate {
    /// The name of the package.
    pub(super) package: String,
    /// The name of the library, as it appears in paths.
    pub(super) crate_name: String,
    /// The main files of the package's binaries, examples and tests.
    pub(super) programs: Vec<PathBuf>,
    /// The directory to which the compiler's names of source files are relative.
    pub(super) workspace_root: PathBuf,
    link: Link,
}

/// Where the crate can be linked.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Link {
    /// In the programs of its own package.
    OwnPrograms,
    /// In a package that depends on it, which uses this name for it. `macros` is the crate of `link!` in that package.
    Dependent { package: String, name: String, macros: &'static str },
}

impl DeclaringCrate {
    /// Returns what to do, as a line of a message.
    pub(super) fn remedy(&self) -> String {
        let Self { package, crate_name, .. } = self;
        match &self.link {
            Link::OwnPrograms => format!(
                "`{package}`, the library of this package: write `koan_backup::link!({crate_name});` in the program, \
                 for example in `src/main.rs`"
            ),
            Link::Dependent { package: dependent, name, macros } => {
                format!("`{package}`: write `{macros}::link!({name});` in `{dependent}`, which depends on it")
            }
        }
    }
}

/// Returns the crates that the package in a directory is expected to link, sorted by name.
///
/// # Errors
/// `cargo metadata` fails, or does not report the package.
pub(super) fn declaring_crates(directory: &Path) -> Result<Vec<DeclaringCrate>, String> {
    let manifest = directory.join("Cargo.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(&manifest)
        // Packages that only other platforms need may not have been downloaded.
        .other_options(["--filter-platform", "host-tuple"].map(str::to_owned))
        .exec()
        .map_err(|error| format!("the dependencies of `{}` cannot be read: {error}", manifest.display()))?;
    let graph = Graph::new(&metadata);
    let root = graph.packages.values().find(|package| {
        let found = package.manifest_path.as_std_path();
        found == manifest || found.canonicalize().ok() == manifest.canonicalize().ok()
    });
    let root = root.ok_or_else(|| format!("`cargo metadata` does not report `{}`", manifest.display()))?;
    Ok(graph.declaring_crates(root))
}

/// The resolved dependencies.
struct Graph<'m> {
    packages: BTreeMap<&'m PackageId, &'m Package>,
    nodes: BTreeMap<&'m PackageId, &'m Node>,
    workspace_root: &'m Path,
}

impl<'m> Graph<'m> {
    fn new(metadata: &'m Metadata) -> Self {
        let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
        Self {
            packages: metadata.packages.iter().map(|package| (&package.id, package)).collect(),
            nodes: nodes.map(|node| (&node.id, node)).collect(),
            workspace_root: metadata.workspace_root.as_std_path(),
        }
    }

    fn declaring_crates(&self, root: &'m Package) -> Vec<DeclaringCrate> {
        let mut found: Vec<_> = self.declaring(root, Link::OwnPrograms).into_iter().collect();
        let (mut seen, mut waiting) = (BTreeSet::from([&root.id]), VecDeque::from([root]));
        // Breadth first, so that a crate is linked in the nearest package that depends on it.
        while let Some(dependent) = waiting.pop_front() {
            let macros = self.macros(dependent);
            for (name, package) in self.dependencies(dependent) {
                let is_engine = DECLARING_PACKAGES.contains(&package.name.as_str());
                if is_engine || is_procedural_macro(package) || !seen.insert(&package.id) {
                    continue;
                }
                let (package_name, name) = (dependent.name.to_string(), name.to_owned());
                let link = Link::Dependent { package: package_name, name, macros };
                found.extend(self.declaring(package, link));
                waiting.push_back(package);
            }
        }
        found.sort_by(|a, b| a.package.cmp(&b.package));
        found
    }

    /// Returns the dependencies that are linked into programs, each with its name in the dependent package.
    fn dependencies(&self, package: &Package) -> impl Iterator<Item = (&'m str, &'m Package)> {
        let dependencies = self.nodes.get(&package.id).into_iter().flat_map(|node| &node.deps);
        dependencies
            .filter(|dependency| dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal))
            .filter_map(|dependency| Some((dependency.name.as_str(), *self.packages.get(&dependency.pkg)?)))
    }

    /// Returns the crate from which a package takes macros such as `link!`: `koan_backup`, unless the package depends only
    /// on the crate for models.
    fn macros(&self, package: &Package) -> &'static str {
        let depends_on =
            |name: &str| self.dependencies(package).any(|(_, dependency)| dependency.name.as_str() == name);
        if depends_on("koan-backup-entity") && !depends_on("koan-backup") {
            "koan_backup_entity"
        } else {
            "koan_backup"
        }
    }

    /// Returns the library of a package, if it is local and depends on koan-backup itself.
    fn declaring(&self, package: &'m Package, link: Link) -> Option<DeclaringCrate> {
        let declares =
            |(_, dependency): (&str, &Package)| DECLARING_PACKAGES.contains(&dependency.name.as_str());
        let is_library =
            |kind: &TargetKind| matches!(kind, TargetKind::Lib | TargetKind::RLib | TargetKind::DyLib);
        let (libraries, programs): (Vec<_>, Vec<_>) =
            package.targets.iter().partition(|target| target.kind.iter().any(is_library));
        let library = libraries.first()?;
        let is_expected = package.source.is_none() && self.dependencies(package).any(declares);
        is_expected.then(|| DeclaringCrate {
            package: package.name.to_string(),
            crate_name: library.name.replace('-', "_"),
            programs: programs.iter().map(|target| target.src_path.clone().into_std_path_buf()).collect(),
            workspace_root: self.workspace_root.to_path_buf(),
            link,
        })
    }
}

fn is_procedural_macro(package: &Package) -> bool {
    package.targets.iter().any(|target| target.kind.contains(&TargetKind::ProcMacro))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Writes a package with an empty library, or with another target.
    fn package(root: &Path, name: &str, manifest: &str) {
        let folder = root.join(name);
        fs::create_dir_all(folder.join("src")).expect("a folder");
        fs::write(folder.join("src/lib.rs"), "").expect("a file");
        let manifest = format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n{manifest}");
        fs::write(folder.join("Cargo.toml"), manifest).expect("a manifest");
    }

    #[test]
    fn only_local_libraries_that_are_linked_and_depend_on_koan_backup_are_expected() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let engine = "koan-backup = { path = \"../koan-backup\" }\n";
        package(root, "koan-backup", "");
        package(root, "shop-models", &format!("[lib]\nname = \"models\"\n[dependencies]\n{engine}"));
        package(
            root,
            "light",
            "[dependencies]\nkoan-backup-entity = { path = \"../koan-backup-entity\" }\nbase = { path = \"../base\" }",
        );
        package(root, "koan-backup-entity", "");
        package(root, "base", "[dependencies]\nkoan-backup-entity = { path = \"../koan-backup-entity\" }");
        for name in ["off", "dev", "build", "elsewhere", "of-macro"] {
            package(root, name, &format!("[dependencies]\n{engine}"));
        }
        package(root, "other", "[dev-dependencies]\nkoan-backup = { path = \"../koan-backup\" }");
        package(
            root,
            "macros",
            &format!(
                "[lib]\nproc-macro = true\n[dependencies]\n{engine}of-macro = {{ path = \"../of-macro\" }}"
            ),
        );
        package(
            root,
            "shop",
            &format!(
                "[dependencies]\n{engine}macros = {{ path = \"../macros\" }}\nother = {{ path = \"../other\" }}\n\
                 light = {{ path = \"../light\" }}\noff = {{ path = \"../off\", optional = true }}\n\
                 [dependencies.m]\npackage = \"shop-models\"\npath = \"../shop-models\"\n\
                 [target.'cfg(target_os = \"none\")'.dependencies]\nelsewhere = {{ path = \"../elsewhere\" }}\n\
                 [dev-dependencies]\ndev = {{ path = \"../dev\" }}\n\
                 [build-dependencies]\nbuild = {{ path = \"../build\" }}"
            ),
        );
        fs::write(root.join("shop/src/main.rs"), "fn main() {}").expect("a file");
        let found = declaring_crates(&root.join("shop")).expect("the crates");
        let names: Vec<_> =
            found.iter().map(|found| (found.package.as_str(), found.crate_name.as_str())).collect();
        assert_eq!(
            names,
            [("base", "base"), ("light", "light"), ("shop", "shop"), ("shop-models", "models")]
        );
        assert!(
            found[0].remedy().contains("`koan_backup_entity::link!(base);` in `light`"),
            "{}",
            found[0].remedy()
        );
        assert_eq!(found[2].link, Link::OwnPrograms);
        assert_eq!(found[2].programs.len(), 1);
        assert!(found[3].remedy().contains("`koan_backup::link!(m);` in `shop`"), "{}", found[3].remedy());
    }

    #[test]
    fn a_package_that_does_not_exist_is_an_error_with_its_path() {
        let error = declaring_crates(Path::new("/does/not/exist")).expect_err("no package");
        assert!(error.contains("/does/not/exist"), "{error}");
    }
}
