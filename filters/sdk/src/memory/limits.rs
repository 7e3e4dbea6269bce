//! The host's own defaults, so that what passes here passes there.

pub(crate) const REPLY_BYTES: usize = 1_048_576;
pub(crate) const EDITS: usize = 200;
pub(crate) const EDIT_BYTES: usize = 65_536;
pub(crate) const BODY_HELD_BYTES: usize = 1_048_576;
pub(crate) const LOG_LINES: usize = 100;
pub(crate) const LOG_LINE_BYTES: usize = 8_192;
pub(crate) const METADATA_BYTES: usize = 16_384;
pub(crate) const STATE_BYTES: usize = 1_048_576;
pub(crate) const STORE_KEY_BYTES: usize = 1_024;
pub(crate) const STORE_VALUE_BYTES: usize = 65_536;
