//! What an application declares: registered entities, the inventory of what is covered, and selections of it.

pub(crate) mod inventory;
pub(crate) mod registry;
pub(crate) mod selection;
