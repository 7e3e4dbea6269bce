use std::fmt;

/// Why a configuration is refused: a sentence for the operator.
///
/// It names the key and says what was expected of it; the host adds the filter's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    sentence: String,
}

impl Error {
    /// An error that concerns no single key.
    ///
    /// ```
    /// # use sluice_filter::Error;
    /// let error = Error::new("neither `keys` nor `sha256` is given");
    /// assert_eq!(error.to_string(), "neither `keys` nor `sha256` is given");
    /// ```
    pub fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into() }
    }

    /// An error of the value at `key`, a path within the filter's configuration.
    ///
    /// ```
    /// # use sluice_filter::Error;
    /// let error = Error::at("keys.alice", "expected 64 hexadecimal digits, found 63");
    /// assert_eq!(error.to_string(), "config.keys.alice: expected 64 hexadecimal digits, found 63");
    /// ```
    pub fn at(key: impl fmt::Display, sentence: impl fmt::Display) -> Self {
        Self { sentence: format!("config.{key}: {sentence}") }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Error {}

impl From<String> for Error {
    fn from(sentence: String) -> Self {
        Self { sentence }
    }
}

impl From<&str> for Error {
    fn from(sentence: &str) -> Self {
        Self::new(sentence)
    }
}

impl From<Error> for String {
    fn from(error: Error) -> Self {
        error.sentence
    }
}
