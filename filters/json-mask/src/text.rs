use crate::masker::Malformed;

/// Reads the inside of a string, byte by byte: checks it and gives it without its escapes.
#[derive(Debug, Default)]
pub(crate) struct Text {
    state: State,
    /// The first half of a pair of UTF-16 units, written as an escape.
    high: Option<u16>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Plain,
    /// So many bytes of a character are left, and the next one is in these bounds.
    Character {
        left: u8,
        low: u8,
        high: u8,
    },
    Escape,
    /// So many hexadecimal digits of an escape are left.
    Unicode {
        left: u8,
        unit: u16,
    },
}

impl Text {
    /// How many bytes at the beginning stand for themselves and need no further look.
    pub(crate) fn plain(&self, bytes: &[u8]) -> usize {
        if !matches!(self.state, State::Plain) || self.high.is_some() {
            return 0;
        }
        let special = |byte: &u8| !matches!(byte, b' '..=b'~') || matches!(byte, b'"' | b'\\');
        bytes.iter().position(special).unwrap_or(bytes.len())
    }

    /// Whether a quotation mark would end the string here.
    pub(crate) fn may_end(&self) -> bool {
        matches!(self.state, State::Plain)
    }

    /// What is left over at the end: an escaped surrogate without its other half.
    pub(crate) fn end(&mut self, out: &mut impl FnMut(&[u8])) {
        if let Some(unit) = self.high.take() {
            surrogate(unit, out);
        }
    }

    pub(crate) fn push(&mut self, byte: u8, out: &mut impl FnMut(&[u8])) -> Result<(), Malformed> {
        match self.state {
            State::Plain => return self.begin(byte, out),
            State::Character { left, low, high } => {
                if !(low..=high).contains(&byte) {
                    return Err(Malformed);
                }
                out(&[byte]);
                self.state = match left {
                    1 => State::Plain,
                    _ => State::Character { left: left - 1, low: 0x80, high: 0xbf },
                };
            }
            State::Escape => {
                let char = match byte {
                    b'"' | b'\\' | b'/' => byte,
                    b'b' => 0x08,
                    b'f' => 0x0c,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'u' => {
                        self.state = State::Unicode { left: 4, unit: 0 };
                        return Ok(());
                    }
                    _ => return Err(Malformed),
                };
                self.end(out);
                out(&[char]);
                self.state = State::Plain;
            }
            State::Unicode { left, unit } => {
                let digit = char::from(byte).to_digit(16).and_then(|digit| u16::try_from(digit).ok());
                let unit = unit << 4 | digit.ok_or(Malformed)?;
                if left > 1 {
                    self.state = State::Unicode { left: left - 1, unit };
                } else {
                    self.state = State::Plain;
                    self.unit(unit, out);
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, byte: u8, out: &mut impl FnMut(&[u8])) -> Result<(), Malformed> {
        // The well-formed sequences of the Unicode standard (table 3-7).
        let (left, low, high) = match byte {
            b'\\' => {
                self.state = State::Escape;
                return Ok(());
            }
            0x20..=0x7f => (0, 0, 0),
            0xc2..=0xdf => (1, 0x80, 0xbf),
            0xe0 => (2, 0xa0, 0xbf),
            0xed => (2, 0x80, 0x9f),
            0xe1..=0xef => (2, 0x80, 0xbf),
            0xf0 => (3, 0x90, 0xbf),
            0xf1..=0xf3 => (3, 0x80, 0xbf),
            0xf4 => (3, 0x80, 0x8f),
            _ => return Err(Malformed),
        };
        self.end(out);
        out(&[byte]);
        if left > 0 {
            self.state = State::Character { left, low, high };
        }
        Ok(())
    }

    fn unit(&mut self, unit: u16, out: &mut impl FnMut(&[u8])) {
        match (self.high.take(), unit) {
            (Some(high), 0xdc00..=0xdfff) => {
                let code = 0x1_0000 + ((u32::from(high) & 0x3ff) << 10) + (u32::from(unit) & 0x3ff);
                character(code, out);
            }
            (high, _) => {
                if let Some(high) = high {
                    surrogate(high, out);
                }
                match unit {
                    0xd800..=0xdbff => self.high = Some(unit),
                    0xdc00..=0xdfff => surrogate(unit, out),
                    _ => character(unit.into(), out),
                }
            }
        }
    }
}

fn character(code: u32, out: &mut impl FnMut(&[u8])) {
    if let Some(char) = char::from_u32(code) {
        out(char.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// A surrogate alone is no character, but JSON can write it. As three bytes it equals no name in a path, which is UTF-8.
fn surrogate(unit: u16, out: &mut impl FnMut(&[u8])) {
    let [high, low] = unit.to_be_bytes();
    out(&[0xe0 | high >> 4, 0x80 | (high & 0x0f) << 2 | low >> 6, 0x80 | low & 0x3f]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut bytes = Vec::new();
        let mut reader = Text::default();
        for byte in text {
            reader.push(*byte, &mut |some| bytes.extend_from_slice(some))?;
        }
        assert!(reader.may_end(), "{}", text.escape_ascii());
        reader.end(&mut |some| bytes.extend_from_slice(some));
        Ok(bytes)
    }

    #[test]
    fn escapes_stand_for_their_characters() {
        for (text, plain) in [
            (r"a\n\r\t\b\f\/\\\q".trim_end_matches(r"\q"), "a\n\r\t\u{8}\u{c}/\\"),
            (r"\u0061\u00e4\u20AC", "aä€"),
            (r"\ud83d\uDE00!", "😀!"),
            ("ä€😀", "ä€😀"),
            (r"\u0000", "\0"),
        ] {
            assert_eq!(read(text.as_bytes()).unwrap(), plain.as_bytes(), "{text}");
        }
    }

    #[test]
    fn half_a_pair_is_kept_apart() {
        assert_eq!(read(br"\ud83d").unwrap(), b"\xed\xa0\xbd");
        assert_eq!(read(br"\ude00").unwrap(), b"\xed\xb8\x80");
        assert_eq!(read(br"\ud83da").unwrap(), b"\xed\xa0\xbda");
        assert_eq!(read(br"\ud83d\n").unwrap(), b"\xed\xa0\xbd\n");
        assert_eq!(read(br"\ud83d\ud83d\ude00").unwrap(), b"\xed\xa0\xbd\xf0\x9f\x98\x80");
    }

    #[test]
    fn what_is_no_string_is_refused() {
        for text in [
            &b"\n"[..],
            b"\x00",
            b"\\a",
            b"\\u00g0",
            b"\\u+123",
            b"\x80",
            b"\xc0\x80",
            b"\xc3a",
            b"\xe0\x80\x80",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\xff",
        ] {
            assert!(read(text).is_err(), "{}", text.escape_ascii());
        }
    }
}
