//! Commands of the configuration that print secrets, and do not end.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::shop::Shop;

/// How long a test waits for an event. It is only reached if the event does not come.
const LIMIT: Duration = Duration::from_secs(60);

/// Returns a shop whose passphrase comes from a command that waits, and starts a process that waits as well.
fn shop() -> Shop {
    let shop = Shop::new(3);
    let script = "echo $$ > secret.pid; sleep 1000 & echo $! > started.pid; touch reached; wait";
    let configuration = format!(
        "application = \"shop\"\nenvironment = \"test\"\n[providers]\nmain = \"sqlite:shop.db\"\n[storage]\n\
         local = \"backups\"\n[encryption]\npassphrase = {{ command = [\"sh\", \"-c\", {script:?}] }}\n"
    );
    std::fs::write(shop.directory().join("koan.toml"), configuration).expect("a configuration");
    shop
}

/// Returns a command that runs in a session of its own, without a terminal.
fn without_a_terminal(command: &Command) -> Command {
    let mut detached = Command::new("setsid");
    detached.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => detached.env(name, value),
            None => detached.env_remove(name),
        };
    }
    detached.current_dir(command.get_current_dir().expect("a directory"));
    detached.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    detached
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < LIMIT, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until the process whose id is in a file has ended.
fn require_ended(shop: &Shop, file: &str) {
    let id = std::fs::read_to_string(shop.directory().join(file)).expect("the process has started");
    let status = PathBuf::from("/proc").join(id.trim()).join("status");
    // A process that has ended and that nobody has waited for is a zombie.
    let runs = || std::fs::read_to_string(&status).is_ok_and(|text| !text.contains("State:\tZ"));
    wait_until(&format!("the process in {file} was not killed"), || !runs());
}

fn interrupt(child: &Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(status.expect("kill runs").success(), "the process exists");
}

#[test]
fn doctor_limits_a_command_that_prints_a_secret_and_kills_what_it_started() {
    let shop = shop();
    for command in [
        shop.configured_by_file(&["doctor", "--timeout", "1s"]),
        shop.program(&["doctor", "--timeout", "1s"]),
    ] {
        let output = without_a_terminal(&command).output().expect("the program runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(3), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("`encryption.passphrase`: the command `sh`"), "the key is named: {text}");
        assert!(text.contains("did not end within 1 second"), "{text}");
        assert!(text.contains("help: execute the command in a terminal"), "{text}");
        require_ended(&shop, "secret.pid");
        require_ended(&shop, "started.pid");
    }
}

#[test]
fn ctrl_c_ends_every_command_that_waits_for_a_secret_and_leaves_no_process() {
    // The limit of `doctor` is longer than this test waits.
    let doctor = ["doctor", "--timeout", "1000s"];
    for arguments in [&doctor as &[&str], &["list"], &["backup"], &["config", "check"]] {
        let shop = shop();
        let mut programs = vec![shop.configured_by_file(arguments)];
        if arguments != ["backup"] {
            programs.push(shop.program(arguments));
        }
        for command in programs {
            let _ = std::fs::remove_file(shop.directory().join("reached"));
            let child = without_a_terminal(&command).spawn().expect("the program starts");
            let reached = shop.directory().join("reached");
            wait_until("the command of the secret was not started", || reached.exists());
            interrupt(&child);
            require_ended(&shop, "secret.pid");
            require_ended(&shop, "started.pid");
            let output = child.wait_with_output().expect("the program ends");
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(130), "{arguments:?}: {errors}");
            assert!(errors.contains("error: the operation was cancelled"), "{arguments:?}: {errors}");
        }
    }
}
