mod member;
mod scalar;

use hmac::Mac;

use crate::digest::Digest;
use crate::number::Number;
use crate::rules::Rules;
use crate::states::States;
use crate::text::Text;

/// The bytes are no JSON text (RFC 8259), or are nested deeper than `DEPTH_MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Containers within each other. What a body can make a filter keep is bounded by it.
pub(crate) const DEPTH_MAX: usize = 512;

/// Masks one JSON text that comes in pieces. It keeps the containers that are open, and of the text itself only the name of
/// a member as long as it may be one that is removed.
#[derive(Debug)]
pub(crate) struct Masker {
    open: Vec<Container>,
    expected: Expected,
    token: Token,
    /// The value that comes next.
    next: Value,
    /// What is being removed began within so many containers.
    removing: Option<usize>,
    /// White space, and perhaps a comma in it, in front of the next member.
    space: Vec<u8>,
    comma: Option<usize>,
    /// The next member's name, as it was written and without escapes.
    raw: Vec<u8>,
    name: Vec<u8>,
    digest: Option<Digest>,
    began: bool,
}

#[derive(Debug)]
struct Container {
    kind: Kind,
    states: States,
    /// All scalars in it are hashed.
    hashed: bool,
    /// A member or element has gone out.
    filled: bool,
    index: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Object,
    Array,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Value,
    Element,
    ElementOrEnd,
    Member,
    MemberOrEnd,
    Colon,
    CommaOrEnd,
    End,
}

#[derive(Debug)]
enum Token {
    None,
    /// A string.
    Text(Text, Role),
    Number(Number),
    /// `true`, `false` or `null`, and how much of it has been there.
    Word(&'static [u8], usize),
}

/// What a string is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A name that decides what becomes of its member: kept back until that is known.
    Deciding,
    Name,
    Value,
}

#[derive(Debug, Clone, Copy, Default)]
struct Value {
    states: States,
    hashed: bool,
}

impl Masker {
    pub(crate) fn new(rules: &Rules) -> Self {
        // The root is never removed: no such path is taken.
        let (states, action) = rules.paths.root();
        Self {
            open: Vec::new(),
            expected: Expected::Value,
            token: Token::None,
            next: Value { states, hashed: action.is_some() },
            removing: None,
            space: Vec::new(),
            comma: None,
            raw: Vec::new(),
            name: Vec::new(),
            digest: None,
            began: false,
        }
    }

    /// Takes a piece of the text and appends to `out` what goes on of it. An error says how many bytes were in order.
    pub(crate) fn feed(&mut self, rules: &Rules, piece: &[u8], out: &mut Vec<u8>) -> Result<(), usize> {
        let mut rest = self.without_mark(piece, out).map_err(|Malformed| 0_usize)?;
        while !rest.is_empty() {
            let used = match &mut self.token {
                Token::None => self.structure(rules, rest, out),
                Token::Text(..) => self.text(rules, rest, out),
                Token::Number(number) => {
                    let number = *number;
                    self.number(number, rest, out)
                }
                Token::Word(word, at) => {
                    let (word, at) = (*word, *at);
                    self.word(word, at, rest, out)
                }
            };
            let used = used.map_err(|Malformed| piece.len() - rest.len())?;
            rest = rest.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    /// The text is over. No text at all is in order: there is nothing to mask.
    pub(crate) fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Malformed> {
        if let Token::Number(number) = self.token {
            self.end_number(number, out)?;
        }
        let over = matches!(self.token, Token::None) && self.expected == Expected::End;
        let nothing = !self.began && self.raw.is_empty();
        if over || nothing { Ok(()) } else { Err(Malformed) }
    }

    /// What was kept back of a text that has turned out to be malformed.
    pub(crate) fn give_up(&mut self, out: &mut Vec<u8>) {
        if self.removing.is_none() {
            out.append(&mut self.space);
            out.append(&mut self.raw);
        }
    }

    /// How much of the text it keeps.
    #[cfg(test)]
    pub(crate) fn kept_bytes(&self) -> usize {
        self.space.capacity() + self.raw.capacity() + self.name.capacity() + size_of_val(&*self.open)
    }

    /// RFC 8259 §8.1 lets a reader ignore a byte order mark, and some do. Gives what comes after it.
    fn without_mark<'p>(&mut self, piece: &'p [u8], out: &mut Vec<u8>) -> Result<&'p [u8], Malformed> {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        if self.began || piece.is_empty() {
            return Ok(piece);
        }
        // Its beginning is kept in `raw` until it is there whole.
        let left = MARK.get(self.raw.len()..).unwrap_or_default();
        let common = left.len().min(piece.len());
        let (mark, rest) = piece.split_at_checked(common).ok_or(Malformed)?;
        if !left.starts_with(mark) {
            // Nothing else begins with a part of it.
            self.began = true;
            return if self.raw.is_empty() { Ok(piece) } else { Err(Malformed) };
        }
        self.raw.extend_from_slice(mark);
        if self.raw.len() == MARK.len() {
            out.append(&mut self.raw);
            self.began = true;
        }
        Ok(rest)
    }

    fn structure(&mut self, rules: &Rules, rest: &[u8], out: &mut Vec<u8>) -> Result<usize, Malformed> {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let spaces = rest.iter().position(|byte| !blank(byte)).unwrap_or(rest.len());
        if spaces > 0 {
            self.blank(rest.get(..spaces).unwrap_or_default(), out);
            return Ok(spaces);
        }
        let byte = rest.first().copied().ok_or(Malformed)?;
        match (self.expected, byte) {
            (Expected::ElementOrEnd | Expected::CommaOrEnd, b']') => self.close(Kind::Array, out)?,
            (Expected::MemberOrEnd | Expected::CommaOrEnd, b'}') => self.close(Kind::Object, out)?,
            (Expected::CommaOrEnd, b',') => {
                if self.removing.is_none() {
                    self.comma = Some(self.space.len());
                    self.space.push(b',');
                }
                let array = self.open.last().is_some_and(|container| container.kind == Kind::Array);
                self.expected = if array { Expected::Element } else { Expected::Member };
            }
            (Expected::Element | Expected::ElementOrEnd, _) => {
                self.element(rules, out);
                self.begin(rules, byte, out)?;
            }
            (Expected::Member | Expected::MemberOrEnd, b'"') => self.member(out),
            (Expected::Colon, b':') => {
                self.emit(b":", out);
                self.expected = Expected::Value;
            }
            (Expected::Value, _) => self.begin(rules, byte, out)?,
            _ => return Err(Malformed),
        }
        Ok(1)
    }

    /// Begins a value.
    fn begin(&mut self, rules: &Rules, byte: u8, out: &mut Vec<u8>) -> Result<(), Malformed> {
        match byte {
            b'{' | b'[' => {
                if self.open.len() == DEPTH_MAX {
                    return Err(Malformed);
                }
                let (kind, expected) = match byte {
                    b'{' => (Kind::Object, Expected::MemberOrEnd),
                    _ => (Kind::Array, Expected::ElementOrEnd),
                };
                let Value { states, hashed } = self.next;
                self.open.push(Container { kind, states, hashed, filled: false, index: 0 });
                self.expected = expected;
                self.emit(&[byte], out);
                return Ok(());
            }
            b'"' => self.token = Token::Text(Text::default(), Role::Value),
            b't' => self.token = Token::Word(b"true", 1),
            b'f' => self.token = Token::Word(b"false", 1),
            b'n' => self.token = Token::Word(b"null", 1),
            _ => self.token = Token::Number(Number::begin(byte).ok_or(Malformed)?),
        }
        if self.next.hashed && self.removing.is_none() {
            self.digest = Some(rules.digest.clone());
        }
        match (&mut self.digest, byte) {
            (Some(_), b'"') => {}
            (Some(digest), _) => digest.update(&[byte]),
            (None, _) => self.emit(&[byte], out),
        }
        Ok(())
    }

    fn close(&mut self, kind: Kind, out: &mut Vec<u8>) -> Result<(), Malformed> {
        if self.open.pop().is_none_or(|container| container.kind != kind) {
            return Err(Malformed);
        }
        if self.removing.is_none() {
            out.append(&mut self.space);
        }
        self.emit(if kind == Kind::Object { b"}" } else { b"]" }, out);
        self.end_value(out);
        Ok(())
    }

    fn emit(&self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.removing.is_none() {
            out.extend_from_slice(bytes);
        }
    }
}
