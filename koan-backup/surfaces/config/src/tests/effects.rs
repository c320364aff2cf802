//! The effect of every key. A key without an effect fails these tests.

use std::collections::BTreeSet;

use super::fixture::{Folder, builder};
use crate::build;
use crate::schema::Shape;
use crate::secret::CommandLimits;

/// What shows the effect of a key.
enum Effect {
    /// The builder of the context contains this text.
    Builder(&'static str),
    /// The options of the provider `main` contain this text.
    Provider(&'static str),
    /// The options of the bucket of the storage profile `s` contain this text.
    Bucket(&'static str),
    /// The targets of notifications contain this text.
    Notification(&'static str),
    /// The settings of the HTTP server contain this text.
    Http(&'static str),
    /// The test with this name shows the effect.
    Test(&'static str),
}

use Effect::{Bucket, Builder, Http, Notification, Provider, Test};

const KEY: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
const SQLITE: &str = "[providers.main]\nurl = \"sqlite:{folder}/shop.db\"\n";
const POSTGRES: &str = "[providers.main]\nurl = \"postgres://ann@localhost/shop?sslmode=verify-full\"\n";
const JSON: &str = "[providers.main]\nurl = \"json:{folder}/data\"\n";
const S3: &str = "[storage.s]\nurl = \"s3://bucket/prefix\"\n";
const MAIL: &str = "[notifications.n]\nkind = \"email\"\nurl = \"smtps://mail\"\nfrom = \"koan@example.com\"\nto = [\"a@b.c\"]\n";
const LOCAL: &str = "[storage.s]\nurl = \"{folder}/backups\"\n";

const TREE: &str = "[directories.t]\nroot = \"fixtures\"\n[directories.t.retention]\nmax_age_days = 999";

/// The keys, each with the rest of its configuration, its line, and its effect.
const EFFECTS: &[(&str, &str, &str, Effect)] = &[
    ("application", "", "application = \"shop\"", Builder("application: Some(\"shop\")")),
    ("environment", "", "environment = \"staging\"", Builder("application_environment: Some(\"staging\")")),
    ("deny_uncovered", "", "deny_uncovered = true", Builder("uncovered_policy: Deny")),
    ("lease_time", "", "lease_time = \"90s\"", Builder("lease_time: 90s")),
    ("catalog_cache", "", "catalog_cache = \"cache\"", Builder("catalog_cache: Some(\"cache\")")),
    ("warm_up", "", "warm_up = true", Builder("is_warming_up: true")),
    ("paths.root", "", "paths.root = \"state\"", Builder("state_directory: Some(\"state\")")),
    ("paths.backups", "", "paths.backups = \"x\"", Builder("default_storage_directory: Some(\"x\")")),
    ("default_storage", "", "default_storage = \"dr\"", Builder("default_storage: Some(\"dr\")")),
    ("backup.name", "[backup]", "name = \"nightly\"", Builder("backup_name: BackupName(\"nightly\")")),
    ("backup.compression", "[backup]", "compression = \"zstd:7\"", Builder("method: Zstd, level: 7")),
    ("backup.batch_size", "[backup]", "batch_size = 77", Builder("batch_size: 77")),
    ("backup.max_concurrency", "[backup]", "max_concurrency = 7", Builder("max_concurrency: 7")),
    ("backup.verify_after", "[backup]", "verify_after = true", Builder("verify_after: true")),
    ("backup.timeout", "[backup]", "timeout = \"77s\"", Builder("timeout: Some(77s)")),
    ("restore.batch_size", "[restore]", "batch_size = 78", Builder("batch_size: 78")),
    ("restore.max_concurrency", "[restore]", "max_concurrency = 8", Builder("max_concurrency: 8")),
    ("restore.level", "[restore]", "level = \"safe\"", Builder("level: Safe")),
    ("restore.on_conflict", "[restore]", "on_conflict = \"keep\"", Builder("conflict: Keep")),
    ("restore.timeout", "[restore]", "timeout = \"78s\"", Builder("timeout: Some(78s)")),
    ("retention.keep_last", "[retention]", "keep_last = 5", Builder("last: Some(5)")),
    ("retention.keep_hourly", "[retention]", "keep_hourly = 5", Builder("hourly: Some(5)")),
    ("retention.keep_daily", "[retention]", "keep_daily = 5", Builder("daily: Some(5)")),
    ("retention.keep_weekly", "[retention]", "keep_weekly = 5", Builder("weekly: Some(5)")),
    ("retention.keep_monthly", "[retention]", "keep_monthly = 5", Builder("monthly: Some(5)")),
    ("retention.keep_yearly", "[retention]", "keep_yearly = 5", Builder("yearly: Some(5)")),
    ("retention.keep_within", "[retention]", "keep_within = \"2d\"", Builder("within_hours: Some(48)")),
    ("retention.max_age_days", "[retention]", "max_age_days = 5", Builder("max_age_days: Some(5)")),
    (
        "retention.max_backups_per_entity",
        "[retention]",
        "max_backups_per_entity = 5",
        Builder("max_backups_per_entity: Some(5)"),
    ),
    (
        "retention.exempt_tags",
        "[retention]\nkeep_last = 1",
        "exempt_tags = [\"legal\"]",
        Builder("exempt_tags: {\"legal\"}"),
    ),
    (
        "retention.released_entities",
        "[retention]\nkeep_last = 1",
        "released_entities = [\"Old\"]",
        Builder("released_entities: {\"Old\"}"),
    ),
    (
        "retention.include_unidentified",
        "[retention]\nkeep_last = 1",
        "include_unidentified = true",
        Builder("include_unidentified: true"),
    ),
    (
        "retention.allow_idle_rules",
        "[retention]\nkeep_last = 1",
        "allow_idle_rules = true",
        Builder("allow_idle_rules: true"),
    ),
    (
        "directories.*.root",
        "[directories.t.retention]\nkeep_last = 1",
        "[directories.t]\nroot = \"fixtures\"",
        Builder("directory_retention: [(\"fixtures\","),
    ),
    ("directories.*.retention.keep_last", TREE, "keep_last = 5", Builder("last: Some(5)")),
    ("directories.*.retention.keep_hourly", TREE, "keep_hourly = 5", Builder("hourly: Some(5)")),
    ("directories.*.retention.keep_daily", TREE, "keep_daily = 5", Builder("daily: Some(5)")),
    ("directories.*.retention.keep_weekly", TREE, "keep_weekly = 5", Builder("weekly: Some(5)")),
    ("directories.*.retention.keep_monthly", TREE, "keep_monthly = 5", Builder("monthly: Some(5)")),
    ("directories.*.retention.keep_yearly", TREE, "keep_yearly = 5", Builder("yearly: Some(5)")),
    ("directories.*.retention.keep_within", TREE, "keep_within = \"2d\"", Builder("within_hours: Some(48)")),
    (
        "directories.*.retention.max_age_days",
        "[directories.t]\nroot = \"fixtures\"\n[directories.t.retention]\nkeep_last = 1",
        "max_age_days = 5",
        Builder("max_age_days: Some(5)"),
    ),
    (
        "directories.*.retention.max_backups_per_entity",
        TREE,
        "max_backups_per_entity = 5",
        Builder("max_backups_per_entity: Some(5)"),
    ),
    (
        "directories.*.retention.exempt_tags",
        TREE,
        "exempt_tags = [\"legal\"]",
        Builder("exempt_tags: {\"legal\"}"),
    ),
    (
        "directories.*.retention.released_entities",
        TREE,
        "released_entities = [\"Old\"]",
        Builder("released_entities: {\"Old\"}"),
    ),
    (
        "directories.*.retention.include_unidentified",
        TREE,
        "include_unidentified = true",
        Builder("include_unidentified: true"),
    ),
    (
        "directories.*.retention.allow_idle_rules",
        TREE,
        "allow_idle_rules = true",
        Builder("allow_idle_rules: true"),
    ),
    ("maintenance.enabled", "[maintenance]", "enabled = true", Builder("is_maintaining: true")),
    ("maintenance.every", "[maintenance]", "every = \"6h\"", Builder("every: 21600s")),
    ("maintenance.jitter", "[maintenance]", "jitter = \"6m\"", Builder("jitter: 360s")),
    ("maintenance.verify", "[maintenance]", "verify = false", Builder("verification_enabled: false")),
    ("maintenance.cleanup", "[maintenance]", "cleanup = false", Builder("cleanup_older_than: None")),
    (
        "maintenance.cleanup_older_than",
        "[maintenance]",
        "cleanup_older_than = \"2d\"",
        Builder("cleanup_older_than: Some(172800s)"),
    ),
    (
        "maintenance.remove_expired_stream_backups",
        "[maintenance]",
        "remove_expired_stream_backups = true",
        Builder("remove_expired_stream_backups: true"),
    ),
    ("maintenance.profiles", "[maintenance]", "profiles = [\"dr\"]", Builder("profiles: [\"dr\"]")),
    ("discovery.enabled", "[discovery]", "enabled = true", Builder("discovery: Some(900s)")),
    ("discovery.every", "[discovery]\nenabled = true", "every = \"1m\"", Builder("discovery: Some(60s)")),
    (
        "expectations.backup_within",
        "[expectations]",
        "backup_within = \"1d\"",
        Builder("every: Some(86400s)"),
    ),
    (
        "expectations.verified_within",
        "[expectations]",
        "verified_within = \"1d\"",
        Builder("verified_within: Some(86400s)"),
    ),
    (
        "expectations.entities_within",
        "[expectations]",
        "entities_within = \"1d\"",
        Builder("entities_within: Some(86400s)"),
    ),
    (
        "expectations.max_loss_percent",
        "[expectations]",
        "max_loss_percent = 7",
        Builder("max_loss_percent: 7"),
    ),
    (
        "expectations.series.*.backup_within",
        "[expectations.series.nightly]",
        "backup_within = \"1d\"",
        Builder("by_name: {\"nightly\": 86400s}"),
    ),
    (
        "expectations.series.*.verified_within",
        "[expectations.series.nightly]",
        "verified_within = \"1d\"",
        Builder("verified_by_name: {\"nightly\": 86400s}"),
    ),
    (
        "encryption.recipients",
        "[encryption]",
        "recipients = [\"{key}\"]",
        Builder("recipients: Some(Recipients"),
    ),
    (
        "encryption.recipients_file",
        "[encryption]",
        "recipients_file = \"{folder}/team.txt\"",
        Builder("recipients: Some(Recipients"),
    ),
    (
        "encryption.passphrase",
        "[encryption]",
        "passphrase = { file = \"{folder}/passphrase\" }",
        Test("a_passphrase_is_a_recipient_and_a_key"),
    ),
    ("encryption.keys", "[encryption]", "keys = [{ env = \"THE_KEY\" }]", Builder("variable `THE_KEY`")),
    (
        "encryption.key_passphrase",
        "[encryption]",
        "key_passphrase = { env = \"OLD\" }",
        Builder("variable `OLD`"),
    ),
    ("providers.*.url", "[providers.main]", "url = \"sqlite:{folder}/shop.db\"", Builder("Sqlite { path:")),
    (
        "providers.*.password",
        POSTGRES,
        "password = { file = \"{folder}/passphrase\" }",
        Test("a_password_is_added_to_an_address"),
    ),
    ("providers.*.read_only", SQLITE, "read_only = true", Provider("access: ReadOnly")),
    ("providers.*.create_if_missing", SQLITE, "create_if_missing = true", Provider("if_missing: Create")),
    ("providers.*.busy_timeout", SQLITE, "busy_timeout = \"7s\"", Provider("busy_timeout: 7s")),
    ("providers.*.lock_timeout", JSON, "lock_timeout = \"7s\"", Provider("lock_timeout: 7s")),
    ("providers.*.layout", JSON, "layout = \"documents\"", Provider("layout: Documents")),
    ("providers.*.connections", POSTGRES, "connections = 7", Provider("connections: 7")),
    ("providers.*.schemas", POSTGRES, "schemas = [\"sales\"]", Provider("schemas: [\"sales\"]")),
    ("providers.*.root_certificate", POSTGRES, "root_certificate = \"{folder}/ca.pem\"", Provider("ca.pem")),
    (
        "providers.*.refresh_materialized_views",
        POSTGRES,
        "refresh_materialized_views = true",
        Provider("materialized_views: Refreshed"),
    ),
    (
        "providers.*.ignore_tables.*",
        SQLITE,
        "ignore_tables = { jobs = \"a queue\" }",
        Provider("{\"jobs\": \"a queue\"}"),
    ),
    (
        "providers.*.ignore_sequences.*",
        POSTGRES,
        "ignore_sequences = { n = \"tickets\" }",
        Provider("ignored_sequences: {\"n\": \"tickets\"}"),
    ),
    (
        "providers.*.ignore_materialized_views.*",
        POSTGRES,
        "ignore_materialized_views = { v = \"a report\" }",
        Provider("ignored_views: {\"v\": \"a report\"}"),
    ),
    (
        "providers.*.ignore_large_objects",
        POSTGRES,
        "ignore_large_objects = \"images\"",
        Provider("ignored_large_objects: Some(\"images\")"),
    ),
    ("providers.*.recomputed.*", SQLITE, "recomputed = { film = \"the reindex\" }", Provider("the reindex")),
    ("storage.*.url", "[storage.s]", "url = \"{folder}/backups\"", Builder("/backups)")),
    (
        "storage.*.create_if_missing",
        LOCAL,
        "create_if_missing = true",
        Test("a_profile_with_a_similar_path_needs_create_if_missing"),
    ),
    ("storage.*.bandwidth_limit", LOCAL, "bandwidth_limit = 7000", Builder("at most 7000 bytes/s")),
    ("storage.*.encrypt_archives", LOCAL, "encrypt_archives = true", Builder("encrypted archives")),
    ("storage.*.region", S3, "region = \"eu-central-1\"", Bucket("\"region\"")),
    ("storage.*.endpoint", S3, "endpoint = \"https://s3.example.com\"", Bucket("\"endpoint\"")),
    ("storage.*.access_key_id", S3, "access_key_id = \"AKIA\"", Bucket("\"access_key_id\"")),
    (
        "storage.*.secret_access_key",
        S3,
        "secret_access_key = { file = \"{folder}/passphrase\" }",
        Bucket("\"secret_access_key\""),
    ),
    ("storage.*.retries", S3, "retries = 7", Bucket("times: 7")),
    ("storage.*.retry_within", S3, "retry_within = \"7s\"", Bucket("within: 7s")),
    (
        "notifications.*.kind",
        "[notifications.n]\nurl = \"https://hc.example.com/x\"",
        "kind = \"health_check\"",
        Notification("kind: HealthCheck"),
    ),
    (
        "notifications.*.url",
        "[notifications.n]\nkind = \"health_check\"",
        "url = \"https://hc.example.com/x\"",
        Notification("https://hc.example.com/***"),
    ),
    (
        "notifications.*.secret",
        MAIL,
        "secret = { file = \"{folder}/passphrase\" }",
        Notification("Some(\"***\")"),
    ),
    (
        "notifications.*.events",
        MAIL,
        "events = [\"failure\", \"start\"]",
        Notification("[\"failure\", \"start\"]"),
    ),
    (
        "notifications.*.from",
        "[notifications.n]\nkind = \"email\"\nurl = \"smtps://mail\"\nto = [\"ops@example.com\"]",
        "from = \"koan@example.com\"",
        Notification("Some(\"koan@example.com\")"),
    ),
    (
        "notifications.*.to",
        "[notifications.n]\nkind = \"email\"\nurl = \"smtps://mail\"\nfrom = \"koan@example.com\"",
        "to = [\"ops@example.com\"]",
        Notification("[\"ops@example.com\"]"),
    ),
    ("http.listen", "[http]", "listen = \"127.0.0.1:9\"", Http("listen: Some(127.0.0.1:9)")),
    ("http.tokens", "[http]", "tokens = \"t.toml\"", Http("tokens: Some(\"t.toml\")")),
    ("http.role_without_tokens", "[http]", "role_without_tokens = \"admin\"", Http("Some(\"admin\")")),
    ("http.audit_log", "[http]", "audit_log = \"a.jsonl\"", Http("audit_log: Some(\"a.jsonl\")")),
    ("http.public_path", "[http]", "public_path = \"/ops\"", Http("public_path: Some(\"/ops\")")),
    ("http.trust_proxy", "[http]", "trust_proxy = true", Http("trust_proxy: true")),
    (
        "http.allow_origins",
        "[http]",
        "allow_origins = [\"https://a.example\"]",
        Http("allow_origins: [\"https://a.example\"]"),
    ),
    ("http.several_replicas", "[http]", "several_replicas = true", Http("several_replicas: true")),
    (
        "http.max_running_operations",
        "[http]",
        "max_running_operations = 7",
        Http("max_running_operations: Some(7)"),
    ),
    (
        "http.max_queued_operations",
        "[http]",
        "max_queued_operations = 7",
        Http("max_queued_operations: Some(7)"),
    ),
    ("http.max_body_bytes", "[http]", "max_body_bytes = 7", Http("max_body_bytes: Some(7)")),
    ("http.max_connections", "[http]", "max_connections = 7", Http("max_connections: Some(7)")),
    ("http.client_timeout", "[http]", "client_timeout = \"7s\"", Http("client_timeout: Some(7s)")),
    ("storage.*.options.*", S3, "options = { allow_http = \"true\" }", Bucket("\"allow_http\"")),
];

/// Returns what the configuration leads to, for the comparison with the expected text.
fn outcome(folder: &Folder, text: &str, effect: &Effect) -> String {
    let loaded = crate::loaded::Loaded::read(&folder.toml(text)).unwrap_or_else(|problems| {
        panic!("`{text}` is valid: {:?}", problems.iter().map(ToString::to_string).collect::<Vec<_>>())
    });
    match effect {
        Builder(_) => {
            let built = build::build(&loaded, builder());
            format!("{:?}", built.unwrap_or_else(|problems| panic!("`{text}` is applied: {problems:?}")))
        }
        Provider(_) => {
            let Some(settings) = loaded.settings.providers.get("main") else { return String::new() };
            let url = settings.url.read(&CommandLimits::default()).expect("the URL is in the file");
            let (scheme, path) = url.split_once(':').expect("a URL");
            match scheme {
                "sqlite" => format!("{:?}", build::sqlite(path, settings)),
                "json" => format!("{:?}", build::json(path, settings).expect("the directory is opened")),
                _ => format!("{:?}", build::postgres(&url, settings)),
            }
        }
        Bucket(_) => {
            let settings = loaded.settings.storage.get("s").expect("the profile is declared");
            let url = settings.url.read(&CommandLimits::default()).expect("the URL is in the file");
            format!("{:?}", build::bucket_options(&url, settings).expect("the secrets are read"))
        }
        Notification(_) => format!("{:?}", build::notifications(&loaded)),
        Http(_) => format!("{:?}", build::http(&loaded)),
        Test(_) => String::new(),
    }
}

#[test]
fn every_key_has_an_effect() {
    let folder = Folder::new();
    folder.database("shop.db");
    folder.write("passphrase", "hunter2\n");
    folder.write("team.txt", KEY);
    for (key, context, line, effect) in EFFECTS {
        let (Builder(expected)
        | Provider(expected)
        | Bucket(expected)
        | Notification(expected)
        | Http(expected)) = effect
        else {
            continue;
        };
        let line = line.replace("{key}", KEY);
        // A provider, profile or directory without its address is not valid, nor is a target without its kind.
        let required = [
            "providers.*.url",
            "storage.*.url",
            "directories.*.root",
            "notifications.*.kind",
            "notifications.*.url",
        ];
        let before = outcome(&folder, if required.contains(key) { "" } else { context }, effect);
        let after = outcome(&folder, &format!("{context}\n{line}\n"), effect);
        assert!(!before.contains(expected), "`{expected}` is there without `{key}`: {before}");
        assert!(after.contains(expected), "`{key}` does not lead to `{expected}`: {after}");
    }
}

#[test]
fn no_key_of_the_schema_is_without_a_test_of_its_effect() {
    let mut keys = BTreeSet::new();
    leaves(Shape::root(), "", &mut keys);
    // The tests of `original` cover these keys.
    keys.retain(|key| !key.starts_with("Koan."));
    let tested: BTreeSet<_> = EFFECTS.iter().map(|(key, ..)| (*key).to_owned()).collect();
    assert_eq!(tested.len(), EFFECTS.len(), "a key occurs twice");
    assert_eq!(keys, tested, "the keys of the schema, and those with a test of their effect");
}

#[test]
fn the_tests_that_show_effects_exist() {
    let sources = [include_str!("operations.rs"), include_str!("secrets.rs"), include_str!("stores.rs")];
    for (key, .., effect) in EFFECTS {
        if let Test(name) = effect {
            let function = format!("fn {name}(");
            assert!(sources.iter().any(|source| source.contains(&function)), "`{key}` has no test `{name}`");
        }
    }
}

/// Collects the paths of all values that the schema allows.
pub(super) fn leaves(shape: Shape, path: &str, keys: &mut BTreeSet<String>) {
    if !shape.is_table() {
        keys.insert(path.to_owned());
        return;
    }
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    for (key, child) in shape.properties() {
        leaves(child, &join(key), keys);
    }
    if let Some(child) = shape.named_values() {
        leaves(child, &join("*"), keys);
    }
}
