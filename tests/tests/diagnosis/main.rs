//! A diagnosis removes its probe whatever happens, finds what is wrong in spite of a provider or store that does not
//! respond, and is invisible to other processes.

mod fixture;
mod probes;
mod silence;
