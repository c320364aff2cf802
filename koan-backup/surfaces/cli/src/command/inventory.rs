//! `inventory`: which entities, tables and columns backups cover.

use clap::Args;
use koan_backup_core::entity::PolicySource;

use crate::amounts::{count, count_of, length};
use crate::exit::Exit;
use crate::output::OutputArgs;
use crate::session::{Session, described};
use crate::table::{Align, Table};

/// The flags of `inventory`.
#[derive(Args, Clone, Debug)]
pub struct InventoryArgs {
    /// Exit with code 3 if an entity, table or column is uncovered
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl InventoryArgs {
    pub(crate) fn run(&self, session: &Session<'_>) -> Exit {
        let (output, inventory) = (&session.output, session.koan.inventory());
        if output.is_json() {
            output.json(inventory);
        } else {
            self.print(session);
        }
        if self.strict && !inventory.is_covered() { Exit::Attention } else { Exit::Done }
    }

    fn print(&self, session: &Session<'_>) {
        let (output, inventory) = (&session.output, session.koan.inventory());
        let providers: Vec<_> = session.koan.capabilities().providers.iter().map(described).collect();
        output.line(format!(
            "{} included, {} uncovered, {} excluded · {} {}",
            count(length(&inventory.included)),
            count(length(&inventory.uncovered)),
            count(length(&inventory.excluded)),
            if providers.len() == 1 { "provider" } else { "providers" },
            providers.join(", ")
        ));
        output.line("");
        let mut table = Table::new([
            ("ENTITY", Align::Fixed),
            ("TABLE", Align::Fixed),
            ("ENCRYPTED", Align::Fixed),
            ("SCHEMA", Align::Fixed),
            ("POLICY FROM", Align::Text),
            ("DECLARED IN", Align::Text),
        ])
        .optional(&["DECLARED IN", "SCHEMA", "ENCRYPTED"]);
        let yes = |is_set: bool| if is_set { "yes".to_owned() } else { "no".to_owned() };
        for entity in &inventory.included {
            table.row([
                entity.entity.clone(),
                entity.table.clone().unwrap_or_else(|| "–".to_owned()),
                yes(entity.policy.encrypt),
                yes(entity.policy.include_schema),
                match &entity.problem {
                    None if entity.policy.source == PolicySource::Scope => "scope".to_owned(),
                    None => "#[entity_backup]".to_owned(),
                    Some(_) => "cannot be backed up".to_owned(),
                },
                entity.location.clone(),
            ]);
        }
        let none = || "–".to_owned();
        for entity in &inventory.excluded {
            let policy = format!("excluded: {}", entity.reason);
            table.row([entity.entity.clone(), none(), none(), none(), policy, entity.location.clone()]);
        }
        for entity in &inventory.uncovered {
            let policy = format!("no backup coverage: {}", entity.why);
            table.row([entity.entity.clone(), none(), none(), none(), policy, entity.location.clone()]);
        }
        table.lines(output.width()).iter().for_each(|line| output.line(line));
        inventory.warnings.iter().for_each(|warning| output.warning(warning));
        inventory.remedies.iter().for_each(|remedy| output.labelled("help", remedy));
        if self.strict && !inventory.is_covered() {
            let gaps = length(&inventory.uncovered) + length(&inventory.warnings);
            output.note(format!("{} in the coverage", count_of(gaps, "gap")));
        }
    }
}
