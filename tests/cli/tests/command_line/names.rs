//! The ways to refer to a backup.

use crate::shop::Shop;

#[test]
fn a_backup_is_found_by_its_id_its_short_id_its_name_and_latest() {
    let shop = Shop::with_two_backups();
    let [newer, older] = shop.ids().try_into().expect("two backups");
    let short = &older[older.len() - 8..];
    for (reference, expected) in [
        (older.as_str(), &older),
        (short, &older),
        (short.to_uppercase().as_str(), &older),
        ("nightly", &newer),
        ("latest", &newer),
        ("LATEST", &newer),
    ] {
        let shown = shop.json(&["show", reference, "--json"]).remove(0);
        assert_eq!(shown["id"].as_str(), Some(expected.as_str()), "{reference}");
    }
}

#[test]
fn latest_is_narrowed_by_a_name_and_by_the_selected_entities() {
    let shop = Shop::with_two_backups();
    shop.run(&["backup", "users", "--entity", "User"]).success();
    let chosen = |arguments: &[&str]| {
        let arguments = [&["restore", "latest", "--dry-run", "--json"], arguments].concat();
        shop.json(&arguments).remove(0)["name"].as_str().map(str::to_owned)
    };
    assert_eq!(chosen(&[]).as_deref(), Some("nightly"), "the newest backup lacks entities");
    assert_eq!(chosen(&["--entity", "User"]).as_deref(), Some("users"));
    assert_eq!(chosen(&["--entity", "User", "--name", "nightly"]).as_deref(), Some("nightly"));
    let assert = shop.run(&["restore", "latest", "--dry-run", "--entity", "User"]).success();
    let text = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(text.starts_with("Comparing users "), "the command says which backup it chose: {text}");
}

#[test]
fn an_ambiguous_short_id_lists_every_backup_that_it_matches() {
    let shop = Shop::with_two_backups();
    let [newer, older] = shop.ids().try_into().expect("two backups");
    let short = &older[older.len() - 8..];
    // A second manifest whose id ends with the same digits.
    let manifests = shop.directory().join("storage/local/manifests");
    let twin = format!("{}{short}", &newer[..newer.len() - 8]);
    let manifest =
        std::fs::read_to_string(manifests.join(format!("{newer}.json"))).expect("the manifest is read");
    std::fs::write(manifests.join(format!("{twin}.json")), manifest.replace(&newer, &twin))
        .expect("it is written");
    let assert = shop.run(&["show", short]).code(2);
    let error = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(error.contains(&older) && error.contains(&twin), "both are listed: {error}");
    assert!(error.contains("help: select one of them by its complete id"), "{error}");
}
