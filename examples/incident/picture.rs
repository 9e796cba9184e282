//! What a scenario looked like: what was asked and what became of it, second by second, the posture as a
//! coloured band above, and marks where the gate noticed, refused, denied, and was done.

use std::path::Path;

use plotters::{
    coord::{Shift, types::RangedCoordf64},
    prelude::*,
};
use portcullis::Posture;

use crate::{
    replay::{
        ask::Who,
        measure::{Counts, Phase, Record},
        play::Run,
    },
    timeline,
};

const WIDTH: u32 = 1200;
const ROW: u32 = 330;
const FOOT: u32 = 44;
/// About so many columns, each of some seconds.
const COLUMNS: usize = 300;
const FONT: &str = "sans-serif";

const INK: RGBColor = RGBColor(0x22, 0x2B, 0x38);
const FAINT: RGBColor = RGBColor(0xDD, 0xE1, 0xE6);

const GREEN: RGBColor = RGBColor(0x2E, 0x8B, 0x57);
const RED: RGBColor = RGBColor(0xC9, 0x3A, 0x3A);
const AMBER: RGBColor = RGBColor(0xE8, 0xA3, 0x3D);
const GREY: RGBColor = RGBColor(0x9A, 0xA3, 0xAE);

/// From the bottom of a column to its top: name, colour, whose requests, and which of them.
type Layer = (&'static str, RGBColor, &'static [Who], fn(&Counts) -> u32);
const LAYERS: [Layer; 4] = [
    ("visitors, served in time", GREEN, &Who::ORDINARY, |counts| counts.good),
    ("visitors, refused or too late", RED, &Who::ORDINARY, |counts| counts.asked - counts.good),
    ("attack, let in", GREY, &[Who::Attacker], |counts| counts.asked - counts.refused()),
    ("attack, refused", AMBER, &[Who::Attacker], Counts::refused),
];

const fn colour(posture: Posture) -> RGBColor {
    match posture {
        Posture::Normal => RGBColor(0xD8, 0xEB, 0xDF),
        Posture::Elevated => RGBColor(0xF6, 0xE3, 0x9B),
        Posture::Overload => RGBColor(0xB9, 0xCC, 0xEC),
        Posture::Defend => RGBColor(0xF0, 0x9A, 0x6B),
        Posture::Lockdown => RGBColor(0xB5, 0x3B, 0x52),
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Writes a picture with a row for each run.
pub(crate) fn draw(path: &Path, runs: &[&Run]) -> Result<(), String> {
    let mut svg = String::new();
    picture(&mut svg, runs).map_err(|error| format!("no picture: {error}"))?;
    timeline::write(path, &svg)
}

fn picture(svg: &mut String, runs: &[&Run]) -> Drawn {
    let height = ROW * runs.len() as u32 + FOOT;
    let root = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let (body, foot) = root.split_vertically(height - FOOT);
    legend(&foot)?;
    for (area, run) in body.split_evenly((runs.len(), 1)).iter().zip(runs) {
        row(area, run)?;
    }
    root.present()?;
    Ok(())
}

/// Requests a second, by layer, in columns of so many seconds.
fn columns(record: &Record, width: usize) -> Vec<[f64; LAYERS.len()]> {
    let starts = (0..record.seconds.len()).step_by(width);
    let column = |from| {
        let when = Phase { from, until: from + width };
        LAYERS.map(|(_, _, who, counts)| f64::from(counts(&record.sum(who, when))) / width as f64)
    };
    starts.map(column).collect()
}

fn row(area: &Area<'_>, run: &Run) -> Drawn {
    let record = &run.record;
    let width = record.seconds.len().div_ceil(COLUMNS).max(1);
    let columns = columns(record, width);
    let end = record.seconds.len() as f64;
    let tallest = columns.iter().map(|column| column.iter().sum()).fold(1.0, f64::max);
    // Above the columns there is room for the band, and for the words between.
    let height = tallest * 1.4;
    let title = format!("{}: {} (seed {})", run.scenario.name, run.scenario.says, run.seed);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption(title, (FONT, 18).into_font().color(&INK))
        .x_label_area_size(36)
        .y_label_area_size(62)
        .build_cartesian_2d(0.0..end, 0.0..height)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(INK)
        .x_labels(12)
        .y_labels(6)
        .x_desc("seconds after the end of learning")
        .y_desc("requests per second")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .label_style((FONT, 13).into_font().color(&INK))
        .axis_desc_style((FONT, 14).into_font().color(&INK))
        .draw()?;
    for (column, at) in columns.iter().zip(0..) {
        let (left, right) = ((at * width) as f64, ((at + 1) * width) as f64);
        let mut below = 0.0;
        for (count, (_, colour, ..)) in column.iter().zip(LAYERS).filter(|(count, _)| **count > 0.0)
        {
            let corners = [(left, below), (right.min(end), below + count)];
            chart.draw_series([Rectangle::new(corners, colour.filled())])?;
            below += count;
        }
    }
    band(&mut chart, record, height)?;
    marks(&mut chart, run, height)
}

/// The posture, a rectangle for each stretch of it.
fn band(chart: &mut Chart<'_, '_>, record: &Record, height: f64) -> Drawn {
    let mut from = 0;
    for stretch in record.seconds.chunk_by(|one, next| one.posture == next.posture) {
        let (left, right) = (from as f64, (from + stretch.len()) as f64);
        let corners = [(left, height * 0.94), (right, height)];
        let colour = stretch.first().map_or(WHITE, |second| colour(second.posture));
        chart.draw_series([Rectangle::new(corners, colour.filled())])?;
        from += stretch.len();
    }
    Ok(())
}

/// When it began and ended, and what the gate did when.
fn marks(chart: &mut Chart<'_, '_>, run: &Run, height: f64) -> Drawn {
    let (from, until) = (run.scenario.from as f64, run.scenario.until as f64);
    let small = (FONT, 13).into_font().color(&INK);
    for x in [from, until] {
        let line = [(x, 0.0), (x, height * 0.94)];
        chart.draw_series(DashedLineSeries::new(line, 4, 4, INK.into()))?;
    }
    let results = &run.results;
    let told = [
        ("noticed", results.noticed.map(|after| from + after)),
        ("first refusal", results.throttled.map(|after| from + after)),
        ("denied", results.denied.map(|after| from + after)),
        ("normal again", results.restored.map(|after| until + after)),
    ];
    // What happened within seconds is written one below the other.
    for ((name, at), line) in told.into_iter().zip(0..) {
        let Some(at) = at else { continue };
        let y = height * (0.91 - 0.06 * f64::from(line % 3));
        chart.draw_series([TriangleMarker::new((at, y - height * 0.02), 4, INK.filled())])?;
        let after = if at >= until { at - until } else { at - from };
        let text = format!("{name} +{after:.1} s");
        chart.draw_series([Text::new(
            text,
            (at + 0.006 * chart.x_range().end, y),
            small.clone(),
        )])?;
    }
    Ok(())
}

fn legend(area: &Area<'_>) -> Drawn {
    let layers = LAYERS.map(|(name, colour, ..)| (name, colour, 182));
    let postures = Posture::ALL.map(|posture| (posture.name(), colour(posture), 84));
    let mut x = 30;
    for (name, colour, width) in layers.into_iter().chain(postures) {
        area.draw(&Rectangle::new([(x, 10), (x + 14, 24)], colour.filled()))?;
        let style = (FONT, 13).into_font().color(&INK);
        area.draw(&Text::new(name, (x + 19, 10), style))?;
        x += width;
    }
    Ok(())
}
