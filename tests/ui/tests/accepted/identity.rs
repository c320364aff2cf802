//! Names, tables, providers, aliases and columns.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "Customer", table = "tbl customer", provider = "crm", alias = "Client")]
#[entity(alias("Buyer", "Käufer"), route = "key-customers_2")]
struct CustomerRow {
    #[entity(column = "CustomerId")]
    id: i64,
    #[entity(column = "Full Name")]
    name: String,
    email: String,
}

#[derive(Serialize, Deserialize, Entity)]
struct Plain {
    id: i64,
}

#[test]
fn is_accepted() {
    let descriptor = CustomerRow::descriptor();
    assert_eq!(descriptor.name(), "Customer");
    assert_eq!(descriptor.aliases(), ["Client", "Buyer", "Käufer"]);
    assert_eq!(descriptor.table(), Some("tbl customer"));
    assert_eq!(descriptor.provider(), Some("crm"));
    assert_eq!(descriptor.route(), Some("key-customers_2"));
    assert!(descriptor.type_path().ends_with("::CustomerRow"), "{}", descriptor.type_path());
    let columns: Vec<_> = descriptor.schema().fields.into_iter().map(|field| field.column).collect();
    assert_eq!(columns, [Some("CustomerId".to_owned()), Some("Full Name".to_owned()), None]);

    let plain = Plain::descriptor();
    assert_eq!((plain.name(), plain.table(), plain.provider(), plain.policy()), ("Plain", None, None, None));
    assert!(plain.aliases().is_empty());
    assert_eq!(plain.route(), None);
}
