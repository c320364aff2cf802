//! Two scopes in one module.

koan_backup::entity_backup_scope!(mode = All);
koan_backup::entity_backup_scope!(mode = None);

fn main() {}
