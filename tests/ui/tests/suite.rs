//! The forms that the macros refuse, with their error messages. Each case is compiled separately.

#[test]
fn mistakes_are_reported_at_their_token_with_a_remedy() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("fail/*.rs");
}
