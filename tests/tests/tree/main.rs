//! Tests backups in directory trees, and the extraction of backups without the types of their application.

mod damage;
mod encrypted;
mod extraction;
mod interrupted;
mod layout;
mod records;
mod round_trips;
mod selection;
mod shop;
mod staging;
