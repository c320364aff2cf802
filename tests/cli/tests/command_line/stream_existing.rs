//! `stream list`, `stream verify`, `stream delete` and `stream cleanup`, also in the program without event types.

use assert_cmd::assert::OutputAssertExt as _;
use koan_backup::encryption::KeyPair;

use crate::orders::{Orders, errors, output};

/// Changes one byte in the middle of each content.
fn damage(orders: &Orders) {
    for content in orders.contents() {
        let mut bytes = std::fs::read(&content).expect("the content is read");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&content, bytes).expect("the content is written");
    }
}

#[test]
fn a_list_is_filtered() {
    let orders = Orders::new(&["order-1", "order-2"]);
    let text = errors(&orders.stream(&["list"]).code(0));
    assert!(text.contains("no single backups"), "{text}");
    let first = orders.backup(&["order-1", "--tag", "first", "--metadata", "by=ada"]);
    let second = orders.backup(&["order-2", "--profile", "dr"]);
    let ids = |flags: &[&str]| -> Vec<String> {
        let id = |backup: &serde_json::Value| backup["id"].as_str().expect("an id").to_owned();
        orders.listed(flags).iter().map(id).collect()
    };
    assert_eq!(ids(&[]), [second.clone(), first.clone()], "newest first");
    for flags in [
        &["--tag", "first"] as &[&str],
        &["--metadata", "by=ada"],
        &["--object-id", "order-1"],
        &["--profile", "local"],
    ] {
        assert_eq!(ids(flags), [first.as_str()], "{flags:?}");
    }
    assert_eq!(ids(&["--limit", "1", "--object", "order"]), [second.as_str()]);
    // The two backups are made by processes of their own, so their times differ.
    let between = orders.listed(&["--limit", "1"])[0]["createdAt"].as_str().expect("a time").to_owned();
    assert_eq!(ids(&["--after", &between]), [second.as_str()]);
    assert_eq!(ids(&["--before", &between]), [first.as_str()]);
    assert_eq!((ids(&["--after", "1h"]).len(), ids(&["--before", "1h"]).len()), (2, 0));
    assert_eq!(ids(&["--object", "invoice"]).len(), 0);
    let text = output(&orders.stream(&["list"]).code(0));
    assert!(text.contains("OBJECT ID") && text.contains("order-2") && text.contains(&first[28..]), "{text}");
}

#[test]
fn a_damaged_backup_is_found_and_not_restored() {
    let orders = Orders::new(&["order-1"]);
    let id = orders.backup(&["order-1"]);
    let text = output(&orders.stream(&["verify", &id]).code(0));
    assert!(text.starts_with("valid order order-1") && text.contains("2 events checked"), "{text}");
    damage(&orders);
    for arguments in [&["verify", &id] as &[&str], &["verify", "--all"]] {
        let text = output(&orders.stream(arguments).code(1));
        assert!(text.starts_with("damaged order order-1"), "{text}");
    }
    let before = orders.order("order-1");
    orders.stream(&["restore", &id, "--on-conflict", "overwrite", "--yes"]).code(1);
    assert_eq!(orders.order("order-1"), before);
}

#[test]
fn a_deletion_asks_first() {
    let orders = Orders::new(&["order-1"]);
    let id = orders.backup(&["order-1"]);
    let text = errors(&orders.stream(&["delete", &id]).code(2));
    assert!(text.contains("--yes") && text.contains("order order-1"), "{text}");
    assert_eq!(orders.ids(), [id.as_str()], "nothing is deleted without an answer");
    let text = output(&orders.stream(&["delete", &id, "--yes"]).code(0));
    assert!(text.contains("Deleted the single backup of order order-1"), "{text}");
    assert!(orders.ids().is_empty() && orders.contents().is_empty());
}

#[test]
fn a_backup_whose_description_is_damaged_is_deleted_by_its_id() {
    let orders = Orders::new(&["order-1"]);
    let id = orders.backup(&["order-1", "--folder", "eu"]);
    let beside = orders.backup(&["order-1"]);
    let left = orders.backup(&["order-1"]);
    let damage = |id: &str, text: &str, wrong: &str| {
        let meta = orders.meta(id);
        let content = std::fs::read_to_string(&meta).expect("the description is read");
        assert!(content.contains(text), "{content}");
        std::fs::write(&meta, content.replacen(text, wrong, 1)).expect("the description is written");
    };
    damage(&id, "\"eventCount\"", "\"other\"");
    damage(&beside, "{", "");
    let text = errors(&orders.stream(&["delete", &beside]).code(2));
    assert!(text.contains("--yes") && text.contains(&beside), "it asks first: {text}");
    for id in [&id, &beside] {
        let text = output(&orders.stream(&["delete", id, "--yes"]).code(0));
        assert!(
            text.contains("Deleted the single backup of order ") && !text.contains("encrypted"),
            "{text}"
        );
        assert!(orders.files(id).is_empty(), "{:?}", orders.files(id));
    }
    assert_eq!(orders.ids(), [left.as_str()], "the others are not changed");
    std::fs::remove_file(orders.contents().remove(0)).expect("the content is removed");
    damage(&left, "{", "");
    let text = errors(&orders.stream(&["delete", &left, "--yes"]).code(1));
    assert!(text.contains(&format!("{left}.meta")) && text.contains("by hand"), "{text}");
}

#[test]
fn a_rekey_of_all_backups_says_what_it_did_not_rewrite() {
    let orders = Orders::new(&["order-1", "order-2"]);
    let clear = orders.backup(&["order-1"]);
    let rekey = || {
        let mut command = orders.command(&["rekey", "--all"]);
        command.env("SHOP_RECIPIENT", KeyPair::generate().public_key());
        command.assert()
    };
    let text = output(&rekey().code(0));
    assert!(text.contains("0 single backups rewritten, 1 without encrypted content\n"), "{text}");
    let other = orders.backup(&["order-2"]);
    let meta = std::fs::read_to_string(orders.meta(&other)).expect("the description is read");
    let foreign = meta.replacen("\"orders\"", "\"another\"", 1);
    assert_ne!(meta, foreign);
    std::fs::write(orders.meta(&other), foreign).expect("the description is written");
    std::fs::write(orders.meta(&clear), "{").expect("the description is written");
    let assert = rekey().code(1);
    let text = output(&assert);
    assert!(text.contains("0 single backups rewritten, 1 not readable, 1 of other applications\n"), "{text}");
    assert!(errors(&assert).contains(&format!("{clear}.meta` in profile `local`")), "{}", errors(&assert));
}

#[test]
fn a_cleanup_removes_expired_backups_and_keeps_the_last_one_of_an_existing_stream() {
    let orders = Orders::new(&["order-1", "order-2"]);
    let expired = ["order-1", "--expires-after", "0s"];
    let first = orders.backup(&expired);
    let last = orders.backup(&expired);
    let other = orders.backup(&["order-2", "--expires-after", "30d"]);
    let text = output(&orders.stream(&["cleanup"]).code(0));
    assert!(text.contains(&format!("removed order order-1 {}", &first[28..])), "{text}");
    assert!(text.contains(&format!("kept order order-1 {}", &last[28..])), "{text}");
    assert_eq!(orders.ids(), [other.clone(), last.clone()]);
    let including_last = ["cleanup", "--including-last"];
    let text = errors(&orders.stream(&including_last).code(2));
    assert!(text.contains("--yes") && text.contains("all storage profiles"), "{text}");
    assert_eq!(orders.ids(), [other.clone(), last], "nothing is removed without an answer");
    let text = output(&orders.stream(&[&including_last[..], &["--profile", "dr", "--yes"]].concat()).code(0));
    assert!(text.contains("0 expired single backups removed"), "{text}");
    orders.stream(&[&including_last[..], &["--yes"]].concat()).code(0);
    assert_eq!(orders.ids(), [other]);
}

#[test]
fn the_program_without_event_types_works_on_single_backups() {
    let orders = Orders::new(&["order-1", "order-2"]);
    let id = orders.backup(&["order-1"]);
    let expired = orders.backup(&["order-2", "--expires-after", "0s"]);
    let program = |arguments: &[&str]| orders.program(&[&["stream"], arguments].concat()).assert();
    let text = output(&program(&["list"]).code(0));
    assert!(text.contains("order-1") && text.contains("order-2"), "{text}");
    let assert = program(&["verify", &id]).code(0);
    assert!(output(&assert).starts_with("valid order order-1"), "{}", output(&assert));
    let text = errors(&assert);
    assert!(
        text.contains("were not decoded, because no event type declares the object name `order`"),
        "{text}"
    );
    let text = output(&program(&["cleanup"]).code(0));
    assert!(text.contains(&format!("kept order order-2 {}", &expired[28..])), "{text}");
    program(&["cleanup", "--including-last", "--yes"]).code(0);
    assert_eq!(orders.ids(), [id.as_str()]);
    damage(&orders);
    program(&["verify", "--all"]).code(1);
    program(&["delete", &id[28..], "--yes"]).code(0);
    assert!(orders.ids().is_empty());
}
