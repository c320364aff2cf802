//! The guide of the command line agrees with the commands.

use std::collections::BTreeMap;

use assert_cmd::assert::OutputAssertExt as _;
use clap::{Arg, Command, Subcommand as _};
use koan_backup::cli::BackupCommand;

use crate::shop::Shop;

/// Returns the guide.
fn page() -> &'static str {
    include_str!("../../../../koan-backup/docs/command-line.md")
}

/// Returns the rows of a command in the table of the guide: one, or one for each of its subcommands.
fn rows(command: &Command) -> Vec<String> {
    if !command.has_subcommands() {
        return vec![row(command, command.get_name().to_owned())];
    }
    let name = command.get_name();
    command.get_subcommands().map(|sub| row(sub, format!("{name} {}", sub.get_name()))).collect()
}

fn row(command: &Command, name: String) -> String {
    let mut words = vec![name];
    let aliases = command.get_visible_aliases().map(|alias| format!(", `{alias}`")).collect::<String>();
    for argument in command.get_positionals() {
        let name =
            argument.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str());
        words.push(if argument.is_required_set() { name.to_owned() } else { format!("[{name}]") });
    }
    let is_own = |argument: &&Arg| !["help", "json", "utc"].contains(&argument.get_id().as_str());
    let flags = command.get_opts().filter(is_own).filter_map(Arg::get_long);
    let mut flags: Vec<_> = flags.map(|flag| format!("`--{flag}`")).collect();
    flags.sort();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    format!("| `{}`{aliases} | {about} | {} |", words.join(" "), flags.join(" "))
}

#[test]
fn the_guide_lists_every_command_with_its_flags() {
    let commands = BackupCommand::augment_subcommands(Command::new("shop"));
    let rows: Vec<_> = commands.get_subcommands().flat_map(rows).collect();
    let table = format!("| command | purpose | flags |\n|---|---|---|\n{}\n", rows.join("\n"));
    assert!(page().contains(&table), "command-line.md must contain this table:\n\n{table}");
}

#[test]
fn readme_lists_every_command() {
    let readme = include_str!("../../../../README.md");
    let commands = BackupCommand::augment_subcommands(Command::new("shop"));
    for row in commands.get_subcommands().flat_map(rows) {
        let (without_flags, _) = row.trim_end_matches(" |").rsplit_once(" |").expect("three cells");
        assert!(
            readme.contains(&format!("\n{without_flags} |\n")),
            "README.md must contain this row:\n{without_flags} |"
        );
    }
}

#[test]
fn the_guide_lists_the_commands_of_the_program() {
    let assert = Shop::new(1).program(&["--help"]).assert().code(0);
    let help = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    let (_, commands) = help.split_once("Commands:\n").expect("the list of commands");
    let (commands, _) = commands.split_once("\n\n").expect("the list has an end");
    let names = commands.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names: Vec<_> =
        names.filter(|name| !name.is_empty() && *name != "help").map(|name| format!("`{name}`")).collect();
    let sentence = format!("Its commands are {}.", names.join(" "));
    let text = page().replace('\n', " ");
    assert!(text.contains(&sentence), "command-line.md must contain this sentence:\n\n{sentence}");
}

/// The documented messages: the fields of each, by command and type of the message. A field in brackets may be
/// omitted.
pub(crate) fn messages() -> BTreeMap<(String, String), Vec<String>> {
    let (_, section) = page().split_once("## Messages").expect("the section about messages");
    let section = section.split("\n## ").next().expect("the section has text");
    let mut messages = BTreeMap::new();
    for line in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [commands, message, fields] = cells.as_slice() else { panic!("three cells: {line}") };
        let fields: Vec<_> = fields.split(", ").map(|field| field.trim_matches('`').to_owned()).collect();
        for command in commands.split(", ") {
            let key = (command.trim_matches('`').to_owned(), message.trim_matches('`').to_owned());
            assert_eq!(messages.insert(key, fields.clone()), None, "{line} is documented once");
        }
    }
    messages
}
