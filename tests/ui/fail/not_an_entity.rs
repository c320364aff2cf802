//! Types that are used as something that they are not.

use koan_backup::prelude::*;
use koan_backup::{EntityBackup, Repositories, Repository};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Forgotten {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
struct User {
    id: i64,
}

struct Users;

fn is_backed_up<T: EntityBackup>() {}

fn builder() {
    let _ = Koan::builder().register::<Forgotten>();
    let _ = Koan::builder().provider(Ok::<Users, Error>(Users));
    let _ = Koan::builder().keys("AGE-SECRET-KEY");
    let _ = Repositories::new().with::<User>(Users);
    is_backed_up::<Forgotten>();
}

fn main() {}
