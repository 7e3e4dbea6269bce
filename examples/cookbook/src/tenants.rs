//! Finds out whose host name was asked for, and tells the filters behind it: `blue.example.com` is the tenant `blue`.

use sluice_filter::{Decision, Error, Exchange, Filter, Reply, Request, filter};

/// What the operator writes under `config:`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    domain: String,
}

/// The filter: one value in each instance.
pub struct Tenants {
    /// `.example.com`
    suffix: String,
}

#[filter]
impl Filter for Tenants {
    type Config = Settings;

    fn configure(settings: Settings) -> Result<Self, Error> {
        Ok(Self { suffix: format!(".{}", settings.domain.to_ascii_lowercase()) })
    }

    fn on_request(&mut self, request: &mut Request, exchange: &mut Exchange) -> Decision {
        let authority = request.authority().to_ascii_lowercase();
        let (host, _port) = authority.split_once(':').unwrap_or((&authority, ""));
        match host.strip_suffix(&self.suffix) {
            Some(tenant) if !tenant.is_empty() && !tenant.contains('.') => {
                exchange.set_metadata("tenant", tenant);
                Decision::Proceed
            }
            _ => Reply::new(404).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tenants;
    use sluice_filter::Value;
    use sluice_filter::testing::{Harness, Request, json};

    #[test]
    fn the_tenant_is_the_first_name_of_the_host() {
        let mut filter = Harness::<Tenants>::configure(json!({ "domain": "example.com" })).unwrap();

        let blue = filter.exchange().request(Request::get("/").authority("Blue.Example.com:8443")).run();
        assert_eq!(blue.metadata("tenant"), Some(&Value::Text("blue".to_owned())));

        for authority in ["example.com", "a.b.example.com", "blueexample.com", "blue.example.org"] {
            let other = filter.exchange().request(Request::get("/").authority(authority)).run();
            assert_eq!(other.reply().unwrap().status(), 404, "{authority}");
        }
    }
}
