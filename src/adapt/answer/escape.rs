//! Texts inside of other texts: strings of structured fields and of JSON, messages of gRPC, and base64.
//!
//! Each takes whatever a name can hold, also what the builder of gates refuses.

use alloc::vec::Vec;

/// A string of a structured field, with its quotes (RFC 9651, section 4.1.6). What such a string cannot hold
/// becomes `?`.
pub(super) fn structured(text: &str) -> Vec<u8> {
    let mut written = Vec::with_capacity(text.len().saturating_add(2));
    written.push(b'"');
    for character in text.chars() {
        match u8::try_from(character) {
            Ok(byte @ (b'"' | b'\\')) => written.extend([b'\\', byte]),
            Ok(byte @ 0x20..=0x7e) => written.push(byte),
            _ => written.push(b'?'),
        }
    }
    written.push(b'"');
    written
}

/// The inside of a JSON string (RFC 8259, section 7).
pub(super) fn json(text: &str) -> Vec<u8> {
    let mut written = Vec::with_capacity(text.len());
    for &byte in text.as_bytes() {
        match byte {
            b'"' | b'\\' => written.extend([b'\\', byte]),
            0..=0x1f => {
                written.extend(b"\\u00");
                written.extend(hex(byte));
            }
            // DEL and the parts of longer characters need nothing.
            _ => written.push(byte),
        }
    }
    written
}

/// A `grpc-message`: percent-encoded, as gRPC over HTTP/2 has it.
pub(super) fn percent(text: &str) -> Vec<u8> {
    let mut written = Vec::with_capacity(text.len());
    for &byte in text.as_bytes() {
        match byte {
            0x20..=0x7e if byte != b'%' => written.push(byte),
            _ => {
                written.push(b'%');
                written.extend(hex(byte));
            }
        }
    }
    written
}

/// Base64 without padding (RFC 4648, section 4), as binary values of gRPC have it.
pub(super) fn base64(bytes: &[u8]) -> Vec<u8> {
    let mut written = Vec::with_capacity(bytes.len().saturating_mul(4).div_ceil(3));
    for three in bytes.chunks(3) {
        let at = |place: usize| u32::from(three.get(place).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        let letters = [bits >> 18, bits >> 12, bits >> 6, bits].map(letter);
        written.extend(letters.iter().take(three.len().saturating_add(1)));
    }
    written
}

/// The letter of the lowest six bits.
fn letter(bits: u32) -> u8 {
    const LETTERS: [u8; 64] = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let at = usize::try_from(bits & 63).unwrap_or(0);
    LETTERS.get(at).copied().unwrap_or(b'A')
}

fn hex(byte: u8) -> [u8; 2] {
    let digit = |value: u8| b"0123456789ABCDEF".get(usize::from(value)).copied().unwrap_or(b'0');
    [digit(byte >> 4), digit(byte & 15)]
}

#[cfg(test)]
mod tests {
    use std::{format, string::String};

    use proptest::prelude::*;

    use super::{base64, json, percent, structured};

    #[test]
    fn strings_of_structured_fields_have_printable_ascii_only() {
        for (text, written) in [
            ("per client", r#""per client""#),
            (r#"a"b\c"#, r#""a\"b\\c""#),
            ("", r#""""#),
            ("tab\there, \u{e9}\u{7f}", r#""tab?here, ??""#),
            (" !~", r#"" !~""#),
        ] {
            assert_eq!(structured(text), written.as_bytes());
        }
    }

    /// The examples of RFC 4648, section 10, without their padding.
    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, written) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("fooba", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), written.as_bytes());
        }
        assert_eq!(base64(b"\xfb\xff\xbf\x00"), b"+/+/AA");
    }

    #[test]
    fn messages_are_percent_encoded() {
        assert_eq!(percent("100% of \u{e9}\n~ "), b"100%25 of %C3%A9%0A~ ");
    }

    proptest! {
        #![proptest_config(crate::test_support::cases(256))]

        #[test]
        fn json_is_read_back_as_it_was(text in any::<String>()) {
            let written = String::from_utf8(json(&text)).unwrap();
            let read: String = serde_json::from_str(&format!("\"{written}\"")).unwrap();
            prop_assert_eq!(read, text);
        }

        #[test]
        fn base64_is_decoded_by_hand(bytes in prop::collection::vec(any::<u8>(), 0..70)) {
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let (mut bits, mut have, mut decoded) = (0_u32, 0, std::vec::Vec::new());
            for letter in base64(&bytes) {
                let six = alphabet.iter().position(|known| *known == letter).unwrap();
                bits = bits << 6 | u32::try_from(six).unwrap();
                have += 6;
                if have >= 8 {
                    have -= 8;
                    decoded.push(u8::try_from(bits >> have & 255).unwrap());
                }
            }
            prop_assert_eq!(decoded, bytes);
        }
    }
}
