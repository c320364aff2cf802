//! Every store that archives can be kept in, and what each does when something goes wrong.

mod conformance;
mod rig;

koan_backup::entity_backup_scope!(mode = All);
