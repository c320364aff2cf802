//! The declarations of an application: registered entities, the inventory of the covered entities, and
//! selections of entities.

pub(crate) mod inventory;
mod object_name;
pub(crate) mod raw_stream;
pub(crate) mod registry;
pub(crate) mod selection;
