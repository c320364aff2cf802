//! Moves sequences on, so that what is inserted after a restore gets a key that is free.

use koan_backup_core::Result;

use super::super::connection::Connection;
use super::super::error::failed;
use super::super::identifier::quoted;
use super::super::mapping::Mapping;

/// The sequences that a table's columns own or take their defaults from.
pub(in super::super) const SEQUENCES: &str = "
    SELECT DISTINCT n.nspname::text, s.relname::text, a.attname::text, q.seqincrement > 0,
           pg_catalog.has_sequence_privilege(s.oid, 'UPDATE') AND pg_catalog.has_sequence_privilege(s.oid, 'SELECT'),
           pg_catalog.pg_has_role(s.relowner, 'USAGE')
    FROM (SELECT d.objid AS sequence, d.refobjid AS relation, d.refobjsubid AS number FROM pg_catalog.pg_depend d
          WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
            AND d.deptype IN ('a', 'i')
          UNION
          SELECT d.refobjid, f.adrelid, f.adnum FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_attrdef f ON f.oid = d.objid
          WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass) x
    JOIN pg_catalog.pg_class s ON s.oid = x.sequence AND s.relkind = 'S'
    JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = x.relation AND a.attnum = x.number
    WHERE x.relation = $1";

/// Moves the sequences of a table's columns behind what the columns hold, and never back.
///
/// Whoever owns a sequence restarts it, which is undone with the transaction. `setval` is not, but it is all that others may call: if
/// the server or this process dies before the commit, such a sequence leaves numbers out.
pub(super) async fn move_on(connection: &Connection, mapping: &Mapping) -> Result<()> {
    let table = &mapping.table;
    let what = format!("reading the sequences of table `{}`", table.shown);
    let rows = connection.client.query(SEQUENCES, &[&table.oid]).await;
    for row in rows.map_err(|error| failed(&what, &error))? {
        let read = |index| row.try_get::<_, String>(index).map_err(|error| failed(&what, &error));
        let (schema, name, column) = (read(0)?, read(1)?, read(2)?);
        let flag = |index| row.try_get::<_, bool>(index).map_err(|error| failed(&what, &error));
        let (rises, is_owned) = (flag(3)?, flag(5)?);
        let sequence = format!("{}.{}", quoted(&schema), quoted(&name));
        let (furthest, beyond) = if rises { ("max", ">") } else { ("min", "<") };
        let literal = sequence.replace('\'', "''");
        let moving = format!("moving sequence `{name}` of table `{}` on", table.shown);
        // Tables that inherit take their numbers from the same sequence.
        let behind = format!(
            "FROM (SELECT pg_catalog.{furthest}({})::int8 AS furthest FROM {}) AS x, {sequence} AS q, pg_catalog.pg_sequence AS p \
             WHERE p.seqrelid = '{literal}'::regclass \
             AND (x.furthest {beyond} q.last_value OR (x.furthest = q.last_value AND NOT q.is_called))",
            quoted(&column),
            table.quoted(),
        );
        if is_owned {
            // None of a sequence that is used up.
            let next = format!(
                "SELECT (x.furthest::numeric + p.seqincrement)::text {behind} \
                 AND x.furthest::numeric + p.seqincrement BETWEEN p.seqmin AND p.seqmax"
            );
            let next =
                connection.client.query_opt(&next, &[]).await.map_err(|error| failed(&moving, &error))?;
            if let Some(next) = next {
                let next: String = next.try_get(0).map_err(|error| failed(&moving, &error))?;
                connection.run(&moving, &format!("ALTER SEQUENCE {sequence} RESTART WITH {next}")).await?;
                continue;
            }
        }
        let set = format!("SELECT pg_catalog.setval('{literal}'::regclass, x.furthest) {behind}");
        connection.run(&moving, &set).await?;
    }
    Ok(())
}
