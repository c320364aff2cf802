//! Event streams in archives: backup, verification, restore, and everything that treats them like entities.

mod backing_up;
mod damage;
mod database;
mod miscounting;
mod one_database;
mod other_operations;
mod parts;
mod positions;
mod restoring;
mod shop;
