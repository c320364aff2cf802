//! Writes text as a JSON string. Most text needs no escape.

/// Appends a text as a JSON string.
pub(crate) fn push_text(text: &str, out: &mut Vec<u8>) {
    if !is_plain(text.as_bytes()) {
        serde_json::to_writer(out, text).expect("memory takes every text");
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

/// Returns how many bytes at the start of a text do not need to be escaped in JSON.
///
/// Eight bytes are tested at once: <https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord>. The
/// test is exact up to the first byte that needs an escape.
#[inline]
pub(crate) fn plain_length(text: &[u8]) -> usize {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    const TOP: u64 = EACH << 7;
    let below = |word: u64, limit: u8| word.wrapping_sub(EACH * u64::from(limit)) & !word & TOP;
    let equal = |word: u64, byte: u8| below(word ^ (EACH * u64::from(byte)), 1);
    let (words, rest) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let escaped = below(word, b' ') | equal(word, b'"') | equal(word, b'\\');
        if escaped != 0 {
            return index * 8 + (escaped.trailing_zeros() / 8) as usize;
        }
    }
    let in_rest = rest.iter().take_while(|byte| is_plain(&[**byte])).count();
    words.len() * 8 + in_rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_to_escape_is_found_at_every_position() {
        for (length, around) in
            (0..=20).flat_map(|length| [b'a', b'!', 0xc3, 0xff].map(|byte| (length, byte)))
        {
            let plain = vec![around; length];
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
