//! `inventory`: which entities, tables and columns backups cover.

use std::collections::BTreeMap;

use clap::Args;
use koan_backup_core::Inventory;
use koan_backup_core::entity::PolicySource;
use koan_backup_core::report::DeclarationKind;
use serde::Serialize;

use crate::amounts::{count, count_of, length};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::session::{Session, described};
use crate::table::{Align, Table};

/// The flags of `inventory`.
#[derive(Args, Clone, Debug)]
pub struct InventoryArgs {
    /// Exit with code 3 if an entity, table or column is uncovered
    #[arg(long)]
    strict: bool,
    /// Do not count the records of the entities
    #[arg(long)]
    no_counts: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// The inventory in JSON.
#[derive(Serialize)]
struct Counted<'a> {
    #[serde(flatten)]
    inventory: &'a Inventory,
    /// The number of records of each covered entity, if it could be counted.
    records: &'a Records,
}

/// The number of records by entity; `None` if they could not be counted.
type Records = BTreeMap<String, Option<u64>>;

impl InventoryArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let (output, inventory) = (&session.output, session.koan.inventory());
        let records = self.records(session).await?;
        if output.is_json() {
            output.json(&Counted { inventory: &inventory, records: &records });
        } else {
            self.print(session, &records);
        }
        Ok(if self.strict && !inventory.is_covered() { Exit::Attention } else { Exit::Done })
    }

    /// Counts the records of each covered entity.
    async fn records(&self, session: &Session<'_>) -> Outcome<Records> {
        if self.no_counts {
            return Ok(Records::new());
        }
        let mut records = Records::new();
        for (entity, counted) in session.koan.record_counts().await? {
            if let Err(error) = &counted {
                let warning = format!("the records of `{entity}` cannot be counted: {}", error.chain());
                session.output.warning(&warning);
            }
            records.insert(entity, counted.ok());
        }
        Ok(records)
    }

    fn print(&self, session: &Session<'_>, records: &Records) {
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
            ("RECORDS", Align::Number),
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
                entity.table.clone().unwrap_or_else(|| without_table(entity.kind).to_owned()),
                records.get(&entity.entity).copied().flatten().map_or_else(|| "–".to_owned(), count),
                yes(entity.policy.encrypt),
                yes(entity.policy.include_schema),
                match &entity.problem {
                    None if entity.policy.source == PolicySource::Scope => "scope".to_owned(),
                    None if entity.is_raw() => "register_raw".to_owned(),
                    None => "#[entity_backup]".to_owned(),
                    Some(_) => "cannot be backed up".to_owned(),
                },
                entity.location.clone(),
            ]);
        }
        let excluded = inventory
            .excluded
            .iter()
            .map(|entity| (&entity.entity, format!("excluded: {}", entity.reason), &entity.location));
        let uncovered = inventory
            .uncovered
            .iter()
            .map(|entity| (&entity.entity, format!("no backup coverage: {}", entity.why), &entity.location));
        for (entity, policy, location) in excluded.chain(uncovered) {
            let none = || "–".to_owned();
            table.row([entity.clone(), none(), none(), none(), none(), policy, location.clone()]);
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

/// Returns what the column of tables contains for an entry without a table.
fn without_table(kind: DeclarationKind) -> &'static str {
    match kind {
        DeclarationKind::EventStream => "event streams",
        _ => "–",
    }
}
