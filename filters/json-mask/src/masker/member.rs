//! What stays of an object or array: its members and elements, with what is between them.

use super::{Expected, Masker, Role, Token, Value};
use crate::paths::{Action, Edge};
use crate::rules::Rules;
use crate::states::States;
use crate::text::Text;

/// White space in front of a member that may yet be removed; more of it is dropped, as it means nothing.
const SPACE_BYTES_MAX: usize = 1_024;

impl Masker {
    /// White space goes out at once, unless what comes after it may be removed.
    pub(super) fn blank(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self.expected {
            Expected::Value | Expected::Colon | Expected::End => self.emit(bytes, out),
            _ if self.removing.is_some() => {}
            _ => {
                let room = SPACE_BYTES_MAX.saturating_sub(self.space.len());
                self.space.extend(bytes.iter().take(room));
            }
        }
    }

    pub(super) fn element(&mut self, rules: &Rules, out: &mut Vec<u8>) {
        let Some(container) = self.open.last_mut() else { return };
        let index = container.index;
        container.index += 1;
        self.decide(rules, Some(Edge::Index(index)), out);
    }

    pub(super) fn member(&mut self, out: &mut Vec<u8>) {
        let decides =
            self.removing.is_none() && self.open.last().is_some_and(|container| !container.states.is_empty());
        let role = if decides {
            self.raw.push(b'"');
            Role::Deciding
        } else {
            self.keep(out);
            self.emit(b"\"", out);
            let hashed = self.open.last().is_some_and(|container| container.hashed);
            self.next = Value { states: States::default(), hashed };
            Role::Name
        };
        self.token = Token::Text(Text::default(), role);
    }

    /// Decides about the next member or element. No edge: the member whose name is known by now.
    pub(super) fn decide(&mut self, rules: &Rules, edge: Option<Edge<'_>>, out: &mut Vec<u8>) {
        if self.removing.is_some() {
            self.next = Value::default();
            return;
        }
        let Some(container) = self.open.last() else { return };
        let edge = edge.unwrap_or(Edge::Name(&self.name));
        let (states, action) = rules.paths.follow(container.states, edge);
        self.next = Value { states, hashed: container.hashed || action == Some(Action::Hash) };
        if action == Some(Action::Remove) {
            self.removing = Some(self.open.len());
            self.space.clear();
            self.comma = None;
            self.raw.clear();
            self.next = Value::default();
        } else {
            self.keep(out);
        }
        self.name.clear();
    }

    /// Lets out what was kept back in front of a member or element that stays.
    pub(super) fn keep(&mut self, out: &mut Vec<u8>) {
        if self.removing.is_some() {
            return;
        }
        if let Some(container) = self.open.last_mut() {
            // All that was before it has been removed: its comma went with it.
            if !container.filled
                && let Some(comma) = self.comma
            {
                self.space.remove(comma);
            }
            container.filled = true;
        }
        self.comma = None;
        out.append(&mut self.space);
        out.append(&mut self.raw);
    }
}
