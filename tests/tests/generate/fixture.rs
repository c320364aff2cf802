//! The comparison of a generated module with the compiled one, and a backup and restore with it.

use std::path::{Path, PathBuf};

use koan_backup::generate::{GenerateOptions, check, generate};
use koan_backup::prelude::*;
use koan_backup::provider::Provider;
use koan_backup::{
    KoanBuilder,
    entity::{ScopeDeclaration, ScopeMode},
};

/// The scope of this suite.
static SCOPE: ScopeDeclaration = ScopeDeclaration {
    module_path: "generate",
    file: file!(),
    line: line!(),
    mode: ScopeMode::All,
    encrypt_by_default: None,
    include_schema_by_default: None,
};

/// Returns the path of a sample database.
pub(super) fn data(name: &str) -> PathBuf {
    let folder = std::env::var_os("KOAN_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let file = folder.join(name);
    assert!(
        file.is_file(),
        "{} does not exist; set KOAN_TEST_DATA to the folder that contains it",
        file.display()
    );
    file
}

/// Asserts that the compiled module `name` is exactly the one that is generated for the database, that rustfmt does not
/// change it, and that it has no difference from the database.
pub(super) async fn require_generated(provider: &dyn Provider, options: &GenerateOptions, name: &str) {
    let text = generate(provider, options).await.expect("a module");
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/generate/generated")
        .join(name)
        .with_extension("rs");
    if std::env::var_os("KOAN_UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &text).expect("written");
    }
    let compiled = std::fs::read_to_string(&path).expect("a module");
    assert!(
        text == compiled,
        "the generated module differs from {}; run the suite with KOAN_UPDATE_GENERATED=1:\n{text}",
        path.display()
    );
    require_formatted(&text);
    assert_eq!(check(provider, &text).await.expect("a comparison"), []);
}

/// Asserts that rustfmt with its default settings does not change a module.
fn require_formatted(text: &str) {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("module.rs");
    std::fs::write(&file, text).expect("written");
    let rustfmt =
        std::process::Command::new("rustfmt").args(["--edition", "2024", "--check"]).arg(&file).output();
    let output = rustfmt.expect("rustfmt runs");
    assert!(
        output.status.success(),
        "rustfmt changes the module:\n{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

/// Builds a context with the entities of a module, and asserts that the boot report has only the warnings `expected`.
pub(super) async fn covered(
    provider: impl Provider,
    entities: impl FnOnce(KoanBuilder) -> KoanBuilder,
    expected: &[&str],
) -> Koan {
    let builder = Koan::builder().only_registered().provider(provider).storage(Storage::memory());
    let koan = entities(builder).register_scope(&SCOPE).build().await.expect("a context");
    let inventory = koan.inventory();
    let warnings = &inventory.warnings;
    assert_eq!(warnings.len(), expected.len(), "{warnings:#?}");
    for (warning, expected) in warnings.iter().zip(expected) {
        assert!(warning.contains(expected), "the boot report has the warning {warning}, expected {expected}");
    }
    koan
}

/// Backs up and verifies the database, deletes its rows, restores them, and asserts that they are the same.
pub(super) async fn require_round_trip(koan: &Koan, dump: &dyn Fn() -> Vec<String>, delete: &dyn Fn()) {
    let before = dump();
    assert!(!before.is_empty(), "the database has rows");
    let backup = koan.backup("generated").await.expect("a backup");
    assert!(backup.item_count() > 0);
    let _ = koan.verify(backup.id()).await.expect("verified").require_valid().expect("a valid backup");
    delete();
    assert_ne!(dump(), before, "the rows were deleted");
    let _ = koan.restore("generated").await.expect("restored");
    assert_eq!(dump(), before, "the restored rows must equal the original ones");
}
