//! Files of unlimited size: pipes, devices and files that are too long.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use assert_cmd::assert::OutputAssertExt as _;

use crate::shop::Shop;

/// Creates a file of each kind that must not be read completely, and returns what its error says.
fn replace(path: &Path, limit: u64, kind: usize) -> &'static str {
    let _ = std::fs::remove_file(path);
    match kind {
        0 => {
            symlink("/dev/zero", path).expect("a link");
            "a pipe or a device"
        }
        1 => {
            let made = Command::new("mkfifo").arg(path).status();
            assert!(made.is_ok_and(|status| status.success()), "a pipe is created");
            "a pipe or a device"
        }
        _ => {
            let file = std::fs::File::create(path).expect("a file");
            file.set_len(limit + 1).expect("the length is set");
            "which is the limit for this file"
        }
    }
}

#[test]
fn a_file_that_never_ends_or_is_too_long_is_refused_with_the_remedy() {
    let shop = Shop::with_two_backups();
    let configuration = "[storage]\nlocal = \"storage/local\"\n[encryption]\n\
                         passphrase = { file = \"secret\" }\n";
    std::fs::write(shop.directory().join("secret.toml"), configuration).expect("a configuration");
    std::fs::write(
        shop.directory().join("team.toml"),
        configuration.replace("passphrase = { file = \"secret\" }", "recipients_file = \"team\""),
    )
    .expect("a configuration");
    for (file, limit, code, arguments, remedy) in [
        ("koan.toml", 4 << 20, 2, &["config", "show"] as &[&str], "at most 4 MiB"),
        ("secret", 64 << 10, 2, &["list", "--config", "secret.toml"], "at most 64 KiB"),
        ("team", 1 << 20, 2, &["list", "--config", "team.toml"], "at most 1 MiB"),
        (
            "koan.key",
            1 << 20,
            12,
            &["verify", "latest", "--storage", "storage/local", "--identity", "koan.key"],
            "at most 1 MiB",
        ),
        (
            "entities.rs",
            64 << 20,
            2,
            &["generate", "sqlite:shop.db", "--check", "entities.rs"],
            "at most 64 MiB",
        ),
    ] {
        for kind in 0..3 {
            let reason = replace(&shop.directory().join(file), limit, kind);
            let assert = shop.program(arguments).assert().code(code);
            let text = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
            for expected in [file, reason, remedy] {
                assert!(text.contains(expected), "{arguments:?}: `{expected}`: {text}");
            }
        }
        std::fs::remove_file(shop.directory().join(file)).expect("the file exists");
    }
}
