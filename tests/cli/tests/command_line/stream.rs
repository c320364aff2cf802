//! `stream backup`, `stream restore` and `stream clone`.

use assert_cmd::assert::OutputAssertExt as _;

use crate::orders::{Orders, errors, output};

#[test]
fn a_restore_refuses_an_existing_aggregate_and_overwrites_it_on_request() {
    let orders = Orders::new(&["order-1"]);
    let before = orders.order("order-1").expect("the order exists");
    let id = orders.backup(&["order-1", "--full"]);
    orders.append("order-1");
    let changed = orders.order("order-1");
    let text = errors(&orders.stream(&["restore", &id]).code(1));
    assert!(text.contains("already exists") && text.contains("`--on-conflict overwrite`"), "{text}");
    assert!(!text.contains("`."), "errors name flags and no methods: {text}");
    assert_eq!(orders.order("order-1"), changed, "a refused restore writes nothing");
    orders.stream(&["restore", &id, "--on-conflict", "keep"]).code(0);
    assert_eq!(orders.order("order-1"), changed, "an existing aggregate is kept");
    let text = errors(&orders.stream(&["restore", &id, "--on-conflict", "overwrite"]).code(2));
    assert!(text.contains("--yes") && text.contains("order order-1"), "without a terminal: {text}");
    assert_eq!(orders.order("order-1"), changed, "nothing is written without an answer");
    for _ in 0..2 {
        let assert = orders.stream(&["restore", &id[28..], "--on-conflict", "overwrite", "--yes"]).code(0);
        assert!(output(&assert).contains("replaced order order-1: 2 events"), "{}", output(&assert));
        assert_eq!(orders.order("order-1").as_ref(), Some(&before), "exactly the events of the backup");
    }
}

#[test]
fn a_clone_has_another_id_and_leaves_its_source_unchanged() {
    let orders = Orders::new(&["order-1"]);
    let source = orders.order("order-1");
    let id = orders.backup(&["order-1"]);
    orders.stream(&["clone", &id, "order-2"]).code(0);
    let clone = orders.order("order-2").expect("the clone exists");
    assert_eq!(clone.as_array().map(Vec::len), Some(2), "{clone}");
    assert_eq!(clone[0]["objectId"], "order-2");
    assert_eq!(orders.order("order-1"), source);
    orders.stream(&["clone", &id, "order-2"]).code(1);
    let text = errors(&orders.stream(&["clone", &id, "order-1"]).code(2));
    assert!(text.contains("`stream restore BACKUP`"), "{text}");
}

#[test]
fn several_aggregates_are_backed_up_and_restored_for_themselves() {
    let orders = Orders::new(&["order-1", "order-2"]);
    let ids = ["order-1", "absent", "order-2", "--concurrency", "1"];
    let backup = |flags: &[&str]| orders.stream(&[&["backup", "order"], &ids[..], flags].concat());
    let assert = backup(&["--continue-on-error"]).code(3);
    assert!(output(&assert).contains("2 aggregates backed up, 1 failed\n"), "{}", output(&assert));
    let text = errors(&assert);
    assert!(text.contains("error: order absent was not backed up\ncaused by: event stream order"), "{text}");
    assert_eq!(text.matches("help: ").count(), 1, "{text}");
    let assert = backup(&[]).code(3);
    assert!(output(&assert).contains("1 aggregate backed up, 1 failed, 1 not begun"), "{}", output(&assert));
    orders.stream(&["backup", "order", "absent", "missing", "--continue-on-error"]).code(10);
    assert_eq!(orders.ids().len(), 3);
    let assert = orders.stream(&["backup", "order", "--all"]).code(0);
    assert!(output(&assert).contains("2 aggregates backed up\n"), "{}", output(&assert));

    let ids = orders.ids();
    let summary = orders.json(&["restore", &ids[0], &ids[1], "--continue-on-error"]);
    let summary = summary.last().expect("a summary");
    assert_eq!((&summary["failed"], &summary["succeeded"]), (&2.into(), &0.into()), "{summary}");
    let keep = ["restore", &ids[0], &ids[1], "--on-conflict", "keep"];
    let assert = orders.stream(&keep).code(0);
    assert!(output(&assert).contains("0 aggregates restored, 2 kept\n"), "{}", output(&assert));
    for (arguments, kept) in [(&keep[..], 2), (&["restore", &ids[0], "--on-conflict", "keep"], 1)] {
        let summary = orders.json(arguments).pop().expect("a summary");
        let counts = (&summary["total"], &summary["succeeded"], &summary["kept"]);
        assert_eq!(counts, (&kept.into(), &0.into(), &kept.into()), "{summary}");
    }
    orders.append("order-1");
    let restore = ["restore", &ids[0], &ids[1], "--on-conflict", "overwrite", "--yes"];
    let assert = orders.stream(&restore).code(0);
    assert!(output(&assert).contains("2 aggregates restored\n"), "{}", output(&assert));
    let order = orders.order("order-1").expect("the order exists");
    assert_eq!(order.as_array().map(Vec::len), Some(2), "{order}");
}

#[test]
fn a_backup_that_is_not_found_does_not_prevent_the_others() {
    let orders = Orders::new(&["order-1", "order-2"]);
    let id = orders.backup(&["order-1"]);
    let absent = "01890000-0000-7000-8000-000000000000";
    let keep = ["--on-conflict", "keep", "--continue-on-error"];
    let assert = orders.stream(&[&["restore", absent, &id], &keep[..]].concat()).code(3);
    assert!(output(&assert).contains("0 aggregates restored, 1 kept, 1 failed\n"), "{}", output(&assert));
    let text = errors(&assert);
    assert!(text.contains(&format!("single backup {absent} was not restored")), "{text}");
    assert!(text.contains("`stream list`"), "{text}");
    let messages = orders.json(&[&["restore", &id, "00000000"], &keep[..]].concat());
    let failure = messages.iter().find(|message| message["messageType"] == "failure").expect("a failure");
    assert_eq!(failure["backup"], "00000000", "{failure}");
    let summary = messages.last().expect("a summary");
    assert_eq!((&summary["total"], &summary["failed"]), (&2.into(), &1.into()), "{summary}");
    orders.stream(&["restore", absent, "00000000", "--continue-on-error"]).code(10);
    // Without the flag, nothing is begun.
    orders.stream(&["restore", absent, &id, "--on-conflict", "keep"]).code(10);

    let assert = orders.stream(&["verify", absent, &id]).code(10);
    assert!(output(&assert).starts_with("valid order order-1"), "{}", output(&assert));
    assert!(output(&assert).contains("2 single backups, 0 damaged, 0 not verified completely, 1 could not"));
    assert!(errors(&assert).contains(&format!("single backup {absent} could not be verified")));
}

#[test]
fn unknown_names_and_ids_are_named() {
    let orders = Orders::new(&["order-1"]);
    let text = errors(&orders.stream(&["backup", "ordr", "order-1"]).code(10));
    assert!(text.contains("`ordr`") && text.contains("`order`"), "{text}");
    let text = errors(&orders.stream(&["backup", "order", "order-9"]).code(10));
    assert!(text.contains("order-9"), "{text}");
    orders.stream(&["backup", "order"]).code(2);
    orders.stream(&["backup", "order", "order-1", "--profile", "absent"]).code(10);
    let absent = "01890000-0000-7000-8000-000000000000";
    for arguments in [
        &["restore", absent] as &[&str],
        &["restore", "00000000"],
        &["clone", absent, "order-2"],
        &["verify", absent],
        &["delete", absent, "--yes"],
    ] {
        let text = errors(&orders.stream(arguments).code(10));
        assert!(text.contains("`stream list`"), "{arguments:?}: {text}");
    }
    let text = errors(&orders.stream(&["restore", "nightly"]).code(2));
    assert!(text.contains("expected an id"), "{text}");
}

#[test]
fn the_flags_of_a_backup_reach_its_description() {
    let orders = Orders::new(&["order-1"]);
    orders.backup(&[
        "order-1",
        "--snapshots",
        "--terminated",
        "--no-document",
        "--no-compression",
        "--profile",
        "dr",
        "--folder",
        "eu",
        "--expires-after",
        "30d",
        "--description",
        "before migration",
        "--metadata",
        "operator=admin",
        "--tag",
        "first",
        "--tag",
        "second",
    ]);
    let backup = orders.listed(&[]).remove(0);
    let includes = serde_json::json!({ "document": false, "snapshots": true, "terminated": true });
    assert_eq!(backup["includes"], includes, "{backup}");
    assert_eq!((&backup["compression"], &backup["profile"]), (&"none".into(), &"dr".into()), "{backup}");
    assert!(backup["location"].as_str().is_some_and(|path| path.starts_with("eu/")), "{backup}");
    assert!(backup["expiresAt"].is_string(), "{backup}");
    assert_eq!(backup["description"], "before migration");
    assert_eq!(backup["metadata"]["operator"], "admin");
    assert_eq!(backup["tags"], serde_json::json!(["first", "second"]));
    let id = orders.backup(&["order-1", "--full"]);
    let full =
        orders.listed(&[]).into_iter().find(|backup| backup["id"] == id.as_str()).expect("it is listed");
    let includes = serde_json::json!({ "document": true, "snapshots": true, "terminated": true });
    assert_eq!(full["includes"], includes, "{full}");
}

#[test]
fn the_inventory_shows_event_streams() {
    let orders = Orders::new(&["order-1"]);
    let text = output(&orders.command(&["inventory"]).assert().code(0));
    let words = text.lines().map(|line| line.split_whitespace().take(4).collect::<Vec<_>>());
    assert!(words.into_iter().any(|words| words == ["order", "event", "streams", "2"]), "{text}");
}
