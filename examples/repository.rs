//! An application that accesses its data with `sqlx`. Backups use a repository for each entity, and no other
//! adapter.
//!
//! ```sh
//! cargo run --example repository
//! ```
#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::path::Path;

use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use koan_backup::prelude::*;
use koan_backup::{
    Repositories, Repository, RepositoryError,
    provider::Consistency,
    report::{BackupReport, RestoreReport},
};
use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;

entity_backup_scope!(mode = All);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity, sqlx::FromRow)]
pub(crate) struct Customer {
    id: i64,
    name: String,
    email: String,
}

/// The repository of the customers, with the queries of the application.
struct Customers {
    pool: SqlitePool,
}

/// The functions `all` and `upsert_many` are required. The other functions make counting fast and
/// `replace_existing` possible.
#[async_trait]
impl Repository<Customer> for Customers {
    fn all(&self) -> BoxStream<'_, Result<Customer, RepositoryError>> {
        let customers = sqlx::query_as("SELECT id, name, email FROM customers ORDER BY id");
        customers.fetch(&self.pool).map_err(RepositoryError::from).boxed()
    }

    async fn upsert_many(&self, customers: Vec<Customer>) -> Result<(), RepositoryError> {
        let mut transaction = self.pool.begin().await?;
        for customer in customers {
            sqlx::query(
                "INSERT INTO customers (id, name, email) VALUES (?, ?, ?)
                 ON CONFLICT (id) DO UPDATE SET name = excluded.name, email = excluded.email",
            )
            .bind(customer.id)
            .bind(customer.name)
            .bind(customer.email)
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Returns `PerEntity`, because one SQLite statement reads one consistent state of the database.
    fn consistency(&self) -> Consistency {
        Consistency::PerEntity
    }

    async fn count(&self) -> Result<u64, RepositoryError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM customers").fetch_one(&self.pool).await?;
        Ok(u64::try_from(count)?)
    }

    fn deletes(&self) -> bool {
        true
    }

    async fn delete_many(&self, customers: Vec<Customer>) -> Result<(), RepositoryError> {
        let mut transaction = self.pool.begin().await?;
        for customer in customers {
            sqlx::query("DELETE FROM customers WHERE id = ?")
                .bind(customer.id)
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }
}

/// The results of the example, which its test checks.
#[allow(dead_code, reason = "only the test reads all fields")]
pub(crate) struct Outcome {
    pub(crate) backup: BackupReport,
    pub(crate) restored: RestoreReport,
    /// The customers before the damage.
    pub(crate) before: Vec<Customer>,
    /// The customers after the restore.
    pub(crate) after: Vec<Customer>,
}

#[tokio::main]
async fn main() -> Result<(), RepositoryError> {
    tracing_subscriber::fmt().without_time().with_ansi(false).init();
    let folder = tempfile::Builder::new().prefix("koan-backup-repository-").tempdir()?.keep();
    run(&folder).await.map(drop)
}

/// Backs up and restores customers with the queries of the application, in `folder`.
pub(crate) async fn run(folder: &Path) -> Result<Outcome, RepositoryError> {
    let options = SqliteConnectOptions::new().filename(folder.join("shop.db")).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await?;
    let create_table =
        "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL)";
    sqlx::query(create_table).execute(&pool).await?;
    let customers = Customers { pool: pool.clone() };
    let customer = |(id, name): (i64, &str)| Customer {
        id,
        name: name.to_owned(),
        email: format!("customer{id}@example.org"),
    };
    customers.upsert_many([(1, "Ada"), (2, "Grace"), (3, "Edsger")].map(customer).to_vec()).await?;
    let before: Vec<Customer> = customers.all().try_collect().await?;

    let koan = Koan::builder()
        .application("repository")
        .provider(Repositories::new().with(customers))
        .storage(Storage::local(folder.join("backups"))?)
        .build()
        .await?;
    let backup = koan.backup("nightly").await?;
    println!("\nBacked up {} customers with the queries of the application.", backup.item_count());

    let damage = "DELETE FROM customers WHERE id = 2; UPDATE customers SET email = '' WHERE id = 3;
                    INSERT INTO customers VALUES (99, 'Nobody', '')";
    sqlx::raw_sql(damage).execute(&pool).await?;
    println!("Deleted a customer, cleared an address, and inserted a customer who is not in the backup.");

    let restored = koan.restore("nightly").replace_existing().await?;
    let counts = restored.counts();
    println!(
        "Restored: {} customers were inserted, {} updated and {} deleted.",
        counts.inserted, counts.updated, counts.deleted
    );
    let customers = Customers { pool };
    let after: Vec<Customer> = customers.all().try_collect().await?;
    println!("All customers are as they were before: {}.", before == after);
    Ok(Outcome { backup, restored, before, after })
}
