//! The documentation and the code name the same types.

#[test]
fn the_documented_types_of_columns_are_those_that_are_declared() {
    koan_backup_sql::documented::require_documented("SQLite", crate::ddl::declared_type);
}
