use crate::states::States;

/// What is done to a value that a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Remove,
    Hash,
}

/// All paths of a configuration as one automaton. Its states are places between two steps of a path; a value in the document
/// has the set of places that its own path has come to.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    steps: Vec<Step>,
    starts: States,
    /// Of a document's root.
    root: Option<Action>,
    name_bytes_max: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// A member of this name, or the element of this number.
    Name(Vec<u8>, Option<u64>),
    /// Any one member or element.
    Any,
    /// Any number of them, none included.
    Deep,
    End(Action),
}

/// What leads from a container to a value in it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Edge<'a> {
    /// A member's name, without its escapes.
    Name(&'a [u8]),
    /// A member's name that is longer than any name in a path.
    LongName,
    /// An element's number.
    Index(u64),
}

impl Paths {
    /// Adds a path, or says what is wrong with it.
    pub(crate) fn add(&mut self, text: &str, action: Action) -> Result<(), String> {
        let steps = match text.strip_prefix('/') {
            Some(steps) => pointer(steps)?,
            None => dotted(text)?,
        };
        if action == Action::Remove && steps.iter().all(|step| *step == Step::Deep) {
            return Err("this path removes the whole document".to_owned());
        }
        let start = self.steps.len();
        for step in steps {
            if let Step::Name(name, _) = &step {
                self.name_bytes_max = self.name_bytes_max.max(name.len());
            }
            self.steps.push(step);
        }
        self.steps.push(Step::End(action));
        if self.steps.len() > States::CAPACITY {
            return Err(format!("all paths together have more than {} steps", States::CAPACITY));
        }
        let mut starts = std::mem::take(&mut self.starts);
        self.reach(start, &mut starts, &mut None);
        self.starts = starts;
        let mut root = self.root;
        self.reach(start, &mut States::default(), &mut root);
        self.root = root;
        Ok(())
    }

    /// A name that is longer matches no name in any path.
    pub(crate) fn name_bytes_max(&self) -> usize {
        self.name_bytes_max
    }

    /// Where a document begins, and what is done to all of it.
    pub(crate) fn root(&self) -> (States, Option<Action>) {
        (self.starts, self.root)
    }

    /// Where an edge leads from these places, and what is done to the value there.
    pub(crate) fn follow(&self, from: States, edge: Edge<'_>) -> (States, Option<Action>) {
        let mut places = States::default();
        let mut action = None;
        for place in from.iter() {
            let next = match (self.steps.get(place), edge) {
                (Some(Step::Name(name, _)), Edge::Name(other)) => (name == other).then_some(place + 1),
                (Some(Step::Name(_, number)), Edge::Index(other)) => {
                    (*number == Some(other)).then_some(place + 1)
                }
                (Some(Step::Any), _) => Some(place + 1),
                (Some(Step::Deep), _) => Some(place),
                _ => None,
            };
            if let Some(next) = next {
                self.reach(next, &mut places, &mut action);
            }
        }
        (places, action)
    }

    /// Enters a place and those that can be reached from it by `**` standing for nothing.
    fn reach(&self, place: usize, places: &mut States, action: &mut Option<Action>) {
        let mut place = place;
        loop {
            match self.steps.get(place) {
                // To remove a value is to hash it, too.
                Some(Step::End(Action::Remove)) => *action = Some(Action::Remove),
                Some(Step::End(Action::Hash)) => *action = action.or(Some(Action::Hash)),
                Some(Step::Deep) => {
                    places.insert(place);
                    place += 1;
                    continue;
                }
                Some(Step::Name(..) | Step::Any) => places.insert(place),
                None => {}
            }
            return;
        }
    }
}

/// RFC 6901 after its first slash, with `*` and `**` as steps and `~2` for a star.
fn pointer(text: &str) -> Result<Vec<Step>, String> {
    let steps = text.split('/').map(|step| match step {
        "*" => Ok(Step::Any),
        "**" => Ok(Step::Deep),
        _ => {
            let mut name = String::new();
            let mut chars = step.chars();
            while let Some(char) = chars.next() {
                name.push(match char {
                    '~' => match chars.next() {
                        Some('0') => '~',
                        Some('1') => '/',
                        Some('2') => '*',
                        _ => return Err("`~` is followed by 0 for `~`, 1 for `/` or 2 for `*`".to_owned()),
                    },
                    '*' => return Err(star(step)),
                    _ => char,
                });
            }
            Ok(named(name))
        }
    });
    steps.collect()
}

/// Names with dots between them; a backslash takes the next character as it is.
fn dotted(text: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        let mut name = String::new();
        let mut stars = 0;
        let mut plain = false;
        while let Some(char) = chars.next_if(|char| *char != '.') {
            match char {
                '\\' => {
                    name.push(chars.next().ok_or("the path ends in a backslash")?);
                    plain = true;
                }
                '*' => {
                    name.push('*');
                    stars += 1;
                }
                _ => {
                    name.push(char);
                    plain = true;
                }
            }
        }
        steps.push(match (stars, plain) {
            (0, true) => named(name),
            (1, false) => Step::Any,
            (2, false) => Step::Deep,
            (0, false) => {
                return Err("the path has an empty step; `/` before each step allows it".to_owned());
            }
            _ => return Err(star(&name)),
        });
        if chars.next().is_none() {
            return Ok(steps);
        }
    }
}

fn named(name: String) -> Step {
    // As RFC 6901 §4 has it: no leading zeros.
    let number = name.parse().ok().filter(|number: &u64| number.to_string() == name);
    Step::Name(name.into_bytes(), number)
}

fn star(step: &str) -> String {
    format!("`*` and `**` stand for whole steps: {step:?} is neither")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(paths: &[&str], to: &[&str]) -> Option<Action> {
        let mut automaton = Paths::default();
        for path in paths {
            automaton.add(path, Action::Remove).unwrap();
        }
        let mut found = automaton.root();
        for name in to {
            let edge = match name.strip_prefix('#') {
                Some(number) => Edge::Index(number.parse().unwrap()),
                None => Edge::Name(name.as_bytes()),
            };
            found = automaton.follow(found.0, edge);
        }
        found.1
    }

    #[test]
    fn paths_lead_where_they_say() {
        for (path, hits, misses) in [
            ("a.b", vec!["a b"], vec!["a", "b", "a b c", "x a b", "a x"]),
            ("/a/b", vec!["a b"], vec!["a", "b"]),
            ("a.*.c", vec!["a b c", "a #7 c"], vec!["a c", "a b b c"]),
            ("**.c", vec!["c", "a c", "a #1 b c", "c c"], vec!["a", "c a"]),
            ("a.**.c", vec!["a c", "a b c", "a b b c", "a c c"], vec!["c", "b c", "a"]),
            ("a.**", vec!["a", "a b", "a b c"], vec!["b"]),
            ("**.a.*.b.**.c", vec!["a x b c", "x a a b c", "a #0 b x c"], vec!["a b c", "a x b"]),
            ("a.0", vec!["a #0", "a 0"], vec!["a #1", "a 00"]),
            ("a.00", vec!["a 00"], vec!["a #0"]),
            ("/a~1b/~0/~2", vec!["a/b ~ *"], vec!["a/b ~ x"]),
            (r"a\.b.\*.c\\d", vec![r"a.b * c\d"], vec!["a b x"]),
            ("ä", vec!["ä"], vec!["a"]),
        ] {
            for to in hits {
                let to: Vec<_> = to.split(' ').collect();
                assert_eq!(action(&[path], &to), Some(Action::Remove), "{path} to {to:?}");
                assert_eq!(action(&["zzz", path, "q.**.r"], &to), Some(Action::Remove), "{path} to {to:?}");
            }
            for to in misses {
                let to: Vec<_> = to.split(' ').collect();
                assert_eq!(action(&[path], &to), None, "{path} to {to:?}");
            }
        }
        assert_eq!(action(&["/"], &[""]), Some(Action::Remove), "the empty name");
    }

    #[test]
    fn removing_wins_over_hashing() {
        for actions in [[Action::Hash, Action::Remove], [Action::Remove, Action::Hash]] {
            let mut paths = Paths::default();
            for action in actions {
                paths.add("**.a", action).unwrap();
            }
            assert_eq!(paths.follow(paths.root().0, Edge::Name(b"a")).1, Some(Action::Remove));
        }
    }

    #[test]
    fn a_path_that_says_nothing_is_refused() {
        for (path, sentence) in [
            ("", "the path has an empty step; `/` before each step allows it"),
            ("a..b", "the path has an empty step; `/` before each step allows it"),
            ("a*", r#"`*` and `**` stand for whole steps: "a*" is neither"#),
            ("a.***", r#"`*` and `**` stand for whole steps: "***" is neither"#),
            ("/a/b*", r#"`*` and `**` stand for whole steps: "b*" is neither"#),
            ("/~3", "`~` is followed by 0 for `~`, 1 for `/` or 2 for `*`"),
            ("a\\", "the path ends in a backslash"),
            ("**", "this path removes the whole document"),
            ("/**/**", "this path removes the whole document"),
        ] {
            assert_eq!(Paths::default().add(path, Action::Remove), Err(sentence.to_owned()), "{path}");
        }
        let mut paths = Paths::default();
        let mut refused = (0..300).filter_map(|_| paths.add("a", Action::Remove).err());
        assert_eq!(refused.next().as_deref(), Some("all paths together have more than 256 steps"));
    }
}
