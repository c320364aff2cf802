//! Restores into event stores whose positions are unique, and belong to other events than in the backup.

use koan_backup::EventTables;
use koan_backup::prelude::*;
use koan_backup::report::BackupReport;
use serde::{Deserialize, Serialize};

use super::database::Database;

#[derive(Serialize, Deserialize, EventStream)]
#[event_stream(object = "order")]
#[entity_backup]
enum Ordered {
    Done,
}

#[derive(Serialize, Deserialize, EventStream)]
#[event_stream(object = "refund")]
#[entity_backup]
enum Refunded {
    Done,
}

const TABLE: &str = "CREATE TABLE event (position bigint PRIMARY KEY, object_name text NOT NULL, object_id text NOT NULL,
    version bigint NOT NULL, type text NOT NULL, payload text NOT NULL, UNIQUE (object_name, object_id, version))";

/// The events of the backup: object name, object id, version and position.
const BEFORE: &str = "order|1|0|1 order|1|1|2 order|1|2|3 order|2|0|4 order|2|1|5 refund|1|0|6 refund|1|1|7";

/// A database with an event store.
struct Store(Database);

impl Store {
    fn each() -> [Self; 2] {
        let all = Database::each();
        all.iter().for_each(|database| database.run(TABLE));
        all.map(Self)
    }

    /// Replaces all events.
    fn set(&self, events: &str) {
        let values = events.split(' ').map(|event| {
            let values: Vec<_> = event.split('|').collect();
            let [object, id, version, position] = values[..] else { panic!("four values: {event}") };
            format!("('{object}', '{id}', {version}, {position}, 'Done', '\"Done\"')")
        });
        let (columns, values) = (
            "object_name, object_id, version, position, type, payload",
            values.collect::<Vec<_>>().join(", "),
        );
        self.0.run(&format!("DELETE FROM event; INSERT INTO event ({columns}) VALUES {values}"));
    }

    /// Returns all events, in the form of [`BEFORE`].
    fn events(&self) -> String {
        let query = "SELECT object_name || '|' || object_id || '|' || version || '|' || position FROM event \
                     ORDER BY object_name, object_id, version";
        self.0.lines(query).join(" ")
    }

    /// Backs up the events of [`BEFORE`].
    async fn back_up(&self) -> (Koan, BackupReport) {
        self.set(BEFORE);
        let tables = EventTables::new("event").position_column("position");
        let builder = Koan::builder().only_registered().storage(Storage::memory());
        let builder = builder.register_stream::<Ordered>().register_stream::<Refunded>();
        let koan = self.0.add_to(builder, tables).build().await.expect("a context");
        let backup = koan.backup("nightly").await.expect("a backup");
        (koan, backup)
    }
}

#[tokio::test]
async fn a_restore_that_replaces_everything_frees_the_positions_of_the_backup() {
    for database in Store::each() {
        let (koan, backup) = database.back_up().await;
        for (what, events) in [
            (
                "the orders were written in another order",
                "order|2|0|1 order|2|1|2 order|1|0|3 order|1|1|4 order|1|2|5",
            ),
            (
                "an order that the backup lacks comes first",
                "order|0|0|1 order|1|0|2 order|1|1|3 order|1|2|4 order|2|0|5",
            ),
            ("an order that the backup lacks comes last", "order|9|0|2 order|9|1|3 order|1|0|1"),
            ("a refund has the position of an order", "order|1|0|1 refund|1|0|2 refund|1|1|3 order|2|0|4"),
            ("a refund that the backup lacks has the position of an order", "order|1|0|1 refund|7|0|2"),
            (
                "a later event of the next order has the position",
                "order|1|0|1 order|2|0|4 order|2|1|5 order|2|2|2",
            ),
            (
                "the events of an order have the positions of each other",
                "order|1|0|3 order|1|1|1 order|1|2|2",
            ),
            ("an order is longer", "order|1|0|1 order|1|1|9 order|1|2|2 order|1|3|3"),
        ] {
            database.set(events);
            let dry = koan.restore(backup.id()).replace_existing().dry_run().await.expect("a dry run");
            assert_eq!(database.events().len(), events.len(), "{what}: a dry run writes nothing");
            let restored = koan.restore(backup.id()).replace_existing().await;
            let restored = restored.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(database.events(), BEFORE, "{what}");
            for (found, expected) in restored.entities.iter().zip(&dry.entities) {
                assert_eq!(found.counts, expected.counts, "{what}: the counts of `{}`", found.entity);
            }
            let removed = u64::try_from(events.split(' ').count()).expect("a few");
            let counts = restored.entities.iter().map(|entity| &entity.counts);
            let existed =
                counts.map(|counts| counts.updated + counts.unchanged + counts.deleted).sum::<u64>();
            assert_eq!(existed, removed, "{what}: every event that existed is counted once");
        }
    }
}

#[tokio::test]
async fn a_position_of_an_event_that_is_kept_is_refused_and_nothing_is_changed() {
    for database in Store::each() {
        let (koan, backup) = database.back_up().await;
        let with_note = "note|1|0|2 order|1|0|1 order|2|0|4";
        database.set(with_note);
        let error =
            koan.restore(backup.id()).replace_existing().await.expect_err("the backup contains no notes");
        assert!(matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Constraint), "{error}");
        assert_eq!(database.events(), with_note, "nothing was changed");
        let only_orders = "order|1|0|1 refund|1|0|2";
        database.set(only_orders);
        let restored = koan.restore(backup.id()).entities(["order"]).replace_existing().await;
        let error = restored.expect_err("the refunds are not restored");
        assert!(matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Constraint), "{error}");
        assert_eq!(database.events(), only_orders, "nothing was changed");
    }
}
