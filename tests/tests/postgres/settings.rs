//! Settings of the server, the database and the role do not change which data is backed up or restored, or
//! the durability of a restore.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use koan_backup::prelude::*;
use koan_backup_tests::postgres::{Server, installed_versions};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::fixture::{all, koan, koan_of};

/// Settings that each connection sets: the name, the value, and another value that a role can have.
const SESSION_PARAMETERS: &[(&str, &str, &str)] = &[
    ("client_encoding", "UTF8", "LATIN1"),
    ("jit", "off", "on"),
    ("DateStyle", "ISO, YMD", "German, DMY"),
    ("IntervalStyle", "iso_8601", "sql_standard"),
    ("TimeZone", "UTC", "Asia/Tokyo"),
    ("timezone_abbreviations", "Default", "India"),
    ("extra_float_digits", "1", "-15"),
    ("bytea_output", "hex", "escape"),
    ("lc_monetary", "C", "POSIX"),
    ("lc_numeric", "C", "POSIX"),
    ("lc_time", "C", "POSIX"),
    ("xmloption", "content", "document"),
    ("xmlbinary", "base64", "hex"),
    ("array_nulls", "on", "off"),
    ("standard_conforming_strings", "on", "off"),
    ("backslash_quote", "safe_encoding", "on"),
    ("escape_string_warning", "off", "on"),
    ("transform_null_equals", "off", "on"),
    ("quote_all_identifiers", "off", "on"),
    ("exit_on_error", "off", "on"),
    ("row_security", "off", "on"),
    ("gin_fuzzy_search_limit", "0", "1"),
    ("default_transaction_isolation", "read committed", "serializable"),
    ("default_transaction_read_only", "off", "on"),
    ("default_transaction_deferrable", "off", "on"),
    ("statement_timeout", "0", "1h"),
    ("lock_timeout", "0", "1h"),
    ("transaction_timeout", "0", "1h"),
    ("idle_in_transaction_session_timeout", "0", "1h"),
    ("idle_session_timeout", "0", "1h"),
    ("default_tablespace", "", "pg_default"),
    ("default_table_access_method", "heap", "other_heap"),
    ("synchronous_commit", "on", "off"),
    ("session_replication_role", "origin", "replica"),
    ("zero_damaged_pages", "off", "on"),
    ("ignore_checksum_failure", "off", "on"),
    ("search_path", "pg_catalog, public, pg_temp", "\"$user\", public"),
];

/// Settings that were reviewed and affect neither the data that is read or written nor its durability.
#[rustfmt::skip]
const WITHOUT_EFFECT: &[&str] = &[
    // These settings affect how statements are planned and executed, but not their results.
    "backend_flush_after", "constraint_exclusion", "cpu_index_tuple_cost", "cpu_operator_cost",
    "cpu_tuple_cost", "cursor_tuple_fraction", "debug_discard_caches", "debug_parallel_query",
    "default_statistics_target", "effective_cache_size", "effective_io_concurrency",
    "enable_async_append", "enable_bitmapscan", "enable_distinct_reordering", "enable_gathermerge",
    "enable_group_by_reordering", "enable_hashagg", "enable_hashjoin", "enable_incremental_sort",
    "enable_indexonlyscan", "enable_indexscan", "enable_material", "enable_memoize",
    "enable_mergejoin", "enable_nestloop", "enable_parallel_append", "enable_parallel_hash",
    "enable_partition_pruning", "enable_partitionwise_aggregate", "enable_partitionwise_join",
    "enable_presorted_aggregate", "enable_self_join_elimination", "enable_seqscan", "enable_sort",
    "enable_tidscan", "force_parallel_mode", "from_collapse_limit", "geqo", "geqo_effort",
    "geqo_generations", "geqo_pool_size", "geqo_seed", "geqo_selection_bias", "geqo_threshold",
    "hash_mem_multiplier", "ignore_system_indexes", "io_combine_limit", "jit_above_cost",
    "jit_debugging_support", "jit_dump_bitcode", "jit_expressions", "jit_inline_above_cost",
    "jit_optimize_above_cost", "jit_profiling_support", "jit_tuple_deforming",
    "join_collapse_limit", "logical_decoding_work_mem", "maintenance_io_concurrency",
    "maintenance_work_mem", "max_parallel_maintenance_workers", "max_parallel_workers",
    "max_parallel_workers_per_gather", "min_parallel_index_scan_size",
    "min_parallel_table_scan_size", "parallel_leader_participation", "parallel_setup_cost",
    "parallel_tuple_cost", "plan_cache_mode", "random_page_cost", "recursive_worktable_factor",
    "seq_page_cost", "stats_fetch_consistency", "synchronize_seqscans", "temp_buffers", "work_mem",
    // These settings affect what is logged, measured and displayed.
    "application_name", "backtrace_functions", "client_min_messages", "compute_query_id",
    "debug_logical_replication_streaming", "debug_pretty_print", "debug_print_parse",
    "debug_print_plan", "debug_print_rewritten", "lc_messages", "log_connections",
    "log_disconnections", "log_duration", "log_error_verbosity", "log_executor_stats",
    "log_lock_failures", "log_lock_waits", "log_min_duration_sample", "log_min_duration_statement",
    "log_min_error_statement", "log_min_messages", "log_parameter_max_length",
    "log_parameter_max_length_on_error", "log_parser_stats", "log_planner_stats",
    "log_replication_commands", "log_statement", "log_statement_sample_rate", "log_statement_stats",
    "log_temp_files", "log_transaction_sample_rate", "post_auth_delay", "trace_notify",
    "trace_sort", "track_activities", "track_cost_delay_timing", "track_counts", "track_functions",
    "track_io_timing", "track_wal_io_timing", "update_process_title",
    // These settings affect how pages, the write-ahead log and temporary files are stored, and what VACUUM
    // does.
    "allow_in_place_tablespaces", "commit_delay", "commit_siblings", "default_toast_compression",
    "file_copy_method", "gin_pending_list_limit", "temp_file_limit", "temp_tablespaces",
    "vacuum_buffer_usage_limit", "vacuum_cost_delay", "vacuum_cost_limit", "vacuum_cost_page_dirty",
    "vacuum_cost_page_hit", "vacuum_cost_page_miss", "vacuum_failsafe_age", "vacuum_freeze_min_age",
    "vacuum_freeze_table_age", "vacuum_max_eager_freeze_failure_rate",
    "vacuum_multixact_failsafe_age", "vacuum_multixact_freeze_min_age",
    "vacuum_multixact_freeze_table_age", "vacuum_truncate", "wal_compression",
    "wal_consistency_checking", "wal_init_zero", "wal_recycle", "wal_sender_timeout",
    "wal_skip_threshold",
    // These settings affect connections, passwords, libraries, and the privileges of roles.
    "allow_system_table_mods", "client_connection_check_interval", "createrole_self_grant",
    "deadlock_timeout", "dynamic_library_path", "event_triggers", "extension_control_path",
    "extension_destdir", "lo_compat_privileges", "local_preload_libraries", "max_stack_depth",
    "md5_password_warnings", "password_encryption", "restrict_nonsystem_relation_kind",
    "scram_iterations", "session_preload_libraries", "tcp_keepalives_count", "tcp_keepalives_idle",
    "tcp_keepalives_interval", "tcp_user_timeout",
    // Each `BEGIN` statement of the provider sets these values.
    "transaction_deferrable", "transaction_isolation", "transaction_read_only",
    // These settings affect functions, collations and texts of applications. The provider creates no
    // such objects.
    "check_function_bodies", "default_text_search_config", "icu_validation_level",
    // These settings affect how function bodies are parsed. The functions of a database were written for the
    // values that the database has.
    "plpgsql.check_asserts", "plpgsql.extra_errors", "plpgsql.extra_warnings", "plpgsql.print_strict_params",
    "plpgsql.variable_conflict",
];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Probe {
    id: i64,
}

/// A table whose check constraint records the settings of each connection that writes a row.
const TABLE_THAT_RECORDS_SETTINGS: &str = "
    CREATE TABLE seen (name text, setting text);
    CREATE FUNCTION look() RETURNS bool LANGUAGE sql AS
        $$ INSERT INTO public.seen SELECT name, setting FROM pg_catalog.pg_settings; SELECT true $$;
    CREATE TABLE probe (id bigint PRIMARY KEY, CHECK (look()));
    CREATE ACCESS METHOD other_heap TYPE TABLE HANDLER heap_tableam_handler";

#[tokio::test(flavor = "multi_thread")]
async fn every_setting_is_either_pinned_or_reviewed_as_without_effect() {
    for version in installed_versions() {
        let server = Server::of_version(version);
        server.sql(TABLE_THAT_RECORDS_SETTINGS);
        let koan = koan(&server, |builder| builder.register::<Probe>()).await;
        let known: BTreeSet<String> =
            server.sql("SELECT name FROM pg_settings").lines().map(str::to_owned).collect();
        let statements =
            SESSION_PARAMETERS.iter().filter(|(name, ..)| known.contains(*name)).map(|(name, _, value)| {
                let value = if *name == "search_path" { (*value).to_owned() } else { format!("'{value}'") };
                format!("ALTER ROLE postgres SET {name} = {value}")
            });
        server.sql(&statements.collect::<Vec<_>>().join("; "));
        koan.data::<Probe>().upsert_many([Probe { id: 1 }]).await.expect("written");
        server.sql("BEGIN READ WRITE; ALTER ROLE postgres RESET ALL; COMMIT");
        let recorded = server.sql("SELECT name || '=' || setting FROM seen");
        let recorded: BTreeMap<&str, &str> =
            recorded.lines().filter_map(|line| line.split_once('=')).collect();
        for (name, expected, _) in SESSION_PARAMETERS.iter().filter(|(name, ..)| known.contains(*name)) {
            let actual = recorded.get(name).expect("a setting").replace('"', "");
            assert_eq!(
                actual, *expected,
                "each connection must set `{name}` on PostgreSQL {version} to the value in `SESSION_PARAMETERS`"
            );
        }
        let context = "context IN ('user', 'superuser', 'backend', 'superuser-backend')";
        let settings = server.sql(&format!(
            "DO 'BEGIN END'; SELECT name || ' (' || category || ')' FROM pg_settings WHERE {context} ORDER BY 1"
        ));
        let is_known = |line: &&str| {
            let name = line.split(' ').next().unwrap_or_default();
            SESSION_PARAMETERS.iter().any(|(pinned, ..)| *pinned == name) || WITHOUT_EFFECT.contains(&name)
        };
        let unreviewed: Vec<&str> = settings.lines().filter(|line| !is_known(line)).collect();
        assert!(
            unreviewed.is_empty(),
            "PostgreSQL {version} has settings that were not reviewed: {unreviewed:?}. Add each setting that affects the data that is \
             read or written, or its durability, to `SESSION_PARAMETERS` (in koan-backup/adapters/postgres/src/settings.rs and in this file), and each \
             other setting to `WITHOUT_EFFECT`"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_error_names_the_dangerous_setting_that_a_role_cannot_change() {
    for (name, value) in [("session_replication_role", "replica"), ("zero_damaged_pages", "on")] {
        let server = Server::with_settings(15, &["fsync=off", &format!("{name}={value}")]);
        server.sql(
            "CREATE TABLE probe (id bigint PRIMARY KEY); CREATE ROLE app LOGIN; GRANT ALL ON probe TO app",
        );
        koan(&server, |builder| builder.register::<Probe>()).await;
        let database = Postgres::connect(server.address_of("app", "test")).expect("an address");
        let builder = Koan::builder().only_registered().provider(database).register::<Probe>();
        let error =
            builder.storage(Storage::memory()).build().await.expect_err("the role cannot change the setting");
        assert!(
            error.chain().contains(&format!("`{name}`")) && error.chain().contains("GRANT SET"),
            "{error:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_keeps_a_synchronous_commit_that_waits_for_standbys() {
    let server = Server::start();
    server.sql(TABLE_THAT_RECORDS_SETTINGS);
    server.sql("ALTER ROLE postgres SET synchronous_commit = remote_apply");
    let koan = koan(&server, |builder| builder.register::<Probe>()).await;
    koan.data::<Probe>().upsert_many([Probe { id: 1 }]).await.expect("written");
    assert_eq!(
        server.sql("SELECT DISTINCT setting FROM seen WHERE name = 'synchronous_commit'"),
        "remote_apply"
    );
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Price {
    id: i64,
    amount: Decimal,
    text: String,
    list: Vec<String>,
}

/// Starts a server with a locale that the machine may lack. Returns the server and the directory of the
/// locale.
fn server_with_locale(locale: &str) -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a directory");
    let status = Command::new("localedef")
        .args(["-i", locale, "-f", "UTF-8"])
        .arg(folder.path().join(format!("{locale}.UTF-8")))
        .status();
    assert!(
        status.expect("localedef is installed; run tests/setup").success(),
        "localedef cannot create the locale {locale}; run tests/setup"
    );
    let open = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("permissions set");
    let server = Server::with_environment(15, &["fsync=off"], &[("LOCPATH", folder.path())]);
    (server, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn money_does_not_depend_on_the_decimal_point_of_the_locale() {
    let (server, _folder) = server_with_locale("de_DE");
    server.sql(
        "CREATE TABLE price (id bigint PRIMARY KEY, amount money NOT NULL, text money NOT NULL, list money[] NOT NULL);
         INSERT INTO price VALUES (1, 12.34, 1234567.89, ARRAY[0.01::money, (-5)::money]), (2, -0.01, 0, '{}')",
    );
    let dump =
        || server.sql("SELECT id, amount::numeric, text::numeric, list::numeric[] FROM price ORDER BY id");
    let before = dump();
    for setting in ["ALTER ROLE postgres SET", "ALTER DATABASE test SET"] {
        server.sql(&format!("{setting} lc_monetary = 'de_DE.UTF-8'"));
        let koan = koan(&server, |builder| builder.register::<Price>()).await;
        assert_eq!(all::<Price>(&koan).await[0].amount.to_string(), "12.34");
        let _ = koan.backup("prices").await.expect("a backup");
        let dry_run = koan.restore("prices").dry_run().await.expect("compared");
        assert_eq!(dry_run.entities[0].counts.unchanged, 2);
        server.sql("DELETE FROM price");
        let _ = koan.restore("prices").await.expect("restored");
        assert_eq!(dump(), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn money_without_two_decimal_places_is_refused_at_boot() {
    let (server, _folder) = server_with_locale("ja_JP");
    server.sql(
        "CREATE TABLE price (id bigint PRIMARY KEY, amount money NOT NULL, text money NOT NULL, list money[] NOT NULL);
         ALTER DATABASE test SET lc_monetary = 'ja_JP.UTF-8'",
    );
    let database = Postgres::connect(server.address()).expect("an address");
    let koan = koan_of(database, |builder| builder.register::<Price>()).await;
    let warnings = koan.inventory().warnings.join("\n");
    for column in ["amount", "text", "list"] {
        assert!(
            warnings.contains(&format!("column `{column}`")) && warnings.contains("lc_monetary"),
            "{warnings}"
        );
    }
    assert!(koan.backup("prices").await.is_err());
}
