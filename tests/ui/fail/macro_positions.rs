//! A scope is an item: it cannot be an expression, nor the last statement of a block without a semicolon.

use koan_backup::entity_backup_scope;

fn expression() {
    let _scope = entity_backup_scope!(mode = All);
}

fn tail() {
    entity_backup_scope!(mode = All)
}

fn main() {}
