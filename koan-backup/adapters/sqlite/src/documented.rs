//! The documentation and the code name the same types.

#[test]
fn the_documented_types_of_columns_are_those_that_are_declared() {
    let page = include_str!("../../../docs/types.md");
    koan_backup_sql::documented::require_documented(page, "SQLite", crate::ddl::declared_type);
}
