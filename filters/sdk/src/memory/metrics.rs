use std::collections::BTreeMap;

use super::world::{Stage, trap, with};
use crate::metrics::Error;

/// All metrics that a filter has declared.
#[derive(Default)]
pub(crate) struct Registry {
    metrics: BTreeMap<String, Metric>,
}

struct Metric {
    declaration: Declaration,
    series: BTreeMap<Vec<String>, Sample>,
}

#[derive(PartialEq)]
struct Declaration {
    kind: Kind,
    help: String,
    labels: Vec<String>,
    bounds: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// What one series holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Sample {
    Counter(u64),
    Gauge(f64),
    Histogram(Vec<f64>),
}

impl Registry {
    pub(crate) fn sample(&self, name: &str, labels: &[&str]) -> Option<&Sample> {
        let labels: Vec<_> = labels.iter().map(|label| (*label).to_owned()).collect();
        self.metrics.get(name)?.series.get(&labels)
    }
}

macro_rules! metric {
    ($metric:ident) => {
        #[derive(Debug)]
        pub(crate) struct $metric {
            name: String,
        }
    };
}

metric!(Counter);
metric!(Gauge);
metric!(Histogram);

impl Counter {
    pub(crate) fn declare(name: &str, help: &str, labels: &[&str]) -> Result<Self, Error> {
        Ok(Self { name: declare(Kind::Counter, name, help, labels, &[])? })
    }

    pub(crate) fn add(&self, amount: u64, labels: &[&str]) {
        record(&self.name, labels, Sample::Counter(0), |sample| {
            if let Sample::Counter(total) = sample {
                *total = total.saturating_add(amount);
            }
        });
    }
}

impl Gauge {
    pub(crate) fn declare(name: &str, help: &str, labels: &[&str]) -> Result<Self, Error> {
        Ok(Self { name: declare(Kind::Gauge, name, help, labels, &[])? })
    }

    pub(crate) fn set(&self, value: f64, labels: &[&str]) {
        record(&self.name, labels, Sample::Gauge(0.0), |sample| *sample = Sample::Gauge(value));
    }
}

impl Histogram {
    pub(crate) fn declare(name: &str, help: &str, labels: &[&str], bounds: &[f64]) -> Result<Self, Error> {
        if !bounds.is_sorted_by(|one, next| one < next) {
            return Err(Error::Other("the bounds of a histogram ascend".into()));
        }
        Ok(Self { name: declare(Kind::Histogram, name, help, labels, bounds)? })
    }

    pub(crate) fn observe(&self, value: f64, labels: &[&str]) {
        record(&self.name, labels, Sample::Histogram(Vec::new()), |sample| {
            if let Sample::Histogram(values) = sample {
                values.push(value);
            }
        });
    }
}

fn declare(kind: Kind, name: &str, help: &str, labels: &[&str], bounds: &[f64]) -> Result<String, Error> {
    if with(|world| world.stage) != Stage::Configure {
        trap("a metric is declared outside of configure");
    }
    if !is_name(name, ":_") || !labels.iter().all(|label| is_name(label, "_") && !label.starts_with("__")) {
        return Err(Error::BadName);
    }
    let declaration = Declaration {
        kind,
        help: help.to_owned(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        bounds: bounds.to_vec(),
    };
    with(|world| match world.metrics.metrics.get(name) {
        // The next instance declares what the one before has declared.
        Some(metric) if metric.declaration == declaration => Ok(name.to_owned()),
        Some(_) => Err(Error::Conflict),
        None => {
            world.metrics.metrics.insert(name.to_owned(), Metric { declaration, series: BTreeMap::new() });
            Ok(name.to_owned())
        }
    })
}

fn record(name: &str, labels: &[&str], none: Sample, change: impl FnOnce(&mut Sample)) {
    let labels: Vec<_> = labels.iter().map(|label| (*label).to_owned()).collect();
    let fits = with(|world| match world.metrics.metrics.get_mut(name) {
        Some(metric) if metric.declaration.labels.len() == labels.len() => {
            change(metric.series.entry(labels).or_insert(none));
            true
        }
        _ => false,
    });
    if !fits {
        trap(&format!("the metric {name} has other labels"));
    }
}

/// Prometheus' data model: letters, digits and some signs, and no digit at the beginning.
fn is_name(name: &str, signs: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || signs.contains(c))
        && name.chars().next().is_some_and(|c| !c.is_ascii_digit())
}
