//! Checks that the documented column types are the types that the adapter declares.

#[test]
fn the_documented_column_types_are_the_declared_ones() {
    let page = include_str!("../../../docs/types.md");
    koan_backup_sql::documented::require_documented(page, "SQLite", crate::ddl::declared_type);
}
