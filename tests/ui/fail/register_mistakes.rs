//! All mistakes of a registration are reported together.

use koan_backup::register;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Page<T> {
    id: i64,
    items: Vec<T>,
}

register!();
register!(Page<u8>, name = "a/b", tabel = "pages", key = "id", backup(encrypt = 1, enabled = false, encript));
register!(Page<u16>);
register!(Page<u32>, name = "A", key = "id: i64", backup, name = "B", backup = true, encrypt);
register!(Page<u64> name = "A");

fn main() {
    use koan_backup::Entity;
    Page::<u8>::descriptor();
}
