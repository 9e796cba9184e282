//! The OpenMetrics text.

use core::fmt::{self, Write as _};

use super::{GateMetrics, MetricFamily, MetricKind, MetricValue};

/// In the OpenMetrics format, with `# EOF` at its end.
impl fmt::Display for GateMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before: Option<&'static str> = None;
        let mut result = Ok(());
        self.each(&mut |family, labels, value| {
            if result.is_ok() {
                result =
                    head(f, family, &mut before).and_then(|()| sample(f, family, labels, value));
            }
        });
        result?;
        f.write_str("# EOF\n")
    }
}

/// What is said of a family before its first sample.
fn head(
    f: &mut fmt::Formatter<'_>,
    family: &MetricFamily,
    before: &mut Option<&'static str>,
) -> fmt::Result {
    if before.replace(family.name) == Some(family.name) {
        return Ok(());
    }
    let MetricFamily { name, kind, unit, help } = family;
    let kind = match kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::States => "stateset",
    };
    writeln!(f, "# TYPE {name} {kind}")?;
    if let Some(unit) = unit {
        writeln!(f, "# UNIT {name} {unit}")?;
    }
    // The helps have nothing to escape.
    writeln!(f, "# HELP {name} {help}")
}

fn sample(
    f: &mut fmt::Formatter<'_>,
    family: &MetricFamily,
    labels: &[(&str, &str)],
    value: MetricValue,
) -> fmt::Result {
    f.write_str(family.name)?;
    if family.kind == MetricKind::Counter {
        f.write_str("_total")?;
    }
    for (at, (name, value)) in labels.iter().enumerate() {
        f.write_str(if at == 0 { "{" } else { "," })?;
        f.write_str(name)?;
        f.write_str("=\"")?;
        escape(f, value)?;
        f.write_char('"')?;
    }
    if !labels.is_empty() {
        f.write_char('}')?;
    }
    match value {
        MetricValue::Count(count) => writeln!(f, " {count}"),
        MetricValue::Gauge(value) => writeln!(f, " {value}"),
    }
}

/// A label's value: names are printable, but lists' and fields' names are the service's own.
fn escape(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    text.chars().try_for_each(|character| match character {
        '\\' => f.write_str("\\\\"),
        '"' => f.write_str("\\\""),
        '\n' => f.write_str("\\n"),
        other => f.write_char(other),
    })
}
