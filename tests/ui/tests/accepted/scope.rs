//! Every form of a scope. The linker collects the scopes.

#![deny(warnings)]
#![forbid(unsafe_code)]

use koan_backup::entity::{ScopeDeclaration, ScopeMode};

koan_backup::entity_backup_scope!(mode = All, encrypt_by_default);

mod strict {
    koan_backup::entity_backup_scope!(mode = None);
}

mod written_out {
    use koan_backup as kb;

    kb::entity_backup_scope! {
        crate = kb,
        mode = All,
        encrypt_by_default = false,
        include_schema_by_default = true,
    }
}

fn scope(module: &str) -> ScopeDeclaration {
    let is_of_module = |scope: &&&ScopeDeclaration| scope.module_path == module;
    **koan_backup::__private::SCOPES.iter().find(is_of_module).expect("the scope of the module is linked")
}

#[test]
fn is_accepted() {
    let root = scope(module_path!());
    assert_eq!(
        (root.mode, root.encrypt_by_default, root.include_schema_by_default),
        (ScopeMode::All, Some(true), None)
    );
    assert!(root.file.ends_with("scope.rs"));
    assert_eq!(root.line, 8);

    let strict = scope(&format!("{}::strict", module_path!()));
    assert_eq!(
        (strict.mode, strict.encrypt_by_default, strict.include_schema_by_default),
        (ScopeMode::None, None, None)
    );

    let written = scope(&format!("{}::written_out", module_path!()));
    assert_eq!((written.encrypt_by_default, written.include_schema_by_default), (Some(false), Some(true)));
}
