//! The seed and the number of rounds of randomized suites, so that a run can be repeated.

use std::env;

/// The environment variable for the seed of an earlier run.
pub const SEED: &str = "KOAN_FAULT_SEED";
/// The environment variable for a factor by which more cases are tried than usual.
pub const ROUNDS: &str = "KOAN_FAULT_ROUNDS";

/// Returns the seed of this run: that of [`SEED`], otherwise a new one.
pub fn seed() -> u64 {
    number_from_environment(SEED).unwrap_or_else(|| fastrand::u64(..))
}

/// Returns the factor by which more cases are tried than usual.
pub fn rounds() -> u32 {
    number_from_environment(ROUNDS).unwrap_or(1)
}

/// Prints a line to the output of the run.
#[expect(clippy::print_stdout, reason = "a suite says how much it tried, and from which seed")]
pub fn say(text: &str) {
    println!("{text}");
}

fn number_from_environment<N: std::str::FromStr>(variable: &str) -> Option<N> {
    let text = env::var(variable).ok()?;
    let Ok(number) = text.parse() else { panic!("{variable} is no number: {text}") };
    Some(number)
}
