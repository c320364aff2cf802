//! Who may use the server.

use koan_backup_tests::wait;
use serde_json::Value;

use super::client::Serving;
use crate::shop::{Shop, lines};

/// Creates a token in the file `tokens.toml` of the shop, and returns its header line.
fn token(shop: &Shop, name: &str, role: &str) -> String {
    let file = shop.directory().join("tokens.toml").display().to_string();
    let assert = shop.run(&["token", name, "--role", role, "--file", &file]).success();
    let secret = String::from_utf8_lossy(&assert.get_output().stdout).trim().to_owned();
    assert!(secret.starts_with("koan_") && !secret.contains(char::is_whitespace), "{secret}");
    format!("Authorization: Bearer {secret}")
}

/// Runs a command that is refused, and returns its error output.
fn refused(shop: &Shop, arguments: &[&str]) -> String {
    let assert = shop.run(arguments).code(2);
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

#[test]
fn the_root_leads_to_the_web_page_and_other_paths_are_problems() {
    let shop = Shop::new(1);
    for (path, page) in [("/", "/ui"), ("/ops", "/ops/ui")] {
        let server = Serving::start(&shop, &["--public-path", path]);
        let request = format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.address);
        let root = server.exchange(&request);
        assert_eq!(root.status, 303, "{root:?}");
        assert!(root.head.to_lowercase().contains(&format!("location: {page}\r\n")), "{root:?}");
        assert!(server.get("/ui").body.starts_with("<!DOCTYPE html>"));
        let unknown = server.exchange(&request.replace("GET / ", "GET /nothing "));
        assert_eq!(unknown.status, 404, "{unknown:?}");
        assert!(unknown.head.contains("application/problem+json"), "{unknown:?}");
    }
}

#[test]
fn programs_on_this_machine_read_and_do_more_only_with_an_explicit_role() {
    let shop = Shop::new(3);
    let server = Serving::start(&shop, &[]);
    assert!(
        server.line.contains("programs on this machine need no token and have the role viewer"),
        "{}",
        server.line
    );
    assert_eq!(server.get("/backup/capabilities").status, 200);
    let refused = server.post("/api/backup/all", "{}");
    assert_eq!(refused.status, 403, "{refused:?}");
    assert_eq!(server.get("/metrics").status, 404, "the context has no metrics");
    drop(server);
    let server = Serving::start(&shop, &["--role", "admin"]);
    assert!(server.line.contains("have the role admin"), "{}", server.line);
    let made = server.post("/api/backup/all?wait=true", "{\"name\": \"nightly\"}");
    assert_eq!(made.status, 200, "{made:?}");
    assert_eq!(server.get("/backup/users/latest/download").status, 200);
    assert_eq!(shop.ids().len(), 1, "the backup is one of the shop");
}

#[test]
fn without_tokens_other_machines_are_refused_with_the_remedy() {
    let shop = Shop::new(1);
    for (arguments, problem) in [
        (&["--listen", "0.0.0.0:0"] as &[&str], "other machines can reach 0.0.0.0:0"),
        (&["--listen", "[::]:0", "--role", "viewer"], "other machines can reach [::]:0"),
        (&["--trust-proxy"], "callers behind a proxy need tokens"),
    ] {
        let text = refused(&shop, &[&["serve"], arguments].concat());
        assert!(text.contains(problem), "{text}");
        assert!(text.contains("`token NAME --role operator --file tokens.toml`"), "the remedy: {text}");
    }
    token(&shop, "ci", "operator");
    let file = shop.directory().join("tokens.toml").display().to_string();
    let text = refused(&shop, &["serve", "--tokens", &file, "--role", "admin"]);
    assert!(text.contains("--role has no effect"), "{text}");
    let text = refused(&shop, &["serve", "--tokens", "absent.toml"]);
    assert!(text.contains("absent.toml"), "{text}");
    let busy = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = busy.local_addr().expect("an address").to_string();
    let text = refused(&shop, &["serve", "--listen", &address]);
    assert!(text.contains(&format!("the server cannot listen on {address}")), "{text}");
}

#[test]
fn with_a_file_of_tokens_each_caller_has_the_role_of_its_token() {
    let shop = Shop::new(3);
    let operator = token(&shop, "ci", "operator");
    let file = shop.directory().join("tokens.toml").display().to_string();
    let server = Serving::start(&shop, &["--tokens", &file, "--listen", "0.0.0.0:0"]);
    assert!(server.line.contains(&format!("callers need a token of {file}")), "{}", server.line);
    assert_eq!(server.get("/backup/capabilities").status, 401, "this machine needs a token as well");
    let made = server.send("POST", "/api/backup/all?wait=true", &[&operator], "{\"name\": \"nightly\"}");
    assert_eq!(made.status, 200, "{made:?}");
    let manifest = shop.json(&["show", "nightly", "--json"]).remove(0);
    assert!(manifest["triggeredBy"].as_str().expect("a text").contains("ci"), "{manifest}");
    let download = server.send("GET", "/backup/users/latest/download", &[&operator], "");
    assert_eq!(download.status, 403, "{download:?}");
    // A token that is added while the server runs is accepted without a restart. The new role of the known token shows
    // that the server has read the file again; an attempt with the new token before would count as a wrong token.
    let admin = token(&shop, "root", "admin");
    let changed = std::fs::read_to_string(&file).expect("the file").replace("\"operator\"", "\"viewer\"");
    let new = shop.directory().join("tokens.new");
    std::fs::write(&new, changed).expect("the new file");
    std::fs::set_permissions(&new, std::fs::metadata(&file).expect("the file").permissions())
        .expect("permissions");
    std::fs::rename(new, &file).expect("the file is replaced");
    wait::until_blocking("the server has read the file", || {
        server.send("GET", "/api/backup/status", &[&operator], "").body.contains("\"role\":\"viewer\"")
    });
    let download = server.send("GET", "/backup/users/latest/download", &[&admin], "");
    assert_eq!(download.status, 200, "{download:?}");
}

#[test]
fn changes_are_logged_with_the_address_that_a_trusted_proxy_adds() {
    let shop = Shop::new(3);
    let operator = token(&shop, "ci", "operator");
    let file = shop.directory().join("tokens.toml").display().to_string();
    let log = shop.directory().join("audit.jsonl");
    let arguments = ["--tokens", &file, "--audit-log", &log.display().to_string(), "--trust-proxy"];
    let server = Serving::start(&shop, &arguments);
    let headers = [operator.as_str(), "X-Forwarded-For: 192.0.2.7"];
    let made = server.send("POST", "/api/backup/all?wait=true", &headers, "{}");
    assert_eq!(made.status, 200, "{made:?}");
    let entries = lines(&std::fs::read(&log).expect("the audit log"));
    assert_eq!(entries.len(), 2, "{entries:?}");
    for entry in entries {
        assert_eq!((&entry["name"], &entry["peer"]), (&Value::from("ci"), &Value::from("192.0.2.7")));
    }
    drop(server);
    let server = Serving::start(&shop, &arguments[..4]);
    server.send("POST", "/api/backup/all?wait=true", &headers, "{}");
    let last = lines(&std::fs::read(&log).expect("the audit log")).pop().expect("an entry");
    assert_eq!(last["peer"], "127.0.0.1", "without trust, a caller does not choose its address");
}
