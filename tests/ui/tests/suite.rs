//! What the macros accept, what they refuse, and in which words.

#[test]
fn accepted_forms_compile_and_declare_what_was_written() {
    let cases = trybuild::TestCases::new();
    cases.pass("pass/*.rs");
}

#[test]
fn mistakes_are_reported_on_their_token_with_a_remedy() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("fail/*.rs");
}
