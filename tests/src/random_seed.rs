//! The seed and the number of rounds of randomized suites. With both, a run can be repeated.

use std::env;

/// The environment variable that sets the seed, for example to that of an earlier run.
pub const SEED: &str = "KOAN_FAULT_SEED";
/// The environment variable that multiplies the number of cases.
pub const ROUNDS: &str = "KOAN_FAULT_ROUNDS";

/// Returns the seed of this run: the value of [`SEED`] if it is set, otherwise a new seed.
pub fn seed() -> u64 {
    number_from_environment(SEED).unwrap_or_else(|| fastrand::u64(..))
}

/// Returns the factor that multiplies the number of cases.
pub fn rounds() -> u32 {
    number_from_environment(ROUNDS).unwrap_or(1)
}

/// Prints a line to the output of the test run.
#[expect(clippy::print_stdout, reason = "a suite reports its seed and the number of its cases")]
pub fn print_line(text: &str) {
    println!("{text}");
}

fn number_from_environment<N: std::str::FromStr>(variable: &str) -> Option<N> {
    let text = env::var(variable).ok()?;
    let Ok(number) = text.parse() else { panic!("{variable} is not a number: {text}") };
    Some(number)
}
