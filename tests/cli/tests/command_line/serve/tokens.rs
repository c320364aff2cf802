//! New tokens.

use crate::shop::Shop;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_token_is_printed_once_with_its_entry_or_added_to_a_private_file() {
    let shop = Shop::new(1);
    let assert = shop.run(&["token", "ci", "--role", "operator"]).success();
    let printed = text(&assert.get_output().stdout);
    let (secret, entry) = printed.split_once("\n\n").expect("the token and its entry");
    assert!(secret.starts_with("koan_"), "{printed}");
    assert!(entry.starts_with("[[token]]\nname = \"ci\"\nrole = \"operator\"\nsha256 = \""), "{printed}");
    assert!(!entry.contains(secret), "the entry does not contain the token");
    assert!(text(&assert.get_output().stderr).contains("the token is shown only now"));

    let path = shop.directory().join("tokens.toml");
    let file = path.display().to_string();
    let json =
        shop.json(&["token", "root", "--role", "admin", "--expires-in", "90d", "--file", &file, "--json"]);
    let [generated] = json.as_slice() else { panic!("one object: {json:?}") };
    assert_eq!((&generated["name"], &generated["role"]), (&"root".into(), &"admin".into()));
    let written = std::fs::read_to_string(&path).expect("the file");
    assert_eq!(generated["entry"], written.as_str());
    assert!(written.contains(&format!("expires = {}", generated["expires"].as_str().expect("a time"))));
    assert!(!written.contains(generated["token"].as_str().expect("a token")));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).expect("the file").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "only the owner can read the file");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_token_that_cannot_be_shown_is_reported_with_its_entry() {
    let shop = Shop::new(1);
    let file = shop.directory().join("tokens.toml").display().to_string();
    for json in [&[] as &[&str], &["--json"]] {
        let name = if json.is_empty() { "ci" } else { "root" };
        let arguments = [&["token", name, "--role", "admin", "--file", &file], json].concat();
        let full = std::fs::File::options().write(true).open("/dev/full").expect("the device");
        let output = shop.command(&arguments).stdout(full).output();
        let output = output.expect("the command runs");
        assert!(!output.status.success());
        let errors = text(&output.stderr);
        assert!(errors.contains("could not be shown") && errors.contains("remove its entry"), "{errors}");
    }
}

#[test]
fn a_token_that_cannot_be_added_is_refused_and_not_printed() {
    let shop = Shop::new(1);
    let file = shop.directory().join("tokens.toml").display().to_string();
    shop.run(&["token", "ci", "--role", "viewer", "--file", &file]).success();
    let before = std::fs::read_to_string(&file).expect("the file");
    for (arguments, problem) in [
        (&["token", "ci", "--role", "admin", "--file", &file] as &[&str], "ci"),
        (&["token", "x", "--role", "owner", "--file", &file], "role"),
        (&["token", "x", "--role", "viewer", "--expires-in", "0s", "--file", &file], "expire"),
        (&["token", " ", "--role", "viewer", "--file", &file], "name"),
    ] {
        let assert = shop.run(arguments).code(2);
        let output = assert.get_output();
        assert!(output.stdout.is_empty(), "{arguments:?} prints a token");
        assert!(text(&output.stderr).contains(problem), "{arguments:?}: {}", text(&output.stderr));
    }
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), before, "the file is unchanged");
}
