//! Sets those pragmas of a connection that affect the data that is read or written, or whether a commit
//! survives a crash.
//!
//! A connection starts with the defaults that the SQLite library was compiled with, and the application
//! chooses that library. Therefore each pragma is either set here, or it was reviewed and has no such effect.
//! A test compares both lists with the list of pragmas that SQLite returns.

use rusqlite::{Connection, Result};

/// The purpose of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The connection only reads the database.
    Read,
    /// The connection writes the database.
    Write,
}

/// Pragmas that are set on every connection.
const ALWAYS: &[(&str, &str)] = &[
    // Column names are returned as requested, and statements that write return no rows.
    ("full_column_names", "OFF"),
    ("short_column_names", "ON"),
    ("count_changes", "OFF"),
    ("empty_result_callbacks", "OFF"),
    ("reverse_unordered_selects", "OFF"),
    // LIKE in indexes and CHECK constraints ignores case, as SQLite documents it.
    ("case_sensitive_like", "OFF"),
    // A connection never reads uncommitted changes of another connection.
    ("read_uncommitted", "OFF"),
    ("locking_mode", "NORMAL"),
    // A damaged page is detected when it is read.
    ("cell_size_check", "ON"),
    ("ignore_check_constraints", "OFF"),
    ("writable_schema", "OFF"),
    ("legacy_alter_table", "OFF"),
    // Temporary tables grow with the data, so they are stored in files.
    ("temp_store", "DEFAULT"),
    ("automatic_index", "ON"),
    // The truncation of a memory-mapped file by another process would kill this process.
    ("mmap_size", "0"),
    // If SQLite enforced foreign keys, it would cascade deletes and would check references after each
    // statement. A restore checks the references before the commit.
    ("foreign_keys", "OFF"),
    ("defer_foreign_keys", "OFF"),
    ("recursive_triggers", "OFF"),
];

/// Pragmas that are set on connections that only read. A backup scans tables from their start to their end, which a
/// larger cache does not make faster, and it opens several connections, each of which fills its cache.
const READING: &[(&str, &str)] = &[("cache_size", "-2048")];

/// Pragmas that are set on connections that write. A commit must survive a loss of power.
const WRITING: &[(&str, &str)] = &[
    ("query_only", "OFF"),
    ("synchronous", "EXTRA"),
    ("fullfsync", "ON"),
    ("checkpoint_fullfsync", "ON"),
    // New records are inserted into indexes at random positions.
    ("cache_size", "-16384"),
];

/// Sets the pragmas of a connection, and replaces a journal mode that does not survive a crash.
pub(super) fn set_all(connection: &Connection, role: Role) -> Result<()> {
    let of_role = match role {
        Role::Read => READING,
        Role::Write => WRITING,
    };
    for (pragma, value) in ALWAYS.iter().chain(of_role) {
        set(connection, pragma, value)?;
    }
    if role == Role::Write {
        // A database in journal mode OFF or MEMORY does not survive a crash during a commit. These modes
        // apply only to the connection that set them, so no other connection is affected.
        let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        if matches!(mode.to_ascii_lowercase().as_str(), "off" | "memory") {
            set(connection, "journal_mode", "DELETE")?;
        }
    }
    Ok(())
}

/// Sets a pragma. Some pragmas return a row, which is ignored.
fn set(connection: &Connection, pragma: &str, value: &str) -> Result<()> {
    let mut statement = connection.prepare(&format!("PRAGMA {pragma} = {value}"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pragmas that are set by other code, or that change neither what is read, nor what is written, nor
    /// whether a commit survives a crash. Each has the reason why it needs no setting.
    const REVIEWED: &[(&str, &str)] = &[
        ("analysis_limit", "the number of rows that ANALYZE reads; ANALYZE is never run"),
        ("application_id", "a number in the file, which is never changed"),
        ("auto_vacuum", "a property of the file, which is never changed"),
        ("busy_timeout", "set for each connection by an option"),
        ("cache_spill", "when pages are written to the disk before the commit"),
        ("collation_list", "read-only"),
        ("compile_options", "read-only"),
        ("data_store_directory", "exists on Windows only, deprecated"),
        ("data_version", "read-only"),
        ("database_list", "read-only"),
        ("default_cache_size", "deprecated; the size of the cache is set"),
        ("encoding", "a property of the file; the API converts text to UTF-8"),
        ("foreign_key_check", "read-only"),
        ("foreign_key_list", "read-only"),
        ("freelist_count", "read-only"),
        ("function_list", "read-only"),
        ("hard_heap_limit", "a limit of the process that the application chooses; exceeding it is an error"),
        ("incremental_vacuum", "a command that is never run"),
        ("index_info", "read-only"),
        ("index_list", "read-only"),
        ("index_xinfo", "read-only"),
        ("integrity_check", "read-only"),
        ("journal_mode", "checked by `set_all`"),
        ("journal_size_limit", "the maximum size of an empty journal"),
        ("lock_proxy_file", "exists on macOS only; the application chooses it"),
        ("lock_status", "read-only"),
        ("max_page_count", "exceeding it is an error"),
        ("module_list", "read-only"),
        ("optimize", "a command that is never run"),
        ("page_count", "read-only"),
        ("page_size", "a property of the file, which is never changed"),
        ("pragma_list", "read-only"),
        ("quick_check", "read-only"),
        ("schema_version", "read-only unless it is set"),
        ("secure_delete", "whether deleted content is overwritten; the application chooses it"),
        ("shrink_memory", "a command that is never run"),
        ("soft_heap_limit", "an advisory limit of the process"),
        ("stats", "read-only"),
        ("synchronous", "set on connections that write; the other connections write nothing"),
        ("table_info", "read-only"),
        ("table_list", "read-only"),
        ("table_xinfo", "read-only"),
        ("temp_store_directory", "the directory of temporary files; deprecated"),
        ("threads", "the number of additional threads that sort rows"),
        (
            "trusted_schema",
            "left as compiled, so that constraints and indexes accept the values that the application may write",
        ),
        ("user_version", "a number in the file, which is never changed"),
        ("vdbe_addoptrace", "prints debug output, in debug builds only"),
        ("vdbe_debug", "prints debug output, in debug builds only"),
        ("vdbe_eqp", "prints debug output, in debug builds only"),
        ("vdbe_listing", "prints debug output, in debug builds only"),
        ("vdbe_trace", "prints debug output, in debug builds only"),
        ("parser_trace", "prints debug output, in debug builds only"),
        ("wal_autocheckpoint", "when the write-ahead log is merged into the file; both are durable"),
        ("wal_checkpoint", "a command that is never run"),
        ("query_only", "set when a connection is opened for reading"),
    ];

    fn value(connection: &Connection, pragma: &str) -> String {
        let read = connection
            .query_row(&format!("PRAGMA {pragma}"), [], |row| row.get_ref(0).map(|v| format!("{v:?}")));
        read.unwrap_or_default()
    }

    #[test]
    fn every_pragma_of_sqlite_is_set_or_reviewed() {
        let connection = Connection::open_in_memory().expect("a database");
        let mut statement =
            connection.prepare("SELECT name FROM pragma_pragma_list").expect("SQLite has `pragma_list`");
        let names = statement.query_map([], |row| row.get::<_, String>(0)).expect("the query runs");
        let names: Vec<String> = names.collect::<Result<_>>().expect("each name is text");
        assert!(names.len() > 50, "{names:?}");
        let is_known = |name: &String| {
            ALWAYS.iter().chain(WRITING).any(|(known, _)| known == name)
                || REVIEWED.iter().any(|(known, why)| known == name && !why.is_empty())
        };
        let unknown: Vec<_> = names.iter().filter(|name| !is_known(name)).collect();
        assert!(
            unknown.is_empty(),
            "SQLite has pragmas that are neither set nor reviewed: {unknown:?}; set each pragma that affects \
             the data that is read or written or the durability of a commit, and add the others to `REVIEWED`"
        );
    }

    #[test]
    fn only_a_connection_that_writes_has_a_large_cache() {
        for (role, cache_size) in [(Role::Read, "-2048"), (Role::Write, "-16384")] {
            let connection = Connection::open_in_memory().expect("a database");
            set_all(&connection, role).expect("the pragmas can be set");
            assert_eq!(value(&connection, "cache_size"), format!("Integer({cache_size})"), "{role:?}");
        }
    }

    #[test]
    fn compiled_in_settings_are_overridden() {
        let connection = Connection::open_in_memory().expect("a database");
        connection
            .execute_batch(
                "PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON; PRAGMA reverse_unordered_selects \
                 = ON; PRAGMA ignore_check_constraints = ON; PRAGMA synchronous = OFF; PRAGMA count_changes \
                 = ON; PRAGMA cell_size_check = OFF; PRAGMA defer_foreign_keys = ON; PRAGMA read_uncommitted \
                 = ON; PRAGMA temp_store = MEMORY; PRAGMA automatic_index = OFF; PRAGMA full_column_names = \
                 ON; PRAGMA legacy_alter_table = ON; PRAGMA writable_schema = ON; PRAGMA case_sensitive_like \
                 = ON",
            )
            .expect("the pragmas are valid");
        set_all(&connection, Role::Write).expect("the pragmas can be set");
        for (pragma, wanted) in [
            ("foreign_keys", "0"),
            ("recursive_triggers", "0"),
            ("reverse_unordered_selects", "0"),
            ("ignore_check_constraints", "0"),
            ("synchronous", "3"),
            ("count_changes", "0"),
            ("cell_size_check", "1"),
            ("defer_foreign_keys", "0"),
            ("read_uncommitted", "0"),
            ("temp_store", "0"),
            ("automatic_index", "1"),
            ("full_column_names", "0"),
            ("short_column_names", "1"),
            ("legacy_alter_table", "0"),
            ("writable_schema", "0"),
        ] {
            assert_eq!(value(&connection, pragma), format!("Integer({wanted})"), "{pragma}");
        }
        let like_ignores_case: bool = connection
            .query_row("SELECT 'a' LIKE 'A'", [], |row| row.get(0))
            .expect("the query returns a row");
        assert!(like_ignores_case);
    }
}
