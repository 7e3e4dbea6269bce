//! Where code is in the sources: names, files and lines, from what a compiler leaves in custom sections.

use std::collections::HashMap;
use std::fmt::Write as _;

use addr2line::gimli::{self, EndianSlice, LittleEndian};
use wasmparser::{KnownCustom, Name, Parser, Payload};

use crate::refusal::Refusal;

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// What a core module says about its own code.
pub struct Symbols<'a> {
    names: HashMap<u32, &'a str>,
    lines: Option<addr2line::Context<Slice<'a>>>,
    /// Where the contents of the code section begin: addresses are counted from there.
    code: u32,
}

impl<'a> Symbols<'a> {
    /// Reads the sections of a core module.
    ///
    /// # Errors
    ///
    /// When the bytes are no module, or its debugging sections none.
    pub fn read(module: &'a [u8]) -> Result<Self, Refusal> {
        let mut names = HashMap::new();
        let mut debug: HashMap<&str, &'a [u8]> = HashMap::new();
        let mut code = 0;
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::CodeSectionStart { unchecked_range, .. } => {
                    code = u32::try_from(unchecked_range.start).unwrap_or(u32::MAX);
                }
                Payload::CustomSection(section) => {
                    if let KnownCustom::Name(subsections) = section.as_known() {
                        for subsection in subsections {
                            let Ok(Name::Function(functions)) = subsection else { continue };
                            for naming in functions {
                                let naming = naming?;
                                names.insert(naming.index, naming.name);
                            }
                        }
                    } else if section.name().starts_with(".debug_") {
                        debug.insert(section.name(), section.data());
                    }
                }
                _ => {}
            }
        }
        Ok(Self { names, lines: lines_of(&debug), code })
    }

    /// A place in the module's code, innermost first where functions are inlined: `name at file:line:column`, or less.
    #[must_use]
    pub fn at(&self, function: u32, offset: u32) -> Vec<String> {
        // It has the whole path of the function, where the debugging information has its last part.
        let own = self.names.get(&function).map(|name| shown(name));
        let mut places = self.inlined(offset, own.as_deref()).unwrap_or_default();
        if places.is_empty() {
            places.extend(own);
        }
        places
    }

    /// `own` names the function itself: the outermost of those that are found.
    fn inlined(&self, offset: u32, own: Option<&str>) -> Option<Vec<String>> {
        let lines = self.lines.as_ref()?;
        let address = u64::from(offset.checked_sub(self.code)?);
        let mut found = lines.find_frames(address).skip_all_loads().ok()?;
        let mut frames = Vec::new();
        while let Ok(Some(frame)) = found.next() {
            let name = frame.function.and_then(|function| Some(shown(&function.raw_name().ok()?)));
            frames.push((name, frame.location));
        }
        if let (Some((name, _)), Some(own)) = (frames.last_mut(), own) {
            *name = Some(own.to_owned());
        }
        Some(frames.into_iter().filter_map(|(name, location)| Some(place(name?, location))).collect())
    }
}

fn place(name: String, location: Option<addr2line::Location<'_>>) -> String {
    let mut place = name;
    let Some(location) = location else { return place };
    let Some(file) = location.file else { return place };
    let _ = write!(place, " at {file}");
    for number in [location.line, location.column].into_iter().flatten() {
        let _ = write!(place, ":{number}");
    }
    place
}

/// None without debugging information, or with one that cannot be read.
fn lines_of<'a>(debug: &HashMap<&str, &'a [u8]>) -> Option<addr2line::Context<Slice<'a>>> {
    debug.get(".debug_line")?;
    let load = |id: gimli::SectionId| -> Result<Slice<'a>, gimli::Error> {
        Ok(EndianSlice::new(debug.get(id.name()).copied().unwrap_or_default(), LittleEndian))
    };
    addr2line::Context::from_dwarf(gimli::Dwarf::load(load).ok()?).ok()
}

/// Rust's own names as they were written, without the hash at their end; others as they are. A generic one can be very long.
fn shown(name: &str) -> String {
    let mut name = match rustc_demangle::try_demangle(name) {
        Ok(rust) => format!("{rust:#}"),
        Err(_) => name.to_owned(),
    };
    if let Some((end, _)) = name.char_indices().nth(NAME_CHARS_MAX) {
        name.truncate(end);
        name.push('…');
    }
    name
}

const NAME_CHARS_MAX: usize = 120;

#[cfg(test)]
mod tests {
    use super::Symbols;

    const NAMED: &str = r#"(module (func $_ZN4trap4fall17h0123456789abcdefE) (func $_RNvC6_123foo3bar) (func $plain) (func))"#;

    #[test]
    fn names_are_read_without_their_mangling() {
        let module = wat::parse_str(NAMED).unwrap();
        let symbols = Symbols::read(&module).unwrap();
        let names: Vec<_> = (0..4).map(|function| symbols.at(function, 0)).collect();
        assert_eq!(names, [vec!["trap::fall"], vec!["123foo::bar"], vec!["plain"], vec![]]);
    }

    #[test]
    fn what_is_no_module_is_refused() {
        assert!(Symbols::read(b"no module").is_err());
    }
}
