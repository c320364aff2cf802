//! `Result` of the prelude can be used in place of `std::result::Result`, with one type argument or two.

use koan_backup::prelude::*;

fn of_the_library() -> Result<u8> {
    Err(Error::cancelled())
}

fn of_any_error(text: &str) -> Result<u8, Box<dyn std::error::Error>> {
    let number = text.parse()?;
    if number == 0 { Ok(of_the_library()?) } else { Ok(number) }
}

fn of_another_error(text: &str) -> Result<u8, std::num::ParseIntError> {
    text.parse::<u8>()
}

mod with_another_import {
    use koan_backup::prelude::*;
    use std::io::Result;

    pub(super) fn of_io() -> Result<()> {
        let _: Option<Error> = None;
        Ok(())
    }
}

#[test]
fn the_result_of_the_prelude_takes_any_error() {
    assert_eq!(of_the_library().unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(of_any_error("7").unwrap(), 7);
    assert!(of_any_error("0").unwrap_err().downcast_ref::<Error>().is_some());
    assert!(of_any_error("x").is_err());
    assert_eq!(of_another_error("7"), Ok(7));
    let collected: Result<Vec<u8>, _> = ["1", "x"].iter().map(|text| of_another_error(text)).collect();
    assert!(collected.is_err());
    with_another_import::of_io().unwrap();
}
