//! Chance that can be had again: the seed and the size of the suites that try what nobody thought of.

use std::env;

/// The variable that holds the seed of an earlier run, to have it again.
pub const SEED: &str = "KOAN_FAULT_SEED";
/// The variable that says how many times as much as usual is tried.
pub const ROUNDS: &str = "KOAN_FAULT_ROUNDS";

/// What all chance of a run comes from: told by whoever runs it, else new each time.
pub fn seed() -> u64 {
    told(SEED).unwrap_or_else(|| fastrand::u64(..))
}

/// How many times as much as usual is tried.
pub fn rounds() -> u32 {
    told(ROUNDS).unwrap_or(1)
}

/// For whoever reads the output of the run.
#[expect(clippy::print_stdout, reason = "a suite says how much it tried, and from which seed")]
pub fn say(text: &str) {
    println!("{text}");
}

fn told<N: std::str::FromStr>(variable: &str) -> Option<N> {
    let text = env::var(variable).ok()?;
    let Ok(number) = text.parse() else { panic!("{variable} is no number: {text}") };
    Some(number)
}
