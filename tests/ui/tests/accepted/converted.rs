//! Types that serde converts to another type for writing and reading.

use koan_backup::{Entity, entity::EntityCodec};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(rename = "accountId")]
    account: u64,
    cents: i64,
}

#[derive(Clone, Serialize, Deserialize, Entity)]
#[serde(from = "Stored", into = "Stored")]
#[entity(key = "account as accountId")]
struct Account {
    account: u64,
    euros: f64,
}

impl From<Stored> for Account {
    fn from(stored: Stored) -> Self {
        Self { account: stored.account, euros: stored.cents as f64 / 100.0 }
    }
}

impl From<Account> for Stored {
    fn from(account: Account) -> Self {
        Self { account: account.account, cents: (account.euros * 100.0) as i64 }
    }
}

#[derive(Clone, Serialize, Deserialize, Entity)]
#[serde(try_from = "Stored", into = "Stored")]
struct Checked {
    #[entity(key)]
    #[serde(rename = "accountId")]
    account: u64,
}

impl TryFrom<Stored> for Checked {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        Ok(Self { account: stored.account })
    }
}

impl From<Checked> for Stored {
    fn from(checked: Checked) -> Self {
        Self { account: checked.account, cents: 0 }
    }
}

fn names<T: Entity>() -> Vec<(String, bool)> {
    T::descriptor().schema().fields.into_iter().map(|field| (field.name, field.key)).collect()
}

/// Asserts that a line decodes as the type, and that the type writes the same line.
fn assert_round_trip<T: Entity>(line: &str) {
    EntityCodec::new(T::descriptor()).check_round_trip(line.as_bytes(), &mut Vec::new()).unwrap();
}

#[test]
fn is_accepted() {
    assert_round_trip::<Account>(r#"{"accountId":7,"cents":150}"#);

    let expected = [("accountId".to_owned(), true), ("cents".to_owned(), false)];
    assert_eq!(names::<Account>(), expected);
    assert_eq!(names::<Checked>(), expected);
    assert_eq!(Account { account: 7, euros: 0.0 }.key(), 7);
}
