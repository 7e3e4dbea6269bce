//! "Config" of docs/filters/writing.md, as it stands there.

use sluice_filter::testing::{Harness, json};

use sluice_filter::{Error, Filter, filter, rules};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    #[serde(default = "stamp_header")]
    stamp_header: String,
    #[serde(default)]
    loud: bool,
}

fn stamp_header() -> String {
    "x-stamp".to_owned()
}

struct Stamp {
    settings: Settings,
}

#[filter]
impl Filter for Stamp {
    type Config = Settings;

    fn configure(settings: Settings) -> Result<Self, Error> {
        rules::check_name(&settings.stamp_header).map_err(|sentence| Error::at("stamp-header", sentence))?;
        Ok(Self { settings })
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let stamp = Harness::<Stamp>::configure(json!(null)).unwrap();
    assert_eq!(stamp.filter().settings.stamp_header, "x-stamp");
    assert!(!stamp.filter().settings.loud);
}

#[test]
fn an_error_names_the_option() {
    let error = Harness::<Stamp>::configure(json!({ "stamp-header": "host" })).err().unwrap();
    assert_eq!(error.to_string(), r#"config.stamp-header: "host" frames or routes the message"#);
    let error = Harness::<Stamp>::configure(json!({ "stamp_header": "x-stamp" })).err().unwrap();
    assert!(error.to_string().starts_with("config.stamp_header: unknown field"));
}
