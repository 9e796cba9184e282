//! The picture: memory above, requests below, and when there was a flood.

use std::path::Path;

use plotters::{coord::Shift, prelude::*};

use crate::report::Second;

const SIZE: (u32, u32) = (1_200, 760);
const INK: RGBColor = RGBColor(0x22, 0x2B, 0x38);
const FAINT: RGBColor = RGBColor(0xDD, 0xE1, 0xE6);
const SHADE: RGBColor = RGBColor(0xF3, 0xF4, 0xF6);
const BLUE: RGBColor = RGBColor(0x2B, 0x6C, 0xB0);
const GREEN: RGBColor = RGBColor(0x2E, 0x8B, 0x57);
const AMBER: RGBColor = RGBColor(0xE8, 0xA3, 0x3D);
const RED: RGBColor = RGBColor(0xC9, 0x3A, 0x3A);

type Line = (&'static str, RGBColor, fn(&Second) -> f64);
type Drawn = Result<(), Box<dyn std::error::Error>>;

const MEMORY: &[Line] = &[
    ("resident, MiB", BLUE, |second| second.resident as f64 / 1_048_576.0),
    ("heap, MiB", GREEN, |second| second.heap as f64 / 1_048_576.0),
];
const REQUESTS: &[Line] = &[
    ("served", GREEN, |second| second.served as f64),
    ("refused", AMBER, |second| second.refused as f64),
];
const POSTURE: &[Line] = &[("posture", RED, |second| f64::from(second.posture))];

pub(crate) fn draw(path: &Path, seconds: &[Second]) -> Result<(), String> {
    let mut svg = String::new();
    picture(&mut svg, seconds).map_err(|error| format!("no picture: {error}"))?;
    std::fs::write(path, svg).map_err(|error| format!("{}: {error}", path.display()))
}

fn picture(svg: &mut String, seconds: &[Second]) -> Drawn {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (above, rest) = root.split_vertically(300);
    let (middle, below) = rest.split_vertically(300);
    panel(&above, seconds, "What the service holds", MEMORY)?;
    panel(&middle, seconds, "Requests in a second", REQUESTS)?;
    panel(
        &below,
        seconds,
        "Posture: normal (0), elevated, overload, defend, lockdown (4)",
        POSTURE,
    )?;
    root.present()?;
    Ok(())
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    seconds: &[Second],
    title: &str,
    lines: &[Line],
) -> Drawn {
    let end = seconds.len().max(1) as f64;
    let all = seconds.iter().flat_map(|second| lines.iter().map(move |(.., value)| value(second)));
    let height = all.fold(1.0, f64::max) * 1.15;
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .caption(title, ("sans-serif", 16).into_font().color(&INK))
        .x_label_area_size(28)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..end, 0.0..height)?;
    for (second, at) in seconds.iter().zip(0_u32..).filter(|(second, _)| second.is_flooded) {
        let _ = second;
        let corners = [(f64::from(at), 0.0), (f64::from(at + 1), height)];
        chart.draw_series([Rectangle::new(corners, SHADE.filled())])?;
    }
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(INK)
        .x_labels(10)
        .y_labels(5)
        .x_label_formatter(&|x| format!("{x:.0} s"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .label_style(("sans-serif", 12).into_font().color(&INK))
        .draw()?;
    for (name, colour, value) in lines {
        let points = seconds.iter().zip(0_u32..).map(|(second, at)| (f64::from(at), value(second)));
        let colour = *colour;
        chart
            .draw_series(LineSeries::new(points, colour))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], colour));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .label_font(("sans-serif", 12).into_font().color(&INK))
        .draw()?;
    Ok(())
}
