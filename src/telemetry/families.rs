//! Measurements with labels, and the text that Prometheus reads.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::histogram::Histogram;

/// So many different labels a family has at most; what comes after them is counted as `other`.
const MOST_SERIES: usize = 2000;

type Series<const N: usize, T> = HashMap<[Arc<str>; N], T>;

/// What has a name, labels and a value for each combination of them.
struct Family<const N: usize, T> {
    /// As OpenTelemetry writes it, with dots.
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    labels: [&'static str; N],
    series: Mutex<Series<N, T>>,
}

impl<const N: usize, T> Family<N, T> {
    fn series(&self) -> MutexGuard<'_, Series<N, T>> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(&self, labels: [Arc<str>; N], new: impl FnOnce() -> T, change: impl FnOnce(&mut T)) {
        let mut series = self.series();
        if let Some(value) = series.get_mut(&labels) {
            return change(value);
        }
        let labels = if series.len() < MOST_SERIES {
            labels
        } else {
            std::array::from_fn(|_| Arc::from("other"))
        };
        change(series.entry(labels).or_insert_with(new));
    }

    /// Every combination of labels with its value, in order.
    fn sorted(&self) -> Vec<([Arc<str>; N], T)>
    where
        T: Clone,
    {
        let series = self.series();
        let mut all: Vec<_> = series
            .iter()
            .map(|(labels, value)| (labels.clone(), value.clone()))
            .collect();
        drop(series);
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

/// Counts that only rise.
pub struct Counters<const N: usize>(Family<N, u64>);

impl<const N: usize> Counters<N> {
    /// With nothing counted.
    #[must_use]
    pub fn new(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self(Family {
            name,
            unit: "1",
            help,
            labels,
            series: Mutex::default(),
        })
    }

    /// Counts `more`.
    pub fn add(&self, labels: [Arc<str>; N], more: u64) {
        self.0.with(labels, || 0, |count| *count += more);
    }

    /// Writes them as Prometheus reads them.
    pub fn write(&self, text: &mut Text) {
        let name = format!("{}_total", prometheus_name(self.0.name));
        text.head(&name, self.0.help, "counter");
        for (labels, count) in self.0.sorted() {
            text.line(&name, &pairs(&self.0.labels, &labels), count);
        }
    }

    /// As OTLP has it.
    #[must_use]
    pub fn points(&self) -> Points {
        let all = self.0.sorted().into_iter();
        Points {
            name: self.0.name,
            unit: self.0.unit,
            help: self.0.help,
            kind: PointKind::Sum(
                all.map(|(labels, count)| (named(&self.0.labels, &labels), count))
                    .collect(),
            ),
        }
    }
}

/// Measurements in buckets.
pub struct Histograms<const N: usize> {
    family: Family<N, Histogram>,
    bounds: &'static [f64],
}

impl<const N: usize> Histograms<N> {
    /// With nothing measured; `unit` is `s` or `{token}`.
    #[must_use]
    pub fn new(
        (name, unit): (&'static str, &'static str),
        help: &'static str,
        labels: [&'static str; N],
        bounds: &'static [f64],
    ) -> Self {
        let family = Family {
            name,
            unit,
            help,
            labels,
            series: Mutex::default(),
        };
        Self { family, bounds }
    }

    /// Counts a measurement.
    pub fn observe(&self, labels: [Arc<str>; N], value: f64) {
        let new = || Histogram::new(self.bounds);
        self.family
            .with(labels, new, |histogram| histogram.observe(value));
    }

    /// Writes them as Prometheus reads them.
    pub fn write(&self, text: &mut Text) {
        let mut name = prometheus_name(self.family.name);
        if self.family.unit == "s" && !name.ends_with("_seconds") {
            name.push_str("_seconds");
        }
        text.head(&name, self.family.help, "histogram");
        let bucket = format!("{name}_bucket");
        for (labels, histogram) in self.family.sorted() {
            let labels = pairs(&self.family.labels, &labels);
            let comma = if labels.is_empty() { "" } else { "," };
            let mut below = 0;
            let bounds = histogram.bounds().iter().map(ToString::to_string);
            let bounds = bounds.chain(std::iter::once("+Inf".to_owned()));
            for (bound, count) in bounds.zip(histogram.counts()) {
                below += count;
                text.line(&bucket, &format!("{labels}{comma}le=\"{bound}\""), below);
            }
            text.line(&format!("{name}_sum"), &labels, histogram.sum());
            text.line(&format!("{name}_count"), &labels, histogram.count());
        }
    }

    /// As OTLP has it.
    #[must_use]
    pub fn points(&self) -> Points {
        let all = self.family.sorted().into_iter();
        Points {
            name: self.family.name,
            unit: self.family.unit,
            help: self.family.help,
            kind: PointKind::Histogram(
                all.map(|(labels, one)| (named(&self.family.labels, &labels), one))
                    .collect(),
            ),
        }
    }
}

/// A family at one moment.
pub struct Points {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: PointKind,
}

/// Labels by name.
pub(super) type Labels = Vec<(&'static str, Arc<str>)>;

pub(super) enum PointKind {
    Sum(Vec<(Labels, u64)>),
    Histogram(Vec<(Labels, Histogram)>),
}

fn named<const N: usize>(names: &[&'static str; N], values: &[Arc<str>; N]) -> Labels {
    names.iter().copied().zip(values.iter().cloned()).collect()
}

/// What Prometheus reads.
#[derive(Default)]
pub struct Text(String);

impl Text {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = if labels.is_empty() {
            writeln!(self.0, "{name} {value}")
        } else {
            writeln!(self.0, "{name}{{{labels}}} {value}")
        };
    }

    /// A value of this moment, without labels or with one.
    pub fn gauge(&mut self, name: &str, help: &str, values: &[(Option<(&str, &str)>, i64)]) {
        self.head(name, help, "gauge");
        for (label, value) in values {
            let label = label.map_or_else(String::new, |(name, value)| pair(name, value));
            self.line(name, &label, value);
        }
    }

    /// A count without labels.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, help, "counter");
        self.line(name, "", value);
    }

    /// The whole.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

fn prometheus_name(name: &str) -> String {
    name.replace('.', "_")
}

fn pairs<const N: usize>(names: &[&'static str; N], values: &[Arc<str>; N]) -> String {
    let all = names.iter().zip(values);
    let all = all.map(|(name, value)| pair(&prometheus_name(name), value));
    all.collect::<Vec<_>>().join(",")
}

fn pair(name: &str, value: &str) -> String {
    let value = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("{name}=\"{value}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_can_read_it() {
        let counters = Counters::new("gateway_requests", "Requests.", ["model", "a.b"]);
        counters.add(["m\"x".into(), "1".into()], 2);
        let histograms = Histograms::new(("x.time", "s"), "Time.", ["model"], &[0.5, 1.0]);
        histograms.observe(["m".into()], 0.75);
        let mut text = Text::default();
        counters.write(&mut text);
        histograms.write(&mut text);
        text.gauge("open", "Open.", &[(None, 3)]);
        assert_eq!(
            text.into_string(),
            "# HELP gateway_requests_total Requests.\n# TYPE gateway_requests_total counter\n\
             gateway_requests_total{model=\"m\\\"x\",a_b=\"1\"} 2\n\
             # HELP x_time_seconds Time.\n# TYPE x_time_seconds histogram\n\
             x_time_seconds_bucket{model=\"m\",le=\"0.5\"} 0\n\
             x_time_seconds_bucket{model=\"m\",le=\"1\"} 1\n\
             x_time_seconds_bucket{model=\"m\",le=\"+Inf\"} 1\n\
             x_time_seconds_sum{model=\"m\"} 0.75\nx_time_seconds_count{model=\"m\"} 1\n\
             # HELP open Open.\n# TYPE open gauge\nopen 3\n"
        );
    }

    #[test]
    fn labels_are_bounded() {
        let counters = Counters::new("x", "X.", ["of"]);
        for n in 0..MOST_SERIES * 2 {
            counters.add([n.to_string().into()], 1);
        }
        assert_eq!(counters.0.series().len(), MOST_SERIES + 1);
    }
}
