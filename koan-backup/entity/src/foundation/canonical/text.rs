//! Writes text as a JSON string, with a fast path for text that needs no escape.

/// Appends a text as a JSON string.
pub(crate) fn push_text(text: &str, out: &mut Vec<u8>) {
    if !is_plain(text.as_bytes()) {
        serde_json::to_writer(out, text).expect("writing text to memory does not fail");
        return;
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// Returns whether no byte of a text needs to be escaped in JSON.
pub(super) fn is_plain(text: &[u8]) -> bool {
    // The loop has no early exit, so that the compiler can vectorise it.
    !text.iter().fold(false, |found, &byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\'))
}

/// Returns the number of bytes at the start of a text that do not need to be escaped in JSON.
///
/// Eight bytes are tested in one step: <https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord>.
/// The test is exact up to the first byte that needs an escape.
#[inline]
pub(crate) fn plain_length(text: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH_BITS: u64 = ONES << 7;
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGH_BITS;
    let equal = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let (words, rest) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let escaped = below(word, b' ') | equal(word, b'"') | equal(word, b'\\');
        if escaped != 0 {
            return index * 8 + (escaped.trailing_zeros() / 8) as usize;
        }
    }
    let plain_in_rest = rest.iter().take_while(|byte| is_plain(&[**byte])).count();
    words.len() * 8 + plain_in_rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_needs_an_escape_is_found_at_every_position() {
        for (length, filler) in
            (0..=20).flat_map(|length| [b'a', b'!', 0xc3, 0xff].map(|byte| (length, byte)))
        {
            let plain = vec![filler; length];
            assert_eq!(plain_length(&plain), length);
            for (position, byte) in
                (0..length).flat_map(|position| (0..=u8::MAX).map(move |byte| (position, byte)))
            {
                let mut text = plain.clone();
                text[position] = byte;
                let expected = if is_plain(&[byte]) { length } else { position };
                assert_eq!(plain_length(&text), expected, "{text:?}");
                text[position..].fill(byte);
                assert_eq!(plain_length(&text), expected, "{text:?}");
            }
        }
    }
}
