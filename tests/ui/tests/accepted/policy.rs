//! Every form of a policy. An option that is not written stays undecided (`None`).

use koan_backup::{Entity, entity::PolicyDeclaration};
use serde::{Deserialize, Serialize};

macro_rules! entities {
    ($($(#[$attribute:meta])* $name:ident),* $(,)?) => {
        $(
            #[derive(Serialize, Deserialize, Entity)]
            $(#[$attribute])*
            struct $name { id: i64 }
        )*
    };
}

entities! {
    Unmarked,
    #[entity_backup] Bare,
    #[entity_backup()] Empty,
    #[entity_backup(encrypt)] Encrypted,
    #[entity_backup(encrypt = true)] EncryptedTrue,
    #[entity_backup(encrypt = false)] Clear,
    #[entity_backup(encrypt, include_schema = false)] WithoutSchema,
    #[entity_backup(include_schema)] WithSchema,
    #[entity_backup(enabled)] Enabled,
    #[entity_backup(enabled = false, reason = "derived view, rebuilt from source")] Excluded,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity_backup(encrypt)]
#[entity_backup(include_schema = false)]
struct Split {
    id: i64,
}

const NONE: PolicyDeclaration = PolicyDeclaration {
    enabled: None,
    reason: None,
    encrypt: None,
    include_schema: None,
    retention_days: None,
};

#[test]
fn is_accepted() {
    assert_eq!(Unmarked::descriptor().policy(), None);
    assert_eq!(Bare::descriptor().policy(), Some(NONE));
    assert_eq!(Empty::descriptor().policy(), Some(NONE));
    let encrypted = Some(PolicyDeclaration { encrypt: Some(true), ..NONE });
    assert_eq!(Encrypted::descriptor().policy(), encrypted);
    assert_eq!(EncryptedTrue::descriptor().policy(), encrypted);
    assert_eq!(Clear::descriptor().policy(), Some(PolicyDeclaration { encrypt: Some(false), ..NONE }));
    let both = Some(PolicyDeclaration { encrypt: Some(true), include_schema: Some(false), ..NONE });
    assert_eq!(WithoutSchema::descriptor().policy(), both);
    assert_eq!(Split::descriptor().policy(), both);
    assert_eq!(
        WithSchema::descriptor().policy(),
        Some(PolicyDeclaration { include_schema: Some(true), ..NONE })
    );
    assert_eq!(Enabled::descriptor().policy(), Some(PolicyDeclaration { enabled: Some(true), ..NONE }));
    assert_eq!(
        Excluded::descriptor().policy(),
        Some(PolicyDeclaration {
            enabled: Some(false),
            reason: Some("derived view, rebuilt from source"),
            ..NONE
        })
    );
}
