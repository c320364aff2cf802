//! The flags and exit codes of `stream restore`, `clone`, `verify`, `delete` and `cleanup`.

use koan_backup::encryption::KeyPair;

use crate::orders::{Orders, errors, output};

/// Removes all events of an order.
fn remove(orders: &Orders, id: &str) {
    orders.remove(id);
    assert_eq!(orders.order(id), None);
}

#[test]
fn the_flags_of_a_restore_reach_its_report() {
    let orders = Orders::new(&["order-1"]);
    orders.add_snapshot("order-1");
    let id = orders.backup(&["order-1", "--full"]);
    for (flags, document, snapshots) in [
        (&[] as &[&str], true, 1),
        (&["--no-document"], false, 1),
        (&["--no-snapshots"], true, 0),
        (&["--description", "drill"], true, 1),
    ] {
        remove(&orders, "order-1");
        let messages = orders.json(&[&["restore", &id], flags].concat());
        let restored =
            messages.iter().find(|message| message["messageType"] == "restored").expect("a report");
        assert_eq!(
            (&restored["document"], &restored["snapshots"]),
            (&document.into(), &snapshots.into()),
            "{flags:?}"
        );
        let description = flags.last().filter(|flag| **flag == "drill");
        assert_eq!(restored["description"].as_str(), description.copied(), "{flags:?}");
    }
}

#[test]
fn without_verification_damage_is_found_before_the_commit() {
    let orders = Orders::new(&["order-1"]);
    let id = orders.backup(&["order-1", "--no-compression"]);
    remove(&orders, "order-1");
    // Both find the damage; only the verification says that it read the complete content.
    let content = orders.files(&format!("{id}.json")).pop().expect("the content");
    let text = std::fs::read_to_string(&content).expect("the content is read");
    std::fs::write(&content, text.replacen("\"total\":20", "\"total\":21", 1))
        .expect("the content is written");
    for flags in [&[] as &[&str], &["--no-verify"]] {
        let text = errors(&orders.stream(&[&["restore", &id], flags].concat()).code(1));
        assert!(text.contains("hash"), "{flags:?}: {text}");
        assert_eq!(orders.order("order-1"), None, "{flags:?}: nothing was restored");
    }
}

#[test]
fn a_restore_of_several_backups_stops_at_the_first_failure_or_continues() {
    let orders = Orders::new(&["order-1", "order-2"]);
    let (first, second) = (orders.backup(&["order-1"]), orders.backup(&["order-2"]));
    remove(&orders, "order-2");
    let restore = ["restore", &first, &second, "--concurrency", "1"];
    let assert = orders.stream(&restore).code(1);
    assert!(
        output(&assert).contains("0 aggregates restored, 1 failed, 1 not begun\n"),
        "{}",
        output(&assert)
    );
    assert_eq!(orders.order("order-2"), None, "the second is not begun");
    let assert = orders.stream(&[&restore[..], &["--continue-on-error"]].concat()).code(3);
    assert!(output(&assert).contains("1 aggregate restored, 1 failed\n"), "{}", output(&assert));
    assert!(orders.order("order-2").is_some());
}

#[test]
fn a_clone_asks_before_it_overwrites() {
    let orders = Orders::new(&["order-1", "order-2"]);
    let id = orders.backup(&["order-1"]);
    orders.append("order-2");
    let before = orders.order("order-2");
    let clone = ["clone", &id, "order-2", "--on-conflict", "overwrite"];
    let text = errors(&orders.stream(&clone).code(2));
    assert!(text.contains("--yes") && text.contains("order order-2"), "{text}");
    assert_eq!(orders.order("order-2"), before, "nothing is written without an answer");
    orders.stream(&[&clone[..], &["--yes"]].concat()).code(0);
    assert_ne!(orders.order("order-2"), before);
}

#[test]
fn a_verification_says_what_it_could_not_read() {
    let orders = Orders::new(&["order-1"]);
    let key = KeyPair::generate();
    orders.back_up_encrypted("order-1", &key);
    let id = orders.ids().remove(0);
    let assert = orders.stream(&["verify", &id]).code(12);
    assert!(output(&assert).starts_with("not verified completely"), "{}", output(&assert));
    std::fs::write(orders.meta(&id), "{").expect("the description is written");
    let assert = orders.stream(&["verify", "--all"]).code(1);
    assert!(
        errors(&assert).contains(&format!("{id}.meta` in profile `local` is damaged")),
        "{}",
        errors(&assert)
    );
    assert!(output(&assert).contains("1 single backup, 1 damaged"), "{}", output(&assert));
    let text = errors(&orders.stream(&["verify", &id, "--all"]).code(2));
    assert!(text.contains("--all"), "{text}");
}

#[test]
fn a_deletion_that_was_interrupted_is_finished_by_the_id() {
    let orders = Orders::new(&["order-1"]);
    let id = orders.backup(&["order-1"]);
    let meta = orders.meta(&id);
    // The process was killed after it had removed the `.meta`.
    std::fs::rename(&meta, meta.with_extension("removal")).expect("the record is written");
    assert!(orders.ids().is_empty() && !orders.contents().is_empty());
    let text = output(&orders.stream(&["delete", &id]).code(0));
    assert!(text.contains("Deleted the single backup of order"), "{text}");
    assert!(orders.files(&id).is_empty(), "{:?}", orders.files(&id));
    orders.stream(&["delete", &id, "--yes"]).code(10);
}

#[test]
fn a_deletion_concerns_the_selected_profile() {
    let orders = Orders::new(&["order-1"]);
    let id = orders.backup(&["order-1", "--profile", "dr"]);
    orders.stream(&["delete", &id, "--yes"]).code(10);
    assert_eq!(orders.listed(&["--profile", "dr"]).len(), 1);
    let meta = orders.files_of("dr", &format!("{id}.meta")).pop().expect("a `.meta`");
    std::fs::write(meta, "{").expect("the description is written");
    let text = output(&orders.stream(&["delete", &id, "--profile", "dr", "--yes"]).code(0));
    assert!(text.contains("Deleted the single backup"), "{text}");
    assert!(orders.files_of("dr", &id).is_empty());
}

#[test]
fn a_cleanup_that_cannot_read_a_description_needs_attention() {
    let orders = Orders::new(&["order-1"]);
    let id = orders.backup(&["order-1"]);
    orders.stream(&["cleanup"]).code(0);
    std::fs::write(orders.meta(&id), "{").expect("the description is written");
    let text = output(&orders.stream(&["cleanup"]).code(3));
    assert!(text.contains(&format!("{id}.meta` in profile local")), "{text}");
}
