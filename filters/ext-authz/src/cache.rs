use std::collections::{HashMap, VecDeque};

use sluice_filter::values::Duration;

use crate::question::Key;
use crate::settings::{CacheSettings, Part};
use crate::verdict::Verdict;

/// Answers that still count, so many at most. An instance keeps its own: in the store, whoever else may write there would decide
/// who passes.
#[derive(Debug)]
pub(crate) struct Cache {
    allowed: Duration,
    refused: Duration,
    parts: Option<Vec<Part>>,
    entries_max: usize,
    entries: HashMap<Key, Entry>,
    /// In the order in which they came. A key that came again stands in it twice, with the older time first.
    order: VecDeque<(Key, u64)>,
}

#[derive(Debug)]
struct Entry {
    verdict: Verdict,
    kept_ns: u64,
    until_ns: u64,
}

impl Cache {
    pub(crate) fn new(settings: CacheSettings) -> Self {
        Self {
            allowed: settings.allowed,
            refused: settings.refused,
            parts: settings.key.map(sluice_filter::values::OneOrMore::into_vec),
            entries_max: settings.entries,
            entries: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// What the operator keeps answers by; none: all that the service is told.
    pub(crate) fn parts(&self) -> Option<&[Part]> {
        self.parts.as_deref()
    }

    pub(crate) fn find(&self, key: &Key, now_ns: u64) -> Option<&Verdict> {
        self.entries.get(key).filter(|entry| now_ns < entry.until_ns).map(|entry| &entry.verdict)
    }

    pub(crate) fn keep(&mut self, key: Key, verdict: &Verdict, now_ns: u64) {
        let lifetime = match verdict {
            Verdict::Allowed(_) => self.allowed,
            Verdict::Refused(_) => self.refused,
        };
        if lifetime.is_zero() {
            // What was kept of an earlier answer is over.
            self.entries.remove(&key);
            return;
        }
        let until_ns = now_ns.saturating_add(lifetime.as_ms().saturating_mul(1_000_000));
        self.entries.insert(key, Entry { verdict: verdict.clone(), kept_ns: now_ns, until_ns });
        self.order.push_back((key, now_ns));
        // The oldest go first, those that count no longer among them.
        while self.order.len() > self.entries_max {
            let Some((oldest, kept_ns)) = self.order.pop_front() else { break };
            if self.entries.get(&oldest).is_some_and(|entry| entry.kept_ns == kept_ns) {
                self.entries.remove(&oldest);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len().max(self.order.len())
    }
}
