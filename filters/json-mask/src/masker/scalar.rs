//! Strings, numbers and words, byte by byte.

use hmac::Mac;

use super::{Expected, Malformed, Masker, Role, Token};
use crate::digest::hex;
use crate::number::Number;
use crate::paths::Edge;
use crate::rules::Rules;

impl Masker {
    pub(super) fn text(&mut self, rules: &Rules, rest: &[u8], out: &mut Vec<u8>) -> Result<usize, Malformed> {
        let Token::Text(text, role) = &mut self.token else { return Err(Malformed) };
        let role = *role;
        let plain = text.plain(rest);
        let silent = self.removing.is_some();
        let Self { name, raw, digest, .. } = self;
        let mut decoded = |bytes: &[u8]| match (role, &mut *digest) {
            (Role::Deciding, _) => name.extend_from_slice(bytes),
            (Role::Value, Some(digest)) => digest.update(bytes),
            _ => {}
        };
        let (written, over) = if plain > 0 {
            let written = rest.get(..plain).unwrap_or_default();
            decoded(written);
            (written, false)
        } else {
            let written = rest.get(..1).unwrap_or_default();
            let byte = written.first().copied().ok_or(Malformed)?;
            let over = byte == b'"' && text.may_end();
            if over {
                text.end(&mut decoded);
            } else {
                text.push(byte, &mut decoded)?;
            }
            (written, over)
        };
        let hashed = role == Role::Value && self.digest.is_some();
        if role == Role::Deciding {
            raw.extend_from_slice(written);
        } else if !hashed && !silent {
            out.extend_from_slice(written);
        }
        match role {
            Role::Deciding if over => {
                self.decide(rules, None, out);
                self.token = Token::None;
                self.expected = Expected::Colon;
            }
            Role::Deciding if self.name.len() > rules.paths.name_bytes_max() => {
                self.decide(rules, Some(Edge::LongName), out);
                if let Token::Text(_, role) = &mut self.token {
                    *role = Role::Name;
                }
            }
            Role::Name if over => {
                self.token = Token::None;
                self.expected = Expected::Colon;
            }
            Role::Value if over => self.end_value(out),
            _ => {}
        }
        Ok(written.len())
    }

    pub(super) fn number(
        &mut self,
        number: Number,
        rest: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<usize, Malformed> {
        let mut number = number;
        let mut used = 0;
        for byte in rest {
            let Some(next) = number.push(*byte) else { break };
            number = next;
            used += 1;
        }
        let written = rest.get(..used).unwrap_or_default();
        match &mut self.digest {
            Some(digest) => digest.update(written),
            None => self.emit(written, out),
        }
        self.token = Token::Number(number);
        if used == 0 {
            self.end_number(number, out)?;
        }
        Ok(used)
    }

    pub(super) fn end_number(&mut self, number: Number, out: &mut Vec<u8>) -> Result<(), Malformed> {
        if !number.is_whole() {
            return Err(Malformed);
        }
        self.end_value(out);
        Ok(())
    }

    pub(super) fn word(
        &mut self,
        word: &'static [u8],
        at: usize,
        rest: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<usize, Malformed> {
        let left = word.get(at..).unwrap_or_default();
        let used = left.len().min(rest.len());
        let written = rest.get(..used).unwrap_or_default();
        if left.get(..used) != Some(written) {
            return Err(Malformed);
        }
        match &mut self.digest {
            Some(digest) => digest.update(written),
            None => self.emit(written, out),
        }
        self.token = Token::Word(word, at + used);
        if used == left.len() {
            // That there is no value tells nothing of one.
            if word == b"null" && self.digest.take().is_some() {
                out.extend_from_slice(word);
            }
            self.end_value(out);
        }
        Ok(used)
    }

    pub(super) fn end_value(&mut self, out: &mut Vec<u8>) {
        if let Some(digest) = self.digest.take() {
            out.push(b'"');
            out.extend_from_slice(&hex(digest.finalize().into_bytes().as_ref()));
            out.push(b'"');
        }
        if self.removing == Some(self.open.len()) {
            self.removing = None;
        }
        self.token = Token::None;
        self.expected = if self.open.is_empty() { Expected::End } else { Expected::CommaOrEnd };
    }
}
