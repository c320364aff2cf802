//! Event streams in archives: backup, verification, restore, and everything that treats them like entities.

mod backing_up;
mod damage;
mod other_operations;
mod positions;
mod restoring;
mod shop;
