use serde::Deserialize;
use sluice_filter::http_client::Outgoing;
use sluice_filter::store::{self, Exchanged, Lifetime};
use sluice_filter::{clock, log};

use crate::key::{Jwk, Key};
use crate::settings::JwksSettings;

/// The keys that an issuer publishes. Each instance keeps them; what one has fetched, the others find in the store.
///
/// They are fetched again when they have become old, and when a token names a key that is not among them, as after a rotation.
/// However many such tokens come, and to however many instances, there is one fetch in `cooldown`.
#[derive(Debug)]
pub(crate) struct Jwks {
    settings: JwksSettings,
    set: Option<Set>,
    /// Of this instance, by its monotonic clock: not again before that.
    quiet_until_ms: u64,
}

#[derive(Debug)]
struct Set {
    keys: Vec<Key>,
    fetched_ms: u64,
}

/// Which keys are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'t> {
    Id(&'t str),
    Any,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

/// More of them are no set of one issuer; each costs work when it is read.
const KEYS_MAX: usize = 64;

/// After a fetch that came to nothing while there are no keys at all: an issuer that is down is not asked by every request.
const RETRY_MS: u64 = 1_000;

impl Jwks {
    pub(crate) fn new(settings: JwksSettings) -> Self {
        Self { settings, set: None, quiet_until_ms: 0 }
    }

    /// The keys as they are known now; none when there are none to be had.
    pub(crate) fn keys(&mut self, wanted: Wanted<'_>) -> Option<&[Key]> {
        if !self.satisfies(wanted) {
            self.find_in_store();
            if !self.satisfies(wanted) && self.may_fetch() {
                self.fetch();
            }
        }
        let stale_ms = self.settings.cache.as_ms().saturating_add(self.settings.stale.as_ms());
        self.set.as_ref().filter(|set| set.age_ms() < stale_ms).map(|set| &*set.keys)
    }

    fn satisfies(&self, wanted: Wanted<'_>) -> bool {
        self.set.as_ref().is_some_and(|set| {
            let known = match wanted {
                Wanted::Any => true,
                Wanted::Id(id) => set.keys.iter().any(|key| key.id().is_none_or(|other| other == id)),
            };
            known && set.age_ms() < self.settings.cache.as_ms()
        })
    }

    /// What another instance has fetched since.
    fn find_in_store(&mut self) {
        let Ok(Some(value)) = store::get(self.store_key("set")) else { return };
        let Some((time, body)) = value.split_first_chunk::<8>() else { return };
        let fetched_ms = u64::from_le_bytes(*time);
        if self.set.as_ref().is_none_or(|set| set.fetched_ms < fetched_ms)
            && let Some(keys) = read(body)
        {
            self.set = Some(Set { keys, fetched_ms });
        }
    }

    /// Without any keys nothing can be decided, and only this instance's own patience holds it back. With keys one instance
    /// of all fetches for the others.
    fn may_fetch(&mut self) -> bool {
        let now_ms = clock::monotonic_ns() / 1_000_000;
        if now_ms < self.quiet_until_ms {
            return false;
        }
        if self.set.is_none() {
            self.quiet_until_ms = now_ms + RETRY_MS;
            return true;
        }
        let cooldown = self.settings.cooldown;
        self.quiet_until_ms = now_ms.saturating_add(cooldown.as_ms());
        let turn = store::compare_and_set(self.store_key("turn"), None, b"", Lifetime::from(*cooldown));
        // Without a store each instance has its turn.
        !matches!(turn, Ok(Exchanged::Found(_)))
    }

    fn fetch(&mut self) {
        let JwksSettings { upstream, path, timeout, .. } = &self.settings;
        let request = Outgoing::new(upstream, "GET", path)
            .header("accept", "application/jwk-set+json, application/json")
            .timeout_ms(u32::try_from(timeout.as_ms()).unwrap_or(u32::MAX));
        let why = match request.send() {
            Ok(answer) if answer.status != 200 => format!("status {}", answer.status),
            Ok(answer) => match read(&answer.body) {
                Some(keys) => {
                    let fetched_ms = now_ms();
                    self.keep(&answer.body, fetched_ms);
                    self.set = Some(Set { keys, fetched_ms });
                    return;
                }
                None => "no JSON Web Key Set with a key that can be used".to_owned(),
            },
            Err(error) => format!("{error:?}"),
        };
        log::warn("the keys cannot be fetched", &[("upstream", upstream), ("path", path), ("why", &why)]);
    }

    /// A set that does not fit is fetched by each instance.
    fn keep(&self, body: &[u8], fetched_ms: u64) {
        let value = [&fetched_ms.to_le_bytes(), body].concat();
        let lifetime = Lifetime::from(*self.settings.cache + *self.settings.stale);
        if let Err(error) = store::set(self.store_key("set"), value, lifetime) {
            log::debug("the keys are not shared", &[("why", &format!("{error:?}"))]);
        }
    }

    fn store_key(&self, what: &str) -> String {
        format!("jwks {what} {} {}", self.settings.upstream, self.settings.path)
    }
}

impl Set {
    fn age_ms(&self) -> u64 {
        now_ms().saturating_sub(self.fetched_ms)
    }
}

fn now_ms() -> u64 {
    clock::now_ns() / 1_000_000
}

/// The usable keys of a set; others, of types and for purposes that are not ours, are passed over (RFC 7517 §5).
fn read(body: &[u8]) -> Option<Vec<Key>> {
    let document: Document = serde_json::from_slice(body).ok()?;
    let jwks = document.keys.into_iter().take(KEYS_MAX);
    let keys: Vec<_> =
        jwks.filter_map(|value| Key::public(serde_json::from_value::<Jwk>(value).ok()?).ok()).collect();
    (!keys.is_empty()).then_some(keys)
}
