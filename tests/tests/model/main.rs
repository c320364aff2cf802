//! Verifies that the database contains the same records as a map in memory after every step of any sequence.

mod database;
mod reference;
mod step;

use database::Database;
use koan_backup_tests::random_seed::{print_line, rounds, seed};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use proptest_state_machine::{ReferenceStateMachine as _, StateMachineTest as _};
use reference::Model;

koan_backup::entity_backup_scope!(mode = All);

/// The number of sequences of steps, which is multiplied by `rounds()`.
const CASES: u32 = 200;
/// The largest number of steps in a sequence.
const MAX_STEPS: usize = 40;

#[test]
fn the_database_contains_the_records_of_the_model_after_every_step() {
    let seed = seed();
    let cases = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => Config::default().cases,
        None => CASES * rounds(),
    };
    let config =
        Config { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() };
    let sequences = Model::sequential_strategy(1..=MAX_STEPS);
    let result = TestRunner::new(config.clone()).run(&sequences, |(model, steps, counter)| {
        Database::test_sequential(config.clone(), model, steps, counter);
        Ok(())
    });
    print_line(&format!("model: {cases} cases: {}; seed {seed}", database::step_counts()));
    if let Err(error) = result {
        panic!("{error}");
    }
    if cases >= CASES {
        database::assert_every_kind_occurred();
    }
}
