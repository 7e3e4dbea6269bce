use std::borrow::Cow;
use std::collections::BTreeMap;

use sluice_filter::{Error, Request, Response, rules};

use crate::settings::EditSettings;
use crate::template::{Substitution, Template};

/// The edits of one side.
#[derive(Debug)]
pub(crate) struct Edits<S> {
    remove: Vec<String>,
    set: Vec<(String, Template<S>)>,
    append: Vec<(String, Template<S>)>,
}

/// What can be edited.
pub(crate) trait Message {
    fn set(&mut self, name: &str, value: &[u8]);
    fn append(&mut self, name: &str, value: &[u8]);
    fn remove(&mut self, name: &str);
}

impl<S: Substitution> Edits<S> {
    pub(crate) fn parse(settings: EditSettings, side: &str) -> Result<Self, Error> {
        let mut edits = Self { remove: Vec::new(), set: Vec::new(), append: Vec::new() };
        for (index, name) in settings.remove.into_iter().enumerate() {
            rules::check_name(&name)
                .map_err(|sentence| Error::at(format!("{side}.remove[{index}]"), sentence))?;
            edits.remove.push(name);
        }
        // Two spellings of one name would leave it to the order of the alphabet which one wins.
        let mut spelled = BTreeMap::new();
        for (name, value) in settings.set {
            let place = format!("{side}.set.{name}");
            if let Some(other) = spelled.insert(name.to_ascii_lowercase(), name.clone()) {
                return Err(Error::at(place, format!("the same header as `{other}`")));
            }
            edits.set.push(parse_edit(&place, name, &value)?);
        }
        for (name, values) in settings.append {
            let place = format!("{side}.append.{name}");
            for (place, value) in values.into_places(&place) {
                edits.append.push(parse_edit(&place, name.clone(), &value)?);
            }
        }
        Ok(edits)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.append.is_empty()
    }

    /// Makes the edits. All values come first: they see the message as it was.
    pub(crate) fn apply<M: Message>(
        &self,
        message: &mut M,
        mut substitute: impl FnMut(&S, &M, &mut Vec<u8>),
    ) {
        let set = values(&self.set, message, &mut substitute);
        let append = values(&self.append, message, &mut substitute);
        for name in &self.remove {
            message.remove(name);
        }
        for (name, value) in set {
            message.set(name, &value);
        }
        for (name, value) in append {
            message.append(name, &value);
        }
    }
}

impl Message for Request {
    fn set(&mut self, name: &str, value: &[u8]) {
        self.set_header(name, value);
    }

    fn append(&mut self, name: &str, value: &[u8]) {
        self.append_header(name, value);
    }

    fn remove(&mut self, name: &str) {
        self.remove_header(name);
    }
}

impl Message for Response {
    fn set(&mut self, name: &str, value: &[u8]) {
        self.set_header(name, value);
    }

    fn append(&mut self, name: &str, value: &[u8]) {
        self.append_header(name, value);
    }

    fn remove(&mut self, name: &str) {
        self.remove_header(name);
    }
}

fn parse_edit<S: Substitution>(
    place: &str,
    name: String,
    value: &str,
) -> Result<(String, Template<S>), Error> {
    rules::check_name(&name).map_err(|sentence| Error::at(place, sentence))?;
    let template = Template::parse(value).map_err(|sentence| Error::at(place, sentence))?;
    Ok((name, template))
}

fn values<'t, S: Substitution, M>(
    edits: &'t [(String, Template<S>)],
    message: &M,
    substitute: &mut impl FnMut(&S, &M, &mut Vec<u8>),
) -> Vec<(&'t str, Cow<'t, [u8]>)> {
    edits
        .iter()
        .map(|(name, template)| (name.as_str(), template.render(|text, out| substitute(text, message, out))))
        .collect()
}
