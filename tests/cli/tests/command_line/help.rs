//! The help of every command, the manual page and the completions.

use clap::Command;
use koan_backup::cli::BackupCommand;

use crate::shop::Shop;

#[test]
fn the_help_of_every_command_is_reviewed() {
    let shop = Shop::new(1);
    let commands = <BackupCommand as clap::Subcommand>::augment_subcommands(Command::new("shop"));
    for command in commands.get_subcommands() {
        let assert = shop.run(&[command.get_name(), "--help"]).success();
        let help = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
        insta::assert_snapshot!(format!("help-{}", command.get_name()), help);
        for part in command.get_subcommands() {
            let assert = shop.run(&[command.get_name(), part.get_name(), "--help"]).success();
            let help = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
            insta::assert_snapshot!(format!("help-{}-{}", command.get_name(), part.get_name()), help);
        }
    }
    let assert = shop.run(&["--help"]).success();
    insta::assert_snapshot!("help", String::from_utf8_lossy(&assert.get_output().stdout));
}

#[test]
fn the_help_of_a_program_with_only_these_commands_says_what_they_are_for() {
    let shop = Shop::new(1);
    let output = shop.command(&["--help"]).env("SHOP_ONLY_BACKUP", "1").output().expect("the shop runs");
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(help.starts_with("Backups of this application\n"), "{help}");
    assert!(!help.contains("clap"), "the help is not for developers: {help}");
}

#[test]
fn an_unknown_command_or_flag_suggests_the_nearest_one() {
    let shop = Shop::new(1);
    for (arguments, suggestion) in
        [(&["restor", "latest"] as &[&str], "'restore'"), (&["list", "--limt", "3"], "'--limit'")]
    {
        let assert = shop.run(arguments).code(2);
        let error = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(error.contains(suggestion), "{arguments:?}: {error}");
    }
}

#[test]
fn the_manual_page_and_the_completions_describe_the_program_that_mounts_the_commands() {
    let shop = Shop::new(1);
    let text = |arguments: &[&str]| {
        let assert = shop.run(arguments).success();
        String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
    };
    let page = text(&["man"]);
    assert!(page.contains("shop\\-seed"), "a command of the shop itself: {page}");
    assert!(text(&["man", "restore"]).contains("\\-\\-replace\\-existing"), "the page of a command");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(text(&["completions", shell]).contains("replace-existing"), "{shell}");
    }
    let mut command = shop.command(&["completions", "bash"]);
    // These commands need neither a database nor storage.
    let output = command.env("SHOP_ONLY_BACKUP", "1").env("SHOP_DATABASE", "/nowhere").output();
    assert!(output.expect("the shop runs").status.success());
}
