//! A builder that is not awaited and a report that is not used are warnings.

#![deny(unused_must_use)]

use koan_backup::prelude::*;

async fn ignored(koan: Koan) -> Result<()> {
    koan.backup("nightly");
    koan.restore("nightly").replace_existing();
    koan.verify("nightly");
    koan.backup("nightly").await?;
    koan.restore("nightly").await?;
    koan.verify("nightly").await?;
    Koan::builder();
    koan.catalog().query();
    Ok(())
}

fn main() {}
