//! Entities in a crate of their own, found through the linker.
