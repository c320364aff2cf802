//! Assertions for tests of applications: whether every crate is linked, and whether every entity has a policy.
//!
//! Enable the feature `testing` in dev-dependencies only, so that it is not part of the application:
//!
//! ```toml
//! [dependencies]
//! koan-backup = "0.1"
//!
//! [dev-dependencies]
//! koan-backup = { version = "0.1", features = ["testing"] }
//! ```
//!
//! The linker decides for each program which crates it contains. Put the tests into the program that they check,
//! for example into `src/main.rs`, next to the calls of [`link!`](crate::link):
//!
//! ```no_run
//! # extern crate serde_json as shop_models;
//! koan_backup::link!(shop_models);
//!
//! #[cfg(test)]
//! mod tests {
//!     #[test]
//!     fn every_crate_with_entities_is_linked() {
//!         koan_backup::testing::assert_all_crates_linked();
//!     }
//!
//!     #[test]
//!     fn every_entity_has_a_policy() {
//!         koan_backup::testing::assert_covered();
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! With the feature `memory`, this module also contains the provider [`Memory`], so that a test needs no database.

mod dependency_graph;
mod hand_clock;

use std::path::{Path, PathBuf};

use koan_backup_core::__private::{ENTITIES, SCOPES};
use koan_backup_core::Inventory;

use self::dependency_graph::{DeclaringCrate, declaring_crates};

pub use self::hand_clock::HandClock;
#[cfg(feature = "memory")]
pub use koan_backup_memory::Memory;

/// Panics if an entity of this program has no policy. It needs no database, so it does not check tables and
/// columns; [`KoanBuilder::deny_uncovered`](crate::KoanBuilder::deny_uncovered) does.
///
/// # Panics
/// An entity is uncovered, no entity is linked, two entities share a name, or a crate has two scopes.
#[track_caller]
pub fn assert_covered() {
    match Inventory::linked() {
        Ok(inventory) => inventory.assert_covered(),
        Err(error) => panic!("{}", error.chain()),
    }
}

/// Panics if a crate that is expected to declare entities is not linked into this test program.
///
/// The expected crates are the library of the package under test, and its direct and indirect dependencies that
/// are path dependencies or members of the workspace. Each of them is expected if `koan-backup` is one of its own
/// dependencies. Dev-dependencies, build dependencies, disabled optional dependencies, procedural macros and
/// crates from registries are not expected. A crate is linked if one of its entities or its scope is.
///
/// A library that uses koan-backup and declares no entities is expected as well, because its source does not
/// prove that: macros of other crates can declare entities. Exempt it with [`assert_all_crates_linked_except`].
///
/// The dependencies are those that `cargo metadata` reports for the default features. If a library and a binary of
/// its package have the same name, entities in modules of the binary count as entities of the library; entities in
/// `main.rs` do not.
///
/// ```no_run
/// // In `src/main.rs`, or in another file of the program that is checked.
/// #[test]
/// fn every_crate_with_entities_is_linked() {
///     koan_backup::testing::assert_all_crates_linked();
/// }
/// ```
///
/// # Panics
/// A crate is not linked; the message contains each of these crates and the remedy. It also panics if the program
/// was not started by cargo, or `cargo metadata` fails.
#[track_caller]
pub fn assert_all_crates_linked() {
    assert_all_crates_linked_except::<&str>([]);
}

/// Like [`assert_all_crates_linked`], without the crates in `exempt`, which declare no entities. Hyphens and
/// underscores in names are equal.
///
/// ```no_run
/// #[test]
/// fn every_crate_with_entities_is_linked() {
///     // `shop-jobs` starts backups, but declares no entity.
///     koan_backup::testing::assert_all_crates_linked_except(["shop-jobs"]);
/// }
/// ```
///
/// # Panics
/// As [`assert_all_crates_linked`]. An exempt crate that would not be expected is refused, because its name may be
/// misspelt.
#[track_caller]
pub fn assert_all_crates_linked_except<N: AsRef<str>>(exempt: impl IntoIterator<Item = N>) {
    let exempt: Vec<String> = exempt.into_iter().map(|name| name.as_ref().to_owned()).collect();
    if let Err(problem) = check_crates(&exempt) {
        panic!("{problem}");
    }
}

/// An entity or a scope of this program.
struct Declaration {
    crate_name: &'static str,
    /// The source file, as the compiler names it.
    file: String,
}

fn check_crates(exempt: &[String]) -> Result<(), String> {
    let directory = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).ok_or(
        "the environment variable `CARGO_MANIFEST_DIR` is not set, so the package under test is unknown; run the \
         test with `cargo test` or `cargo nextest run`",
    )?;
    let expected = declaring_crates(&directory)?;
    let is = |name: &str, declaring: &DeclaringCrate| {
        let name = name.replace('-', "_");
        name == declaring.crate_name || name == declaring.package.replace('-', "_")
    };
    let names = |crates: &[&DeclaringCrate]| {
        let names: Vec<_> = crates.iter().map(|declaring| format!("`{}`", declaring.package)).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let all: Vec<_> = expected.iter().collect();
    if let Some(unknown) = exempt.iter().find(|name| !all.iter().any(|declaring| is(name, declaring))) {
        return Err(format!(
            "crate `{unknown}` is exempt, but it is not expected to be linked; remove it, or correct its name; the \
             expected crates are {}",
            names(&all)
        ));
    }
    let declarations = declarations();
    let checked = all.iter().copied().filter(|declaring| !exempt.iter().any(|name| is(name, declaring)));
    let (linked, missing): (Vec<_>, Vec<_>) =
        checked.partition(|declaring| is_linked(declaring, &declarations));
    if missing.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = missing.iter().map(|declaring| format!("\n  {}", declaring.remedy())).collect();
    let exempted: Vec<_> = missing.iter().map(|declaring| format!("{:?}", declaring.package)).collect();
    Err(format!(
        "crates with entities are not linked into this test program:{}\nif they declare no entities, exempt them: \
         `assert_all_crates_linked_except([{}])`; the linked crates are {}",
        lines.concat(),
        exempted.join(", "),
        names(&linked)
    ))
}

/// Returns the entities and scopes that the linker collected.
fn declarations() -> Vec<Declaration> {
    let entities = ENTITIES.iter().map(|entity| {
        let location = entity.location();
        let file = location.rsplit_once(':').map_or(location.as_str(), |(file, _)| file).to_owned();
        Declaration { crate_name: entity.crate_name(), file }
    });
    let scopes = SCOPES.iter().map(|scope| {
        let crate_name = scope.module_path.split("::").next().unwrap_or_default();
        Declaration { crate_name, file: scope.file.to_owned() }
    });
    entities.chain(scopes).collect()
}

/// Returns whether a declaration is in the library, and not in a binary or test of the same name.
fn is_linked(declaring: &DeclaringCrate, declarations: &[Declaration]) -> bool {
    let is_in_program = |file: &str| {
        declaring.programs.iter().any(|program| *program == declaring.workspace_root.join(Path::new(file)))
    };
    declarations
        .iter()
        .any(|declared| declared.crate_name == declaring.crate_name && !is_in_program(&declared.file))
}
