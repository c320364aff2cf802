//! The server of a program with a configuration.

use koan_backup_tests::receiver::Receiver;
use koan_backup_tests::wait;

use super::client::Serving;
use crate::shop::Shop;

/// Returns a shop with a configuration that ends with `text`.
fn shop(text: &str) -> Shop {
    let shop = Shop::new(3);
    let configuration = format!(
        "application = \"shop\"\nenvironment = \"test\"\n[providers]\nmain = \"sqlite:shop.db\"\n[storage]\n\
         local = \"storage/local\"\n[paths]\nroot = \"state\"\n[encryption]\nrecipients = [{:?}]\n\
         keys = [{{ file = \"koan.key\" }}]\n{text}",
        shop.recipient()
    );
    std::fs::write(shop.directory().join("koan.toml"), configuration).expect("a configuration");
    std::fs::write(shop.directory().join("koan.key"), shop.key()).expect("a key");
    shop
}

#[test]
fn the_settings_of_the_configuration_are_used_and_a_flag_replaces_one() {
    let shop = shop(
        "[http]\nlisten = \"127.0.0.1:0\"\nrole_without_tokens = \"operator\"\npublic_path = \"/ops\"\n\
         audit_log = \"audit.jsonl\"\nmax_body_bytes = 100\nmax_running_operations = 1\n\
         max_queued_operations = 1\nmax_connections = 5\nclient_timeout = \"5s\"\n\
         allow_origins = [\"https://admin.example.org\"]\nseveral_replicas = true\n",
    );
    let server = Serving::run(shop.configured_by_file(&["serve"]));
    assert!(server.line.contains("/ops;") && server.line.contains("the role operator"), "{}", server.line);
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(100));
    assert_eq!(server.post("/api/backup/all", &large).status, 413);
    assert_eq!(server.post("/api/backup/all?wait=true", "{}").status, 200, "the profile is created");
    assert!(shop.directory().join("audit.jsonl").exists(), "the change is logged");
    let asked = server.send("GET", "/healthz", &["Origin: https://admin.example.org"], "");
    assert!(asked.head.contains("access-control-allow-origin"), "{asked:?}");
    assert!(!shop.directory().join("state/operations.sqlite").exists());
    drop(server);
    let arguments = ["serve", "--role", "viewer", "--public-path", "/"];
    let server = Serving::run(shop.configured_by_file(&arguments));
    assert!(server.line.contains("the role viewer") && !server.line.contains("/ops"), "{}", server.line);
    drop(server);
    shop.run(&[
        "token",
        "ci",
        "--role",
        "operator",
        "--file",
        &shop.directory().join("t.toml").display().to_string(),
    ])
    .success();
    let server = Serving::run(shop.configured_by_file(&["serve", "--tokens", "t.toml", "--trust-proxy"]));
    assert!(server.line.contains("callers need a token of t.toml"), "{}", server.line);
}

#[test]
fn a_setting_that_the_application_fixes_is_not_changed_by_a_flag() {
    let shop = Shop::new(1);
    let mut command = shop.command(&["serve", "--listen", "127.0.0.1:0"]);
    let output = command.env("SHOP_FIXED", "http.listen=127.0.0.1:1").output().expect("the shop runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("`http.listen` is fixed by the application"), "{text}");
}

#[test]
fn metrics_and_notifications_include_what_requests_start() {
    let receiver = Receiver::answering([]);
    let shop = shop(&format!(
        "[http]\nlisten = \"127.0.0.1:0\"\nrole_without_tokens = \"admin\"\n\
         [expectations.series.nightly]\nbackup_within = \"1d\"\n\
         [notifications.cron]\nkind = \"health_check\"\nurl = {:?}\n",
        receiver.url("ping")
    ));
    let server = Serving::run(shop.configured_by_file(&["serve"]));
    let never = "koan_backup_last_success_timestamp_seconds{name=\"nightly\"} 0\n";
    let metrics = server.get("/metrics");
    assert!(metrics.head.contains("content-type: application/openmetrics-text"), "{metrics:?}");
    assert!(metrics.body.contains(never), "{}", metrics.body);
    assert_eq!(server.post("/api/backup/all?wait=true", "{\"name\": \"nightly\"}").status, 200);
    let metrics = server.get("/metrics").body;
    let counted = "koan_backup_runs_total{name=\"nightly\",outcome=\"completed\"} 1\n";
    assert!(metrics.contains(counted) && !metrics.contains(never), "{metrics}");
    wait::until_blocking("the check is notified of the start and the success", || {
        let pings = receiver.targets();
        pings.len() == 2 && pings[0].contains("/ping/start")
    });
}

#[test]
fn maintenance_of_the_configuration_runs_while_the_server_runs() {
    let shop = shop(
        "[http]\nlisten = \"127.0.0.1:0\"\n[retention]\nkeep_last = 1\n\
         [maintenance]\nenabled = true\nevery = \"1s\"\nverify = false\n",
    );
    for _ in 0..2 {
        let status = shop.configured_by_file(&["backup", "nightly"]).status().expect("the shop runs");
        assert!(status.success());
    }
    assert_eq!(shop.archives().len(), 2);
    let server = Serving::run(shop.configured_by_file(&["serve"]));
    wait::until_blocking("maintenance removes the older backup", || shop.archives().len() == 1);
    server.signal("TERM");
    assert_eq!(server.ended().code(), Some(130));
}
