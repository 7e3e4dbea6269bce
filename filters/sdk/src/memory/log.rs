use super::limits::{LOG_LINE_BYTES, LOG_LINES};
use super::world::with;
use crate::log::Level;

/// A line that a filter has logged.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// Its text.
    pub message: String,
    /// Its data.
    pub attributes: Vec<(String, String)>,
}

impl Line {
    /// The value of the first attribute of this name.
    ///
    /// ```
    /// # use sluice_filter::{log::Level, testing::Line};
    /// let attributes = vec![("key".to_owned(), "alice".to_owned())];
    /// let line = Line { level: Level::Info, message: "seen".into(), attributes };
    /// assert_eq!(line.attribute("key"), Some("alice"));
    /// ```
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

pub(crate) fn enabled(_level: Level) -> bool {
    true
}

pub(crate) fn log(level: Level, message: &str, attributes: &[(&str, &str)]) {
    with(|world| {
        if world.lines.len() < LOG_LINES {
            let attributes = attributes.iter().map(|(name, value)| (cut(name), cut(value))).collect();
            world.lines.push(Line { level, message: cut(message), attributes });
        }
    });
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(LOG_LINE_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
