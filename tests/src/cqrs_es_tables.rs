//! The tables of `cqrs-es`, as the crates `sqlite-es` and `postgres-es` create them.

/// The tables in SQLite.
pub const SQLITE: &str = "
    CREATE TABLE events (aggregate_type TEXT NOT NULL, aggregate_id TEXT NOT NULL,
        sequence INTEGER NOT NULL CHECK (sequence >= 0), event_type TEXT NOT NULL, event_version TEXT NOT NULL,
        payload TEXT NOT NULL, metadata TEXT NOT NULL, PRIMARY KEY (aggregate_type, aggregate_id, sequence));
    CREATE TABLE snapshots (aggregate_type TEXT NOT NULL, aggregate_id TEXT NOT NULL,
        last_sequence INTEGER NOT NULL CHECK (last_sequence >= 0),
        current_snapshot INTEGER NOT NULL CHECK (current_snapshot >= 0), payload TEXT NOT NULL,
        PRIMARY KEY (aggregate_type, aggregate_id, last_sequence));";

/// The tables in PostgreSQL.
pub const POSTGRES: &str = "
    CREATE TABLE events (aggregate_type text NOT NULL, aggregate_id text NOT NULL,
        sequence bigint CHECK (sequence >= 0) NOT NULL, event_type text NOT NULL, event_version text NOT NULL,
        payload json NOT NULL, metadata json NOT NULL, PRIMARY KEY (aggregate_type, aggregate_id, sequence));
    CREATE TABLE snapshots (aggregate_type text NOT NULL, aggregate_id text NOT NULL,
        last_sequence bigint CHECK (last_sequence >= 0) NOT NULL,
        current_snapshot bigint CHECK (current_snapshot >= 0) NOT NULL, payload json NOT NULL,
        PRIMARY KEY (aggregate_type, aggregate_id, last_sequence));";
