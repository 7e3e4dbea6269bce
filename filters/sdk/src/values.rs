//! Kinds of value that configurations have in common. Each checks itself while it is read, so that an error names its place in
//! the configuration and nothing is left to be checked in `configure`.
//!
//! ```
//! # use sluice_filter::{Error, Filter, filter, testing::{Harness, json}};
//! use sluice_filter::values::{Duration, HeaderName, OneOrMore};
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Cache {
//!     lifetime: Duration,
//!     vary: OneOrMore<HeaderName>,
//! }
//!
//! #[filter]
//! impl Filter for Cache {
//!     type Config = Self;
//!
//!     fn configure(cache: Self) -> Result<Self, Error> {
//!         Ok(cache)
//!     }
//! }
//!
//! let cache = Harness::<Cache>::configure(json!({ "lifetime": "5m", "vary": "accept" }))?;
//! assert_eq!(cache.filter().lifetime.as_secs(), 300);
//! let error = Harness::<Cache>::configure(json!({ "lifetime": "5m", "vary": ["accept", "host"] })).err().unwrap();
//! assert_eq!(error.to_string(), r#"config.vary[1]: "host" frames or routes the message"#);
//! # Ok::<(), Error>(())
//! ```

use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, de};

use crate::rules;

/// The name of a header that a filter may edit, as [`rules::check_name`] has it. Two names that differ in case are equal.
#[derive(Debug, Clone)]
pub struct HeaderName(String);

/// A time span with its unit, written as everywhere in the host's configuration: `250ms`, `5s`, `1m`, `2h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(time::Duration);

/// One value, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOrMore<T> {
    values: Vec<T>,
    /// Written as a list: then an element has a place of its own.
    listed: bool,
}

impl HeaderName {
    /// The name, if a filter may edit a header of this name; or a sentence that says why not.
    ///
    /// ```
    /// # use sluice_filter::values::HeaderName;
    /// assert_eq!(HeaderName::new("X-Team").unwrap(), HeaderName::new("x-team").unwrap());
    /// assert_eq!(HeaderName::new("a b").unwrap_err(), r#""a b" is no field name"#);
    /// ```
    pub fn new(name: impl Into<String>) -> Result<Self, String> {
        let name = name.into();
        rules::check_name(&name)?;
        Ok(Self(name))
    }
}

impl Deref for HeaderName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for HeaderName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for HeaderName {}

impl PartialOrd for HeaderName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// So that names can be the keys of a map, where two spellings of one name are one.
impl Ord for HeaderName {
    fn cmp(&self, other: &Self) -> Ordering {
        let lower = |name: &'_ Self| name.0.bytes().map(|byte| byte.to_ascii_lowercase()).collect::<Vec<_>>();
        lower(self).cmp(&lower(other))
    }
}

impl<'de> Deserialize<'de> for HeaderName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl Duration {
    /// Whole milliseconds.
    ///
    /// ```
    /// # use sluice_filter::values::Duration;
    /// assert_eq!(Duration::from_millis(1_500).as_ms(), 1_500);
    /// ```
    pub fn as_ms(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    /// So many milliseconds.
    ///
    /// ```
    /// # use sluice_filter::values::Duration;
    /// assert_eq!(Duration::from_millis(2_000).as_secs(), 2);
    /// ```
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(time::Duration::from_millis(milliseconds))
    }

    /// So many seconds: for defaults.
    ///
    /// ```
    /// # use sluice_filter::values::Duration;
    /// assert_eq!(Duration::from_secs(5).as_ms(), 5_000);
    /// ```
    pub const fn from_secs(seconds: u64) -> Self {
        Self(time::Duration::from_secs(seconds))
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        // As long as the host's own; and then no product is too large.
        if digits > 12 {
            return None;
        }
        Some(Self::from_millis(number.parse::<u64>().ok()? * factor))
    }
}

impl Deref for Duration {
    type Target = time::Duration;

    fn deref(&self) -> &time::Duration {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format!("{text:?} is no duration like \"250ms\", \"5s\", \"1m\" or \"2h\""))
        })
    }
}

impl<T> OneOrMore<T> {
    /// The values.
    ///
    /// ```
    /// # use sluice_filter::values::OneOrMore;
    /// assert_eq!(OneOrMore::from(vec![1, 2]).into_vec(), [1, 2]);
    /// ```
    pub fn into_vec(self) -> Vec<T> {
        self.values
    }

    /// The values, each with its place in the configuration, for the errors of whoever reads on.
    ///
    /// ```
    /// # use sluice_filter::{testing::json, values::OneOrMore};
    /// let places = |value| serde_json::from_value::<OneOrMore<u16>>(value).unwrap().into_places("ports");
    /// assert_eq!(places(json!(80)), [("ports".to_owned(), 80)]);
    /// assert_eq!(places(json!([80])), [("ports[0]".to_owned(), 80)]);
    /// ```
    pub fn into_places(self, key: &str) -> Vec<(String, T)> {
        let place = |index| if self.listed { format!("{key}[{index}]") } else { key.to_owned() };
        self.values.into_iter().enumerate().map(|(index, value)| (place(index), value)).collect()
    }
}

impl<T> Default for OneOrMore<T> {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl<T> From<Vec<T>> for OneOrMore<T> {
    fn from(values: Vec<T>) -> Self {
        Self { values, listed: true }
    }
}

impl<T> Deref for OneOrMore<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMore<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMoreVisitor(PhantomData))
    }
}

/// Not an untagged enum of serde's: its errors name neither the element nor what is wrong with it.
struct OneOrMoreVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMoreVisitor<T> {
    type Value = OneOrMore<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or a list of values")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        PhantomData::<T>.deserialize(de::value::StrDeserializer::new(text)).map(one)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        PhantomData::<T>.deserialize(de::value::U64Deserializer::new(number)).map(one)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMore::from)
    }
}

fn one<T>(value: T) -> OneOrMore<T> {
    OneOrMore { values: vec![value], listed: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    #[derive(Debug, Deserialize)]
    struct Settings {
        #[serde(default)]
        after: Option<Duration>,
        #[serde(default)]
        names: OneOrMore<HeaderName>,
        #[serde(default)]
        ports: OneOrMore<u16>,
    }

    #[test]
    fn a_duration_has_a_unit() {
        for (text, ms) in [("0ms", 0), ("250ms", 250), ("5s", 5_000), ("1m", 60_000), ("2h", 7_200_000)] {
            let settings: Settings = parse(&format!(r#"{{"after":"{text}"}}"#)).unwrap();
            assert_eq!(settings.after, Some(Duration::from_millis(ms)));
        }
        for text in ["", "5", "s", "5 s", "-5s", "1.5s", "5S", "1d", "1234567890123s", "٣s"] {
            let error = parse::<Settings>(&format!(r#"{{"after":"{text}"}}"#)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("config.after: {text:?} is no duration")), "{error}");
        }
    }

    #[test]
    fn one_value_is_a_list_of_one() {
        let settings: Settings = parse(r#"{"names":"x-a","ports":[1,2]}"#).unwrap();
        assert_eq!(settings.names.iter().map(|name| &**name).collect::<Vec<_>>(), ["x-a"]);
        assert_eq!(settings.ports.into_vec(), [1, 2]);
        assert_eq!(parse::<Settings>(r#"{"ports":3}"#).unwrap().ports.into_vec(), [3]);
    }

    #[test]
    fn an_error_within_a_list_has_its_place() {
        for (text, sentence) in [
            (r#"{"names":["x-a",1]}"#, "config.names[1]: invalid type: integer `1`, expected a string"),
            (r#"{"names":"a b"}"#, r#"config.names: "a b" is no field name"#),
            (r#"{"ports":[1,70000]}"#, "config.ports[1]: invalid value: integer `70000`, expected u16"),
            (r#"{"ports":{}}"#, "config.ports: invalid type: map, expected a value or a list of values"),
        ] {
            assert_eq!(parse::<Settings>(text).unwrap_err().to_string(), sentence);
        }
    }
}
