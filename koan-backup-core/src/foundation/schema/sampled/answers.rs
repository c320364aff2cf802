//! The sample values that are returned for the requests of a type: text, numbers and letters. Each candidate
//! has a different form.

/// The number of forms of a text.
pub(super) const TEXTS: usize = 17;

/// Returns a text in the form of a candidate. The text depends on the seed.
pub(super) fn text(candidate: usize, seed: usize) -> String {
    match candidate {
        0 => format!("w{seed:02}"),
        1 => format!("user{seed}@example.org"),
        2 => format!("https://example.org/{seed}"),
        3 => format!("00000000-0000-4000-8000-{seed:012x}"),
        4 => format!("2009-08-07T06:{:02}:{:02}Z", seed / 60 % 60, seed % 60),
        5 => format!("20{:02}-08-07", seed % 100),
        6 => format!("06:{:02}:{:02}", seed / 60 % 60, seed % 60),
        7 => format!("2009-08-07T06:{:02}:{:02}", seed / 60 % 60, seed % 60),
        8 => format!("{}", seed + 1),
        9 => format!("{seed}.5"),
        10 => format!("10.0.{}.{}", seed / 256 % 256, seed % 256),
        11 => format!("1.0.{seed}"),
        12 => letters(seed, 3, b'A'),
        13 => letters(seed, 2, b'A'),
        14 => letters(seed, 3, b'a'),
        15 => letters(seed, 2, b'a'),
        _ => format!("{seed:064x}"),
    }
}

/// Returns a text of letters of the alphabet that begins with `first`. The text depends on the seed.
pub(super) fn letters(seed: usize, length: usize, first: u8) -> String {
    (0..length)
        .map(|position| {
            let letter = u8::try_from(seed / 26usize.pow(u32::try_from(position).unwrap_or(0)) % 26);
            char::from(first + letter.unwrap_or(0))
        })
        .collect()
}

/// The number of forms of an integer.
pub(super) const INTEGERS: usize = 4;

/// Returns an integer in the form of a candidate. Except for the last candidate, it depends on the seed.
pub(super) fn integer(candidate: usize, seed: usize) -> u64 {
    let seed = u64::try_from(seed).unwrap_or(0);
    match candidate {
        0 => seed + 1,
        1 => 1_249_625_104 + seed,
        2 => 1_249_625_104_000 + seed * 1000,
        _ => 0,
    }
}
