//! Behaviour of the adapter, on real files.

mod fixture;
mod restoring;
