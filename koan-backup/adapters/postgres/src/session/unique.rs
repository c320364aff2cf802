//! Constraints between the rows of a table: unique constraints, unique indexes and exclusion constraints.
//!
//! The error of the server contains values of rows and is never displayed. A query finds the keys of the
//! records instead.

use koan_backup_core::{Error, ErrorKind, Result, entity::EntityCodec};
use tokio_postgres::error::SqlState;

use super::super::column_type::ColumnType;
use super::super::connection::Connection;
use super::super::error::failed;
use super::keys::{first_keys, keys_of};
use super::target::{Target, duplicate_key_error};
use koan_backup_sql::identifier::{listed, quoted};

/// The maximum number of keys in an error.
const MAX_KEYS_IN_ERROR: usize = 2;

/// The time limit of the search for rows that violate an exclusion constraint.
const SEARCH_TIMEOUT: &str = "5s";

/// Selects the constraints of a table: name, expressions, predicate, operators of an exclusion constraint,
/// whether NULLs are equal, whether the constraint is checked after each row, and its definition.
const CONSTRAINTS: &str = "
    SELECT COALESCE(k.conname, c.relname)::text,
        (SELECT pg_catalog.array_agg(pg_catalog.pg_get_indexdef(c.oid, number, false) ORDER BY number)
         FROM pg_catalog.generate_series(1, i.indnkeyatts::int) AS number),
        pg_catalog.pg_get_expr(i.indpred, i.indrelid),
        (SELECT pg_catalog.array_agg(pg_catalog.format('OPERATOR(%I.%s)', n.nspname, o.oprname) ORDER BY x.place)
         FROM pg_catalog.unnest(k.conexclop) WITH ORDINALITY AS x (operator, place)
         JOIN pg_catalog.pg_operator o ON o.oid = x.operator JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace),
        i.indnullsnotdistinct, i.indimmediate, pg_catalog.pg_get_constraintdef(k.oid)
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    LEFT JOIN pg_catalog.pg_constraint k
      ON k.conindid = c.oid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
    WHERE i.indrelid = $1 AND i.indisvalid AND (i.indisunique OR i.indisexclusion)
    ORDER BY c.oid";

/// A unique or exclusion constraint of a target.
#[derive(Debug)]
pub(super) struct Unique {
    entity: EntityCodec,
    /// The columns of the entity's key.
    key: Vec<(String, ColumnType)>,
    /// The source of the rows of the table in a FROM clause.
    rows: String,
    table_name: String,
    pub(super) name: String,
    /// The compared values, as expressions over the columns.
    expressions: Vec<String>,
    /// The condition that a row satisfies if the constraint applies to it.
    predicate: Option<String>,
    /// The operators of an exclusion constraint.
    operators: Option<Vec<String>>,
    /// The definition of the constraint in SQL; `None` for an index without a constraint.
    definition: Option<String>,
    nulls_are_equal: bool,
    /// Whether the constraint is checked after each row.
    pub(super) is_immediate: bool,
}

impl Unique {
    /// Reads the unique and exclusion constraints of a target.
    pub(super) async fn all(connection: &Connection, target: &Target) -> Result<Vec<Self>> {
        let table = &target.mapping.table;
        let operation = format!("reading the constraints of table `{}`", table.display_name);
        let rows = connection.client.query(CONSTRAINTS, &[&table.oid]).await;
        let rows = rows.map_err(|error| failed(&operation, &error))?;
        let key: Vec<_> =
            target.key_columns().map(|column| (column.name.clone(), column.column_type.clone())).collect();
        if key.is_empty() {
            return Ok(Vec::new());
        }
        let read = |row: &tokio_postgres::Row| {
            Ok(Self {
                entity: target.entity.clone(),
                key: key.clone(),
                rows: table.rows(),
                table_name: table.display_name.clone(),
                name: row.try_get(0)?,
                expressions: row.try_get(1)?,
                predicate: row.try_get(2)?,
                operators: row.try_get(3)?,
                nulls_are_equal: row.try_get(4)?,
                is_immediate: row.try_get(5)?,
                definition: row.try_get(6)?,
            })
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| failed(&operation, &error))
    }

    /// Returns whether the constraint compares exactly the entity's key.
    pub(super) fn is_key(&self) -> bool {
        self.predicate.is_none()
            && self.operators.is_none()
            && self.expressions.len() == self.key.len()
            && self
                .key
                .iter()
                .all(|(name, _)| self.expressions.iter().any(|expression| is_column(expression, name)))
    }

    /// Returns whether one of these constraints is checked after each row and compares something other than
    /// the entity's key.
    pub(super) fn any_besides_key(all: &[Self]) -> bool {
        all.iter().any(|unique| unique.is_immediate && !unique.is_key())
    }

    /// Returns whether the constraint is an exclusion constraint.
    pub(super) fn is_exclusion(&self) -> bool {
        self.operators.is_some()
    }

    /// Returns the error for rows of the table that violate the constraint, or `None` if there are no such
    /// rows.
    pub(super) async fn violation(&self, connection: &Connection) -> Result<Option<Error>> {
        self.violation_among(connection, &self.rows).await
    }

    /// Returns the error for violating rows of another source, which has the columns of the table, or `None`
    /// if there are no such rows.
    async fn violation_among(&self, connection: &Connection, rows: &str) -> Result<Option<Error>> {
        let from = match &self.operators {
            Some(operators) => self.conflicting(rows, operators),
            None => {
                let operation = format!("looking for rows that violate constraint `{}`", self.name);
                let repeated = format!(
                    "SELECT pg_catalog.count(*) FROM (SELECT FROM {rows} AS r WHERE {} GROUP BY {} \
                     HAVING pg_catalog.count(*) > 1 LIMIT 1) AS x",
                    self.compared(),
                    self.expressions.join(", ")
                );
                if connection.number(&operation, &repeated).await? == 0 {
                    return Ok(None);
                }
                self.repeated(rows)
            }
        };
        let key: Vec<_> = self.key.iter().map(|(name, column_type)| (name.as_str(), column_type)).collect();
        let keys = first_keys(connection, &self.entity, &key, &from, MAX_KEYS_IN_ERROR).await?;
        if keys.is_empty() {
            return Ok(None);
        }
        if self.is_key() {
            return Ok(Some(duplicate_key_error(&self.entity, &self.table_name, &keys)));
        }
        let (name, keys) = (self.entity.name(), listed(keys.iter().map(String::as_str)));
        let (table, constraint) = (&self.table_name, &self.name);
        let text = match self.is_exclusion() {
            false => format!(
                "{name} {keys} have the same values, which the unique constraint or index `{constraint}` of \
                 table `{table}` does not allow"
            ),
            true => format!(
                "{name} {keys} have values that conflict by the exclusion constraint `{constraint}` of table \
                 `{table}`"
            ),
        };
        let remedy = "change or delete one of the rows, or restore with `replace_existing`";
        Ok(Some(Error::new(ErrorKind::Constraint, format!("{text}; {remedy}"))))
    }

    /// Returns the keys of records whose new values another changing row has before the restore, or `None` if
    /// there are no such records. `before` and `after` are the sources of the changing rows with their
    /// previous and their new values. Also returns `None` for an exclusion constraint, for the constraint of
    /// the key, and for a constraint over columns that are not written.
    pub(super) async fn keys_with_taken_values(
        &self,
        connection: &Connection,
        target: &Target,
        before: &str,
        after: &str,
    ) -> Result<Option<Vec<String>>> {
        let is_written =
            |expression: &String| target.columns.iter().any(|column| is_column(expression, &column.name));
        if self.is_exclusion() || self.is_key() || !self.expressions.iter().all(is_written) {
            return Ok(None);
        }
        let aliases: Vec<String> =
            (1..=self.expressions.len()).map(|number| format!("\"koan {number}\"")).collect();
        let selected: Vec<String> = self
            .expressions
            .iter()
            .zip(&aliases)
            .map(|(expression, name)| format!("{expression} AS {name}"))
            .collect();
        let (selected, aliases) = (selected.join(", "), aliases.join(", "));
        let from = format!(
            "(SELECT *, {selected} FROM {after} AS r WHERE {compared}) AS a WHERE ({aliases}) IN \
             (SELECT {expressions} FROM {before} AS r WHERE {compared})",
            compared = self.compared(),
            expressions = self.expressions.join(", "),
        );
        // A row whose unique values do not change does not conflict with itself.
        let from = format!(
            "{from} AND NOT EXISTS (SELECT FROM {before} AS t, (SELECT a.*) AS s WHERE {} AND {})",
            target.same_key_of_copy(),
            self.expressions
                .iter()
                .map(|expression| format!("t.{expression} = s.{expression}"))
                .collect::<Vec<_>>()
                .join(" AND "),
        );
        let keys = keys_of(connection, target, &from, MAX_KEYS_IN_ERROR).await?;
        Ok((!keys.is_empty()).then_some(keys))
    }

    /// Returns the error for the first constraint that rows violate, or `None` if no constraint is violated.
    pub(super) async fn first_violation_among(
        connection: &Connection,
        constraints: &[Self],
        rows: &str,
    ) -> Result<Option<Error>> {
        for constraint in constraints {
            let found = match constraint.is_exclusion() {
                true => constraint.exclusion_violation_among(connection, rows).await?,
                // A constraint whose expressions cannot be evaluated outside of the table is omitted. Its
                // violation is reported with the message of the server.
                false => {
                    let search = constraint.violation_among(connection, rows);
                    rolled_back(connection, search).await?.unwrap_or_default()
                }
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Returns the error for rows that violate an exclusion constraint, or `None` if there are no such rows.
    /// An index over a copy of the rows shows whether rows conflict. To find the keys of the conflicting
    /// rows, every row is compared with every other row, within a time limit.
    async fn exclusion_violation_among(&self, connection: &Connection, rows: &str) -> Result<Option<Error>> {
        let by_index = rolled_back(connection, self.violation_by_index(connection, rows)).await?;
        if let Ok(None) = by_index {
            return Ok(None);
        }
        let search = async {
            connection
                .run("limiting a search", &format!("SET LOCAL statement_timeout = '{SEARCH_TIMEOUT}'"))
                .await?;
            self.violation_among(connection, rows).await
        };
        let with_keys = rolled_back(connection, search).await?.unwrap_or_default();
        Ok(with_keys.or(by_index.unwrap_or_default()))
    }

    /// Builds an index over a copy of the rows to find out whether rows conflict. The error contains no keys,
    /// because the index does not show which rows conflict.
    async fn violation_by_index(&self, connection: &Connection, rows: &str) -> Result<Option<Error>> {
        let operation = format!("looking for rows that violate constraint `{}`", self.name);
        let Some(definition) = &self.definition else {
            return Err(Error::new(
                ErrorKind::Internal,
                format!("constraint `{}` has no definition", self.name),
            ));
        };
        let copy = format!("CREATE TEMPORARY TABLE koan_final ON COMMIT DROP AS SELECT * FROM {rows} AS r");
        connection.run(&operation, &copy).await?;
        let constrain = format!("ALTER TABLE pg_temp.koan_final ADD CONSTRAINT koan_exclusion {definition}");
        match connection.client.batch_execute(&constrain).await {
            Ok(()) => Ok(None),
            Err(error) if error.code() == Some(&SqlState::EXCLUSION_VIOLATION) => {
                let (name, table, constraint) = (self.entity.name(), &self.table_name, &self.name);
                Ok(Some(Error::new(
                    ErrorKind::Constraint,
                    format!(
                        "records of {name} have values that conflict by the exclusion constraint \
                         `{constraint}` of table `{table}`; the search for their keys reached its time limit \
                         or failed; change or delete rows, or restore with `replace_existing`"
                    ),
                )))
            }
            Err(error) => Err(failed(&operation, &error)),
        }
    }

    /// Returns the condition that a row satisfies if the constraint compares it with other rows.
    fn compared(&self) -> String {
        let predicate = self.predicate.iter().cloned();
        let nulls = self.expressions.iter().filter(|_| !self.nulls_are_equal);
        let terms: Vec<String> = predicate
            .chain(nulls.map(|expression| format!("pg_catalog.num_nulls({expression}) = 0")))
            .collect();
        if terms.is_empty() { "true".to_owned() } else { terms.join(" AND ") }
    }

    /// Returns the source of the rows with equal values, ordered by value.
    fn repeated(&self, rows: &str) -> String {
        let expressions = self.expressions.join(", ");
        format!(
            "(SELECT r.*, pg_catalog.count(*) OVER (PARTITION BY {expressions}) AS \"koan count\", \
             pg_catalog.rank() OVER (ORDER BY {expressions}) AS \"koan rank\" FROM {rows} AS r WHERE {}) AS x \
             WHERE \"koan count\" > 1 ORDER BY \"koan rank\", {}",
            self.compared(),
            self.key_order()
        )
    }

    /// Returns the ORDER BY list of the key columns, which are the first selected columns.
    fn key_order(&self) -> String {
        (1..=self.key.len()).map(|column| column.to_string()).collect::<Vec<_>>().join(", ")
    }

    /// Returns the source of the first two rows that conflict by an exclusion constraint.
    fn conflicting(&self, rows: &str, operators: &[String]) -> String {
        let names: Vec<String> = (1..=operators.len()).map(|number| format!("\"koan {number}\"")).collect();
        let expressions: Vec<String> = self
            .expressions
            .iter()
            .zip(&names)
            .map(|(expression, name)| format!("{expression} AS {name}"))
            .collect();
        let conflict: Vec<String> = operators
            .iter()
            .zip(&names)
            .map(|(operator, name)| format!("a.{name} {operator} b.{name}"))
            .collect();
        format!(
            "(WITH x AS MATERIALIZED (SELECT r.*, pg_catalog.row_number() OVER () AS \"koan row\", {} FROM {rows} AS r WHERE {}), \
             y AS MATERIALIZED (SELECT a.\"koan row\" AS one, b.\"koan row\" AS other FROM x AS a JOIN x AS b \
             ON a.\"koan row\" < b.\"koan row\" AND {} LIMIT 1) \
             SELECT x.* FROM x WHERE EXISTS (SELECT FROM y WHERE x.\"koan row\" IN (y.one, y.other))) AS z \
             ORDER BY {}",
            expressions.join(", "),
            self.predicate.as_deref().unwrap_or("true"),
            conflict.join(" AND "),
            self.key_order()
        )
    }
}

/// Runs a search in a savepoint and rolls its changes back. The inner result is the result of the search.
async fn rolled_back<T>(
    connection: &Connection,
    search: impl Future<Output = Result<T>>,
) -> Result<Result<T>> {
    let operation = "looking for rows that violate a constraint";
    connection.run(operation, "SAVEPOINT koan_search").await?;
    let result = search.await;
    connection.run(operation, "ROLLBACK TO SAVEPOINT koan_search; RELEASE SAVEPOINT koan_search").await?;
    Ok(result)
}

/// Returns whether an expression of an index is a column.
fn is_column(expression: &str, name: &str) -> bool {
    expression == name || expression == quoted(name)
}
