//! Real faults: killed processes, terminated sessions, wrong passwords and certificates.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use koan_backup::prelude::*;
use koan_backup::{CancellationToken, Event, provider::Provider as _};
use koan_backup_tests::postgres::Server;
use koan_backup_tests::wait;
use serde::{Deserialize, Serialize};

use super::fixture::{koan, koan_of};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Parcel {
    id: i64,
    content: String,
}

const PARCELS: &str = "CREATE TABLE parcel (id bigserial PRIMARY KEY, content text NOT NULL);
    CREATE INDEX parcel_content ON parcel (content);
    INSERT INTO parcel (content) SELECT repeat(md5(g::text), 20) FROM generate_series(1, 60000) g;";
const TERMINATE_READERS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'koan-backup' AND query ILIKE 'COPY%'";

fn state(server: &Server) -> String {
    let rows = server.sql("SELECT count(*), min(content), max(id), md5(string_agg(id::text || content, '' ORDER BY id)) FROM parcel");
    format!("{rows}\n{}", server.schema())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_fails_the_backup_and_no_incomplete_backup_is_published() {
    for is_killed in [false, true] {
        let mut server = Server::start();
        server.sql(PARCELS);
        let koan = koan(&server, |builder| builder.register::<Parcel>()).await;
        let (reached, disconnected) = (CancellationToken::new(), CancellationToken::new());
        let (notify, awaited) = (reached.clone(), disconnected.clone());
        let context = koan.clone();
        let backup = tokio::spawn(async move {
            context
                .backup("interrupted")
                .batch_size(500)
                .on_event(move |event| {
                    if matches!(event, Event::BatchRead { .. }) {
                        notify.cancel();
                        wait::until_blocking("the connection is cut", || awaited.is_cancelled());
                    }
                })
                .await
        });
        reached.cancelled().await;
        if is_killed {
            server.kill();
        } else {
            assert_eq!(server.sql(TERMINATE_READERS), "t", "one backend of the backup must be reading");
        }
        disconnected.cancel();
        let error = backup.await.expect("the task did not panic").expect_err("the connection is gone");
        assert!(error.chain().contains("try again"), "{error:?}");
        assert!(koan.backups().await.expect("listed").iter().all(|manifest| !manifest.status.is_complete()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_or_dropped_backup_ends_its_queries_on_the_server() {
    let server = Server::start();
    server.sql(PARCELS);
    let koan = koan(&server, |builder| builder.register::<Parcel>()).await;
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    let backup = koan.backup("cancelled").batch_size(500).cancel_on(cancel).on_event(move |event| {
        if matches!(event, Event::BatchRead { .. }) {
            token.cancel();
        }
    });
    let error = backup.await.expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let begun = CancellationToken::new();
    let notify = begun.clone();
    let backup = koan.backup("dropped").batch_size(100).on_event(move |event| {
        if matches!(event, Event::BatchRead { .. }) {
            notify.cancel();
            // The delay ensures that the read does not complete before its future is dropped.
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    wait::dropped_at(begun.cancelled(), backup).await;
    server.until_sessions_ended();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_interrupted_anywhere_leaves_the_database_unchanged() {
    let mut server = Server::with_settings(15, &["fsync=on"]);
    server.sql(PARCELS);
    let folder = tempfile::tempdir().expect("a directory");
    let _ = koan_on(&server, folder.path()).await.backup("whole").to_profile("disk").await.expect("a backup");
    server.sql("DELETE FROM parcel WHERE id % 3 = 0; UPDATE parcel SET content = 'changed' WHERE id % 5 = 0");
    let before = state(&server);
    for (round, fault) in ["session", "server", "client", "session", "server"].into_iter().enumerate() {
        let context = koan_on(&server, folder.path()).await;
        let reached = CancellationToken::new();
        let interrupted = CancellationToken::new();
        let (notify, awaited) = (reached.clone(), interrupted.clone());
        let records_before_fault =
            5_000 * (u64::try_from(round).expect("the number of rounds fits into u64") + 1);
        let restore = tokio::spawn(async move {
            context
                .restore("whole")
                .from_profile("disk")
                .replace_existing()
                .batch_size(1000)
                .on_event(move |event| {
                    if matches!(event, Event::BatchRestored { records, .. } if *records >= records_before_fault) {
                        notify.cancel();
                        wait::until_blocking("the restore is interrupted", || awaited.is_cancelled());
                    }
                })
                .await
        });
        reached.cancelled().await;
        match fault {
            "session" => drop(server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'koan-backup'")),
            "server" => server.kill(),
            _ => restore.abort(),
        }
        interrupted.cancel();
        match restore.await {
            Ok(result) => drop(result.expect_err("the restore was interrupted")),
            Err(error) => assert!(error.is_cancelled(), "{error}"),
        }
        if fault == "server" {
            server.up();
        }
        assert_eq!(state(&server), before, "interrupted by: {fault}");
    }
    let koan_after_faults = koan_on(&server, folder.path()).await;
    let report =
        koan_after_faults.restore("whole").from_profile("disk").replace_existing().await.expect("restored");
    assert_eq!(report.record_count(), 60_000);
}

/// Creates a context for the server's current address, because the port changes with each start.
async fn koan_on(server: &Server, folder: &Path) -> Koan {
    let database = Postgres::connect(server.address()).expect("an address");
    let disk = Storage::local(folder).expect("a directory");
    koan_of(database, |builder| builder.register::<Parcel>().named_storage("disk", disk)).await
}

/// Returns the error of a connection to an address.
async fn connection_error(address: String) -> String {
    let database = Postgres::connect(address).expect("an address");
    let error = database.describe(&[]).await.expect_err("the connection fails");
    assert!(!format!("{database:?} {error:?}").contains("s3cret"), "{error:?}");
    error.chain()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_connection_reports_the_reason() {
    let server = Server::start();
    server.sql("SET password_encryption = 'scram-sha-256'; CREATE ROLE ann LOGIN PASSWORD 'right'");
    std::fs::write(
        server.data().join("pg_hba.conf"),
        "host all ann 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n",
    )
    .expect("written");
    server.sql("SELECT pg_reload_conf()");
    let port = server.port();
    let wrong = format!("postgres://ann:s3cret@127.0.0.1:{port}/test");
    wait::until("the server asks for passwords", async || {
        Postgres::connect(wrong.clone()).expect("an address").describe(&[]).await.is_err()
    })
    .await;
    let text = connection_error(wrong).await;
    assert!(text.contains("28P01") && text.contains("check user, password"), "{text}");
    let right = Postgres::connect(format!("postgres://ann:right@127.0.0.1:{port}/test")).expect("an address");
    right.describe(&[]).await.expect("the password is right");
    let text = connection_error(format!("postgres://postgres@127.0.0.1:{port}/shop")).await;
    assert!(text.contains("3D000") && text.contains("check the name of the database"), "{text}");
    let text = connection_error("postgres://ann:s3cret@127.0.0.1:1/test".to_owned()).await;
    assert!(text.contains("127.0.0.1:1/test") && text.contains("check host, port"), "{text}");
    let text = connection_error(format!("postgres://postgres@127.0.0.1:{port}/test?sslmode=require")).await;
    assert!(
        text.contains("enable TLS"),
        "a required TLS connection must not fall back to plain text: {text}"
    );
}

/// Creates a certificate authority, and a certificate for `localhost` that the authority signs.
fn certificates(folder: &Path) {
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(folder).output().expect("openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    std::fs::write(folder.join("ext"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
        .expect("written");
    for name in ["ca", "other"] {
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "30",
            "-subj",
            &format!("/CN={name}"),
            "-keyout",
            &format!("{name}.key"),
            "-out",
            &format!("{name}.pem"),
        ]);
    }
    openssl(&[
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=localhost",
        "-keyout",
        "server.key",
        "-out",
        "server.csr",
    ]);
    openssl(&[
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "30",
        "-extfile",
        "ext",
        "-out",
        "server.crt",
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_verified_if_the_sslmode_requests_it() {
    let folder = tempfile::tempdir().expect("a directory");
    certificates(folder.path());
    let server = Server::start();
    for file in ["server.key", "server.crt"] {
        let target = server.data().join(file);
        std::fs::copy(folder.path().join(file), &target).expect("copied");
        let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(server.data()).expect("metadata"));
        std::os::unix::fs::chown(&target, Some(owner), None).expect("owner changed");
        std::fs::set_permissions(&target, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .expect("permissions set");
    }
    server.sql("ALTER SYSTEM SET ssl = on");
    server.sql("SELECT pg_reload_conf()");
    wait::until_blocking("the server has TLS", || server.sql("SHOW ssl") == "on");
    let port = server.port();
    let address_of = |host: &str, query: &str| format!("postgres://postgres@{host}:{port}/test?{query}");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let verified = format!("sslmode=verify-full&sslrootcert={}", file("ca.pem"));
    for query in ["sslmode=prefer", "sslmode=require", "sslmode=disable", &verified] {
        let database = Postgres::connect(address_of("localhost", query)).expect("an address");
        database.describe(&[]).await.expect(query);
        let _snapshot = database.snapshot().await.expect("a snapshot");
        let encrypted = server.sql("SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'koan-backup'");
        assert_eq!(encrypted, if query.contains("disable") { "f" } else { "t" }, "{query}");
    }
    let text = connection_error(address_of("127.0.0.1", &verified)).await;
    assert!(text.contains("certificate"), "a certificate for another host must be refused: {text}");
    let wrong = format!("sslmode=verify-full&sslrootcert={}", file("other.pem"));
    let text = connection_error(address_of("localhost", &wrong)).await;
    assert!(
        text.contains("certificate") && text.contains("sslrootcert"),
        "a certificate of another authority must be refused: {text}"
    );
    let text = connection_error(address_of(
        "localhost",
        &format!("sslmode=require&sslrootcert={}", file("other.pem")),
    ))
    .await;
    assert!(text.contains("certificate"), "`sslmode=require` with a root certificate must verify: {text}");
    let missing = Postgres::connect(address_of("localhost", "sslmode=verify-full&sslrootcert=/nowhere.pem"));
    assert!(missing.expect_err("no such file").chain().contains("/nowhere.pem"));
}
