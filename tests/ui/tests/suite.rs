//! What the macros refuse, and in which words. Each case is compiled by itself.

#[test]
fn mistakes_are_reported_on_their_token_with_a_remedy() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("fail/*.rs");
}
