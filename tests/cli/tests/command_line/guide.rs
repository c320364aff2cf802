//! The guide of the command line agrees with the commands.

use std::collections::BTreeMap;

use clap::{Arg, Command, Subcommand as _};
use koan_backup::cli::BackupCommand;

/// Returns the guide.
fn page() -> &'static str {
    include_str!("../../../../koan-backup/docs/command-line.md")
}

/// Returns the row of a command in the table of the guide.
fn row(command: &Command) -> String {
    let mut words = vec![command.get_name().to_owned()];
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
    let rows: Vec<_> = commands.get_subcommands().map(row).collect();
    let table = format!("| command | purpose | flags |\n|---|---|---|\n{}\n", rows.join("\n"));
    assert!(page().contains(&table), "command-line.md must contain this table:\n\n{table}");
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
