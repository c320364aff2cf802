//! The application in the examples of the documentation: a shop whose database and storage are in memory.
//!
//! Examples use it in hidden lines, so that they compile and run without repeating entities and a context:
//!
//! ```
//! # koan_backup_shop::run(async |koan| {
//! let backup = koan.backup("nightly").await?;
//! assert!(backup.is_complete());
//! # Ok(())
//! # });
//! ```
//!
//! All examples of one crate are linked into one program, so two examples must not declare entities. An example
//! that declares its own entities does not use this crate, and has the attribute `standalone_crate`.

use age::secrecy::ExposeSecret as _;
use koan_backup::event_store::{JsonText, NewEvent};
use koan_backup::prelude::*;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

/// A customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct User {
    /// The key.
    pub id: i64,
    /// The name.
    pub name: String,
}

/// An order of a customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Order {
    /// The key.
    pub id: i64,
    /// The customer.
    pub user_id: i64,
    /// The price in cents.
    pub total_cents: i64,
}

/// How an order was paid, encrypted in archives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup(encrypt)]
pub struct Payment {
    /// The key.
    pub id: i64,
    /// The number of the card.
    pub card: String,
}

/// The error of an example.
pub type Failure = Box<dyn std::error::Error>;

/// Returns a new public key and its private key.
pub fn key_pair() -> (String, String) {
    let identity = age::x25519::Identity::generate();
    (identity.to_public().to_string(), identity.to_string().expose_secret().to_owned())
}

/// Runs an example with the context of the shop. There are two backups with the name `nightly` in the profile
/// `local`; after the first, a user was renamed, an order was deleted and a user was added. The profile `dr` is
/// empty.
///
/// # Panics
/// The example fails.
pub fn run(example: impl AsyncFnOnce(Koan) -> Result<(), Failure>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    let outcome = runtime.block_on(async { example(open().await?).await });
    if let Err(error) = outcome {
        panic!("the example failed: {error:?}");
    }
}

/// Runs an example with a context whose event store contains the order `order-17` with two events and a snapshot.
pub fn orders(example: impl AsyncFnOnce(Koan) -> Result<(), Failure>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    let outcome = runtime.block_on(async { example(open_orders().await?).await });
    if let Err(error) = outcome {
        panic!("the example failed: {error:?}");
    }
}

async fn open_orders() -> Result<Koan, Failure> {
    let events = koan_backup::MemoryEvents::new();
    events.append(
        "order",
        "order-17",
        [NewEvent::new("OrderPlaced", &20)?, NewEvent::new("OrderPaid", &20)?],
    )?;
    events.add_snapshot("order", "order-17", "Order", JsonText::exact("20")?)?;
    let koan = Koan::builder()
        .only_registered()
        .register_raw("order")
        .event_store(events)
        .storage(Storage::memory())
        .without_operation_log()
        .build()
        .await?;
    Ok(koan)
}

async fn open() -> Result<Koan, Failure> {
    let (public, private) = key_pair();
    let koan = Koan::builder()
        .provider(koan_backup::Memory::new())
        .storage(Storage::memory())
        .named_storage("dr", Storage::memory())
        .encrypt_to(Recipients::keys([public])?)
        .keys(Keys::text(private))
        .without_operation_log()
        .build()
        .await?;
    let (users, orders) = (koan.data::<User>(), koan.data::<Order>());
    users.upsert_many([user(1, "Ada"), user(2, "Bjork")]).await?;
    let order = |id, user_id| Order { id, user_id, total_cents: 1250 };
    orders.upsert_many([order(1, 1), order(2, 1), order(3, 2)]).await?;
    koan.data::<Payment>().upsert_many([Payment { id: 1, card: "4111 1111 1111 1111".into() }]).await?;
    let _ = koan.backup("nightly").await?;
    users.upsert_many([user(2, "Björk"), user(3, "Chen")]).await?;
    orders.clear().await?;
    orders.upsert_many([order(1, 1), order(3, 2)]).await?;
    let _ = koan.backup("nightly").await?;
    Ok(koan)
}

fn user(id: i64, name: &str) -> User {
    User { id, name: name.to_owned() }
}
