//! All mistakes of a scope are reported together.

koan_backup::entity_backup_scope!();

mod none {
    koan_backup::entity_backup_scope!(encrypt_by_default);
}

mod wrong {
    koan_backup::entity_backup_scope!(mode = Some, encrypt_by_default = 1, include_schema_by_default = "no", crate = 1);
}

mod unknown {
    koan_backup::entity_backup_scope!(mode = "All", encrypt, mode = All, encrypt_by_default, encrypt_by_default);
}

mod flag {
    koan_backup::entity_backup_scope!(mode, include_schema_by_default, include_schema_by_default);
}

mod malformed {
    koan_backup::entity_backup_scope!(All);
}

fn main() {}
