//! The sample values that are returned for the requests of a type: text, numbers and letters. Each candidate
//! has a different form.

/// The number of forms of a text.
pub(super) const TEXTS: usize = 17;

/// Returns a text in the form of a candidate. The text depends on the sample number.
pub(super) fn text(candidate: usize, sample_number: usize) -> String {
    match candidate {
        0 => format!("w{sample_number:02}"),
        1 => format!("user{sample_number}@example.org"),
        2 => format!("https://example.org/{sample_number}"),
        3 => format!("00000000-0000-4000-8000-{sample_number:012x}"),
        4 => format!("2009-08-07T06:{:02}:{:02}Z", sample_number / 60 % 60, sample_number % 60),
        5 => format!("20{:02}-08-07", sample_number % 100),
        6 => format!("06:{:02}:{:02}", sample_number / 60 % 60, sample_number % 60),
        7 => format!("2009-08-07T06:{:02}:{:02}", sample_number / 60 % 60, sample_number % 60),
        8 => format!("{}", sample_number + 1),
        9 => format!("{sample_number}.5"),
        10 => format!("10.0.{}.{}", sample_number / 256 % 256, sample_number % 256),
        11 => format!("1.0.{sample_number}"),
        12 => letters(sample_number, 3, b'A'),
        13 => letters(sample_number, 2, b'A'),
        14 => letters(sample_number, 3, b'a'),
        15 => letters(sample_number, 2, b'a'),
        _ => format!("{sample_number:064x}"),
    }
}

/// Returns a text of letters of the alphabet that begins with `first`. The text depends on the sample number.
pub(super) fn letters(sample_number: usize, length: usize, first: u8) -> String {
    (0..length)
        .map(|position| {
            let letter = u8::try_from(sample_number / 26usize.pow(u32::try_from(position).unwrap_or(0)) % 26);
            char::from(first + letter.unwrap_or(0))
        })
        .collect()
}

/// The number of forms of an integer.
pub(super) const INTEGERS: usize = 4;

/// Returns an integer in the form of a candidate. Except for the last candidate, it depends on the sample
/// number.
pub(super) fn integer(candidate: usize, sample_number: usize) -> u64 {
    let sample_number = u64::try_from(sample_number).unwrap_or(0);
    match candidate {
        0 => sample_number + 1,
        1 => 1_249_625_104 + sample_number,
        2 => 1_249_625_104_000 + sample_number * 1000,
        _ => 0,
    }
}
