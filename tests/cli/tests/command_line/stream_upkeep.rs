//! Single backups in the commands about all backups: `verify --all`, `health`, `stats` and `doctor`.

use assert_cmd::assert::{Assert, OutputAssertExt as _};
use koan_backup::encryption::KeyPair;
use serde_json::{Value, json};

use crate::orders::{Orders, errors, output};
use crate::shop::{Shop, lines};

/// Runs a command of the shop.
fn run(orders: &Orders, arguments: &[&str]) -> Assert {
    orders.command(arguments).assert()
}

/// Changes one byte in the middle of the only content.
fn damage(orders: &Orders) {
    let content = orders.contents().pop().expect("a content");
    let mut bytes = std::fs::read(&content).expect("the content is read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&content, bytes).expect("the content is written");
}

/// Returns the last line of the JSON output, and the other lines.
fn summary(orders: &Orders, arguments: &[&str]) -> (Value, Vec<Value>) {
    let output = orders.command(&[arguments, &["--json"]].concat()).output().expect("the shop runs");
    let mut messages = lines(&output.stdout);
    (messages.pop().expect("a summary"), messages)
}

#[test]
fn a_verification_of_all_backups_includes_single_backups() {
    let orders = Orders::new(&["order-1"]);
    run(&orders, &["backup", "nightly"]).code(0);
    let text = output(&run(&orders, &["verify", "--all"]).code(0));
    assert!(!text.contains("single backup"), "there are none: {text}");
    let id = orders.backup(&["order-1"]);
    orders.backup(&["order-1", "--profile", "dr"]);
    let text = output(&run(&orders, &["verify", "--all"]).code(0));
    assert!(text.contains("1 single backup, 0 damaged, 0 not verified completely\n"), "{text}");
    let (counts, _) = summary(&orders, &["verify", "nightly"]);
    assert!(counts["streamBackups"].is_null(), "one backup is verified: {counts}");

    damage(&orders);
    let text = output(&run(&orders, &["verify", "--all"]).code(1));
    assert!(text.contains("damaged single backup of order order-1") && text.contains(&id[28..]), "{text}");
    assert!(text.contains("1 backup, 0 damaged") && text.contains("1 single backup, 1 damaged"), "{text}");
    let (counts, messages) = summary(&orders, &["verify", "--all"]);
    let expected = json!({ "backups": 1, "valid": 0, "incomplete": 0, "damaged": 1, "failed": 0 });
    assert_eq!(counts["streamBackups"], expected, "{counts}");
    assert_eq!((&counts["backups"], &counts["damaged"]), (&1.into(), &0.into()), "archives: {counts}");
    let damaged = messages.iter().find(|message| message["messageType"] == "streamVerification");
    let damaged = damaged.unwrap_or_else(|| panic!("the damaged backup: {messages:?}"));
    assert_eq!((&damaged["valid"], &damaged["backup"]["id"]), (&false.into(), &id.into()), "{damaged}");
    run(&orders, &["verify", "--all", "--entity", "invoice", "--profile", "dr"]).code(0);
    run(&orders, &["verify", "--all", "--profile", "dr"]).code(0);
}

#[test]
fn a_description_that_cannot_be_read_fails_the_verification_of_all_backups() {
    let orders = Orders::new(&["order-1"]);
    let id = orders.backup(&["order-1"]);
    std::fs::write(orders.meta(&id), "{").expect("the description is written");
    let assert = run(&orders, &["verify", "--all"]).code(1);
    assert!(
        errors(&assert).contains(&format!("{id}.meta` in profile `local` is damaged")),
        "{}",
        errors(&assert)
    );
    assert!(output(&assert).contains("1 single backup, 1 damaged"), "{}", output(&assert));
}

#[test]
fn a_single_backup_without_a_key_is_not_verified_completely() {
    let orders = Orders::new(&["order-1"]);
    orders.back_up_encrypted("order-1", &KeyPair::generate());
    let assert = run(&orders, &["verify", "--all"]).code(12);
    let text = output(&assert);
    assert!(text.contains("1 single backup, 0 damaged, 1 not verified completely\n"), "{text}");
    assert!(!text.contains("order-1"), "the object id is encrypted: {text}");
    damage(&orders);
    let text = output(&run(&orders, &["verify", "--all"]).code(1));
    assert!(text.contains("damaged single backup of order (its id is encrypted)"), "{text}");
}

#[test]
fn health_and_stats_show_single_backups() {
    let orders = Orders::new(&["order-1"]);
    // No archive was made, which needs attention.
    let text = output(&run(&orders, &["health"]).code(3));
    assert!(text.contains("single backups          0\n"), "an event type is declared: {text}");
    orders.backup(&["order-1", "--expires-after", "0s"]);
    let text = output(&run(&orders, &["health"]).code(3));
    assert!(text.contains("single backups          1, 1 expired\n"), "{text}");
    damage(&orders);
    run(&orders, &["verify", "--all"]).code(1);
    let text = output(&run(&orders, &["health"]).code(3));
    assert!(text.contains("single backups          1, 1 expired, 1 damaged\n"), "{text}");
    let text = output(&run(&orders, &["stats"]).code(0));
    assert!(text.contains("1 single backup, 1 expired, 1 damaged, "), "{text}");
    let (statistics, _) = summary(&orders, &["stats"]);
    let counts = &statistics["streamBackups"];
    assert_eq!((&counts["expired"], &counts["damaged"]), (&1.into(), &1.into()), "{counts}");

    let shop = Shop::with_two_backups();
    for command in ["health", "stats"] {
        let assert = shop.command(&[command]).assert();
        assert!(!output(&assert).contains("single backup"), "no event type: {}", output(&assert));
    }
}

#[test]
fn doctor_reports_single_backups_that_need_attention() {
    let orders = Orders::new(&["order-1", "order-2"]);
    let doctor = || output(&run(&orders, &["doctor"]));
    orders.backup(&["order-1"]);
    assert!(!doctor().contains("single backup"), "nothing needs attention: {}", doctor());
    for _ in 0..2 {
        orders.backup(&["order-2", "--expires-after", "0s"]);
    }
    let text = doctor();
    assert!(
        text.contains("1 expired single backup can be removed") && text.contains("`stream cleanup`"),
        "{text}"
    );

    let ids = orders.ids();
    std::fs::write(orders.meta(&ids[0]), "{").expect("the description is written");
    let meta = orders.meta(&ids[2]);
    let content = std::fs::read_to_string(&meta).expect("the description is read");
    std::fs::write(&meta, content.replacen("\"sizeBytes\": ", "\"sizeBytes\": 9", 1)).expect("written");
    let assert = run(&orders, &["doctor"]).code(3);
    let text = output(&assert);
    assert!(
        text.contains("1 `.meta` file of single backups cannot be read") && text.contains(&ids[0]),
        "{text}"
    );
    assert!(text.contains("1 single backup is damaged") && text.contains(&ids[2]), "{text}");
    let (checks, _) = summary(&orders, &["doctor"]);
    let codes: Vec<_> = checks.as_array().expect("an array").iter().map(|check| &check["code"]).collect();
    for code in ["streamBackupUnreadable", "streamBackupDamaged"] {
        assert!(codes.iter().any(|found| *found == code), "{code} in {codes:?}");
    }
}

#[test]
fn doctor_reports_object_names_that_nothing_declares_and_missing_keys() {
    let orders = Orders::new(&["order-1"]);
    orders.backup(&["order-1"]);
    let known = orders.root().join("local/streams/order");
    let unknown = orders.root().join("local/streams/invoice");
    std::fs::rename(&known, &unknown).expect("the folder is moved");
    let meta = orders.files(".meta").pop().expect("a `.meta`");
    let content = std::fs::read_to_string(&meta).expect("the description is read");
    let content = content.replace("\"order\"", "\"invoice\"").replace("streams/order/", "streams/invoice/");
    std::fs::write(&meta, content).expect("the description is written");
    let text = output(&run(&orders, &["doctor"]).code(0));
    assert!(text.contains("no event type declares the object name of 1 single backup: `invoice`"), "{text}");
    let text = output(&orders.program(&["doctor"]).assert());
    assert!(!text.contains("no event type declares"), "the program declares nothing: {text}");

    let (key, other) = (KeyPair::generate(), KeyPair::generate());
    orders.back_up_encrypted("order-1", &key);
    let doctor = |key: &KeyPair| {
        let mut doctor = orders.command(&["doctor"]);
        output(&doctor.env("SHOP_IDENTITY", key.key_file().as_str()).assert())
    };
    let text = doctor(&other);
    assert!(text.contains("no configured key decrypts 1 single backup; the first is "), "{text}");
    let text = doctor(&key);
    assert!(!text.contains("no configured key decrypts"), "{text}");
}
