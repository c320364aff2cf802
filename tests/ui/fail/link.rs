//! Mistakes with `link!`.

koan_backup::link!(shop-models);
koan_backup::link!("shop_models");
koan_backup::link!(shop::models);
koan_backup::link!();
koan_backup::link!(missing_crate);
koan_backup::link!(serde, "two");

fn main() {}
