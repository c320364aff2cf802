//! The command line on a pseudo-terminal: progress bars, questions, and Ctrl-C.

use rexpect::process::wait::WaitStatus;
use rexpect::session::{Options, PtySession, spawn_with_options};

use crate::shop::Shop;

/// How long a test waits for output. It is only reached if the output does not come.
const TIMEOUT_MS: u64 = 60_000;

/// The sequence that shows the cursor.
const SHOW_CURSOR: &str = "\u{1b}[?25h";

/// Runs the binary on a terminal.
fn on_a_terminal(shop: &Shop, arguments: &[&str]) -> PtySession {
    let mut command = shop.command(arguments);
    // The standard streams become the terminal.
    command.stdin(std::process::Stdio::inherit());
    let options = Options { timeout_ms: Some(TIMEOUT_MS), strip_ansi_escape_codes: false };
    spawn_with_options(command, options).expect("the shop starts")
}

/// Waits for a text on the terminal.
fn expect(session: &mut PtySession, text: &str) -> String {
    session.exp_string(text).unwrap_or_else(|error| panic!("`{text}` was not shown: {error}"))
}

/// Returns a text as the reader of the terminal returns it: with a character for each byte.
fn as_read(text: &str) -> String {
    text.bytes().map(char::from).collect()
}

/// Waits for the end of the process, and returns its exit code and the rest of its output.
fn ended(mut session: PtySession) -> (i32, String) {
    let rest = session.exp_eof().expect("the output ends");
    match session.process().wait().expect("the process ends") {
        WaitStatus::Exited(_, code) => (code, rest),
        other => panic!("the process ended with {other:?}"),
    }
}

#[test]
fn a_backup_shows_a_progress_bar_and_ctrl_c_stops_it() {
    let shop = Shop::new(40);
    std::fs::write(shop.gate(), "").expect("the gate is closed");
    let mut session = on_a_terminal(&shop, &["backup", "nightly", "--batch-size", "1"]);
    expect(&mut session, "Backing up nightly to local");
    expect(&mut session, "Order");
    expect(&mut session, "/ 40 records");
    expect(&mut session, &as_read("━"));
    expect(&mut session, " %");
    shop.wait_for_the_gate();
    session.send_control('c').expect("Ctrl-C is sent");
    expect(&mut session, "interrupted: undoing what was begun");
    shop.open_the_gate();
    expect(&mut session, "error:");
    let (code, rest) = ended(session);
    assert_eq!(code, 130, "{rest}");
    assert_eq!(shop.ids(), Vec::<String>::new(), "nothing is published");
}

#[test]
fn tables_fit_the_terminal() {
    let shop = Shop::with_two_backups();
    shop.sql("DELETE FROM users;");
    shop.run(&["backup", "a-name-that-is-longer-than-a-column-of-the-table"]).success();
    for (columns, commands) in
        [(80, &["list", "ls latest", "inventory", "stats"] as &[&str]), (60, &["list"])]
    {
        for arguments in commands {
            let line = format!(
                "stty rows 24 cols {columns}; exec {} {arguments} 2>/dev/null",
                env!("CARGO_BIN_EXE_shop")
            );
            let mut command = shop.command(&[]);
            let variables: Vec<_> = command
                .get_envs()
                .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
                .collect();
            command = std::process::Command::new("sh");
            command.args(["-c", &line]).envs(variables);
            let options = Options { timeout_ms: Some(TIMEOUT_MS), strip_ansi_escape_codes: true };
            let (code, output) = ended(spawn_with_options(command, options).expect("the shell starts"));
            assert_eq!(code, 0, "{output}");
            // The reader returns a character for each byte.
            let bytes: Vec<u8> = output.chars().filter_map(|c| u8::try_from(u32::from(c)).ok()).collect();
            for line in String::from_utf8_lossy(&bytes).lines() {
                assert!(line.chars().count() <= columns, "{arguments} in {columns} columns: {line}");
            }
        }
    }
}

#[test]
fn a_completed_backup_leaves_a_line_for_each_entity() {
    let shop = Shop::new(40);
    let mut session = on_a_terminal(&shop, &["backup", "nightly"]);
    expect(&mut session, "Order");
    expect(&mut session, "40 records");
    expect(&mut session, "completed nightly");
    assert_eq!(ended(session).0, 0);
}

#[test]
fn verifications_copies_and_rewrites_show_their_progress() {
    let shop = Shop::with_two_backups();
    for (arguments, shown) in [
        (&["verify", "latest"] as &[&str], "records verified"),
        (&["copy", "latest", "--to", "dr"], "archive"),
        (&["rekey", "latest"], "records"),
    ] {
        let mut session = on_a_terminal(&shop, arguments);
        expect(&mut session, shown);
        let (code, rest) = ended(session);
        assert_eq!(code, 0, "{arguments:?}: {rest}");
    }
}

#[test]
fn a_comparison_of_two_backups_shows_its_progress() {
    let shop = Shop::with_two_backups();
    let [newer, older] = shop.ids().try_into().expect("two backups");
    let mut session = on_a_terminal(&shop, &["diff", &older, &newer]);
    expect(&mut session, "24 records compared");
    let (code, rest) = ended(session);
    assert_eq!(code, 3, "{rest}");
    // The result in JSON is one value.
    let diff = shop.json(&["diff", &older, &newer, "--json"]);
    assert_eq!(diff.len(), 1, "{diff:?}");
}

#[test]
fn a_comparison_does_not_claim_that_records_were_written() {
    let shop = Shop::with_two_backups();
    let (code, text) = ended(on_a_terminal(&shop, &["restore", "latest", "--dry-run"]));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("Nothing was written") && !text.contains("records written"), "{text}");
}

#[test]
fn a_restore_that_deletes_asks_for_the_name_of_the_database() {
    let shop = Shop::with_two_backups();
    shop.sql("INSERT INTO users VALUES (99, 'new');");
    let users = || {
        let report = shop.json(&["restore", "latest", "--dry-run", "--replace-existing", "--json"]);
        report.last().expect("a summary")["entities"][2]["counts"]["deleted"].as_u64()
    };
    let ask = |answer: &str| {
        let mut session = on_a_terminal(&shop, &["restore", "latest", "--replace-existing"]);
        expect(&mut session, "This deletes 1 record of User in database shop.db that the backup");
        expect(&mut session, "Type the name of the database to continue");
        session.send_line(answer).expect("the answer is sent");
        ended(session)
    };
    let (code, rest) = ask("main");
    assert_eq!(code, 1, "{rest}");
    assert!(rest.contains("nothing was changed"), "{rest}");
    assert_eq!(users(), Some(1), "the new user still exists");
    let (code, rest) = ask("shop.db");
    assert_eq!(code, 0, "{rest}");
    assert!(rest.contains("restored nightly"), "{rest}");
    assert_eq!(users(), Some(0), "the new user was deleted");
}

#[test]
fn a_question_says_what_happens_also_if_the_output_is_json() {
    let shop = Shop::with_two_backups();
    for (arguments, consequence) in [
        (&["delete", "latest", "--json"] as &[&str], "This deletes nightly"),
        (
            &["restore", "latest", "--json", "--replace-existing"],
            "This replaces the records in database shop.db by those of the backup",
        ),
    ] {
        let mut session = on_a_terminal(&shop, arguments);
        expect(&mut session, consequence);
        expect(&mut session, "ontinue");
        session.send_control('c').expect("Ctrl-C is sent");
        let (code, rest) = ended(session);
        assert_eq!(code, 130, "{rest}");
    }
}

#[test]
fn a_question_is_answered_with_a_key_and_no_is_the_default() {
    let shop = Shop::with_two_backups();
    let oldest = shop.ids().pop().expect("a backup");
    for (answer, code, remaining) in [("\n", 1, 2), ("n", 1, 2), ("y", 0, 1)] {
        let mut session = on_a_terminal(&shop, &["delete", &oldest]);
        expect(&mut session, "This deletes nightly");
        expect(&mut session, "Continue?");
        session.send(answer).and_then(|_| session.flush()).expect("the answer is sent");
        let (exit, rest) = ended(session);
        assert_eq!(exit, code, "{answer:?}: {rest}");
        assert_eq!(shop.ids().len(), remaining, "{answer:?}");
    }
}

#[test]
fn ctrl_c_in_a_question_changes_nothing_and_shows_the_cursor_again() {
    let shop = Shop::with_two_backups();
    for arguments in [&["delete", "latest"] as &[&str], &["restore", "latest", "--replace-existing"]] {
        let mut session = on_a_terminal(&shop, arguments);
        expect(&mut session, "ontinue");
        session.send_control('c').expect("Ctrl-C is sent");
        expect(&mut session, SHOW_CURSOR);
        let (code, rest) = ended(session);
        assert_eq!(code, 130, "{rest}");
    }
    assert_eq!(shop.ids().len(), 2, "both backups exist");
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_in_a_question_restores_the_mode_of_the_terminal() {
    let shop = Shop::with_two_backups();
    let file = |name: &str| shop.directory().join(name);
    let mode = |name: &str| std::fs::read_to_string(file(name)).unwrap_or_default();
    for signal in ["TERM", "HUP"] {
        for arguments in ["delete latest", "restore latest --replace-existing"] {
            let _ = std::fs::remove_file(file("pid"));
            let script = format!(
                "stty -g > before; sh -c 'echo $$ > pid; exec \"$0\" \"$@\"' {} {arguments}; code=$?; \
                 stty -g > after; exit $code",
                env!("CARGO_BIN_EXE_shop")
            );
            let prepared = shop.command(&[]);
            let mut command = std::process::Command::new("sh");
            command.args(["-c", &script]).current_dir(shop.directory());
            command.envs(prepared.get_envs().filter_map(|(name, value)| Some((name, value?))));
            let options = Options { timeout_ms: Some(TIMEOUT_MS), strip_ansi_escape_codes: false };
            let mut session = spawn_with_options(command, options).expect("the shell starts");
            expect(&mut session, "ontinue");
            // The question changes the mode of the terminal when it begins to read.
            let terminal = format!("/proc/{}/fd/0", mode("pid").trim());
            let current = || std::process::Command::new("stty").args(["-g", "-F", &terminal]).output();
            let started = std::time::Instant::now();
            while current().is_ok_and(|output| output.stdout == mode("before").as_bytes()) {
                assert!(started.elapsed().as_millis() < u128::from(TIMEOUT_MS), "the question is not asked");
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            let kill =
                std::process::Command::new("kill").args([&format!("-{signal}"), mode("pid").trim()]).status();
            assert!(kill.is_ok_and(|status| status.success()), "the process exists");
            let (code, rest) = ended(session);
            assert_eq!(code, 130, "{signal} {arguments}: {rest}");
            assert!(rest.contains(SHOW_CURSOR), "{signal} {arguments}: {rest:?}");
            assert_eq!(mode("after"), mode("before"), "{signal} {arguments}: the mode of the terminal");
        }
    }
    assert_eq!(shop.ids().len(), 2, "both backups exist");
}

#[test]
fn colours_are_used_on_a_terminal_and_omitted_with_no_color() {
    let shop = Shop::new(1);
    let mut session = on_a_terminal(&shop, &["show", "nightly"]);
    expect(&mut session, "\u{1b}[31m");
    assert_eq!(ended(session).0, 10);
    let mut command = shop.command(&["show", "nightly"]);
    command.stdin(std::process::Stdio::inherit()).env("NO_COLOR", "1");
    let options = Options { timeout_ms: Some(TIMEOUT_MS), strip_ansi_escape_codes: false };
    let session = spawn_with_options(command, options).expect("the shop starts");
    let (code, rest) = ended(session);
    assert_eq!(code, 10);
    assert!(rest.contains("error: there is no backup"), "the label has no colour: {rest:?}");
}
