//! Tests backups in directory trees, and the extraction of backups without the types of their application.

mod damage;
mod encrypted;
mod extraction;
mod interrupted;
mod interrupted_extraction;
mod layout;
mod losses;
mod records;
mod retention;
mod round_trips;
mod selection;
mod shop;
mod staging;
