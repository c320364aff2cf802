//! A key of a private type in a public entity.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

mod private {
    use super::*;

    #[derive(Serialize, Deserialize, Clone)]
    struct PrivateId(i64);

    #[derive(Serialize, Deserialize, Entity)]
    pub struct Public {
        id: PrivateId,
    }
}

fn main() {
    let _: Option<private::Public> = None;
}
