/// A set of an automaton's states, small enough to be copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct States([u64; WORDS]);

const WORDS: usize = 4;

impl States {
    pub(crate) const CAPACITY: usize = WORDS * 64;

    pub(crate) fn is_empty(self) -> bool {
        self.0 == [0; WORDS]
    }

    /// A state that is over the capacity is left out; a configuration with so many is refused.
    pub(crate) fn insert(&mut self, state: usize) {
        if let Some(word) = self.0.get_mut(state / 64) {
            *word |= 1 << (state % 64);
        }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(index, word)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = usize::try_from(left.trailing_zeros()).ok().filter(|bit| *bit < 64)?;
                left &= left - 1;
                Some(index * 64 + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_gives_back_what_was_put_into_it() {
        let mut states = States::default();
        assert!(states.is_empty());
        for state in [255, 0, 63, 64, 7, 7, 256] {
            states.insert(state);
        }
        assert_eq!(states.iter().collect::<Vec<_>>(), [0, 7, 63, 64, 255]);
        assert!(!states.is_empty());
    }
}
