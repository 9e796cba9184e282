//! The picture: both scenes side by side, visitors above, attackers below.

use std::path::Path;

use plotters::{
    coord::{Shift, types::RangedCoordf64},
    prelude::*,
};

use crate::{
    scene::Scene,
    tally::{Outcome, Record},
};

const SIZE: (u32, u32) = (1200, 720);
const BIN_MS: u64 = 500;
const FONT: &str = "sans-serif";

const INK: RGBColor = RGBColor(0x22, 0x2B, 0x38);
const FAINT: RGBColor = RGBColor(0xDD, 0xE1, 0xE6);
const SHADE: RGBColor = RGBColor(0xF3, 0xF4, 0xF6);

/// From the bottom of a column to its top: name, colour, what is counted.
type Layer = (&'static str, RGBColor, fn(&Record) -> bool);
const LAYERS: [Layer; 3] = [
    ("page within a second", RGBColor(0x2E, 0x8B, 0x57), Record::is_good),
    ("refused (429)", RGBColor(0xE8, 0xA3, 0x3D), |record| record.outcome == Outcome::Refused),
    ("no answer in time", RGBColor(0xC9, 0x3A, 0x3A), |record| {
        !record.is_good() && record.outcome != Outcome::Refused
    }),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Writes the picture. `capacity` is marked in the attackers' panels.
pub(crate) fn draw(path: &Path, scenes: [&Scene; 2], capacity: f64) -> Result<(), String> {
    let mut svg = String::new();
    picture(&mut svg, scenes, capacity).map_err(|error| format!("no picture: {error}"))?;
    write(path, &svg)
}

pub(crate) fn write(path: &Path, svg: &str) -> Result<(), String> {
    std::fs::write(path, svg)
        .map_err(|error| format!("{} can not be written: {error}", path.display()))
}

fn picture(svg: &mut String, scenes: [&Scene; 2], capacity: f64) -> Drawn {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (body, foot) = root.split_vertically(SIZE.1 - 44);
    legend(&foot)?;
    let panels = body.split_evenly((2, 2));
    // The same scale on both sides, or the comparison would lie.
    let few = tallest(scenes.map(|scene| (scene, &*scene.visitors)));
    let many = tallest(scenes.map(|scene| (scene, &*scene.attackers))).max(capacity * 1.2);
    for (scene, column) in scenes.iter().zip(0..) {
        let [above, below] = [&panels[column], &panels[column + 2]];
        panel(above, scene, &scene.visitors, &format!("Visitors, {}", scene.title), few, None)?;
        let title = format!("Attackers, {}", scene.title);
        panel(below, scene, &scene.attackers, &title, many, Some(capacity))?;
    }
    root.present()?;
    Ok(())
}

/// A height that every column fits under, with room for a word above.
fn tallest(groups: [(&Scene, &[Record]); 2]) -> f64 {
    let columns = groups.into_iter().flat_map(|(scene, records)| columns(records, scene));
    columns.map(|column| column.iter().sum()).fold(1.0, f64::max) * 1.2
}

/// Requests per second in each bin, by layer.
fn columns(records: &[Record], scene: &Scene) -> Vec<[f64; LAYERS.len()]> {
    let mut columns = vec![[0.0; LAYERS.len()]; scene.script.end().div_ceil(BIN_MS) as usize];
    for record in records {
        let Some(column) = columns.get_mut((record.due_ms / BIN_MS) as usize) else { continue };
        for (sum, (.., counts)) in column.iter_mut().zip(LAYERS) {
            *sum += if counts(record) { 1000.0 / BIN_MS as f64 } else { 0.0 };
        }
    }
    columns
}

fn panel(
    area: &Area<'_>,
    scene: &Scene,
    records: &[Record],
    title: &str,
    height: f64,
    capacity: Option<f64>,
) -> Drawn {
    let seconds = |ms: u64| ms as f64 / 1000.0;
    let end = seconds(scene.script.end());
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .caption(title, (FONT, 18).into_font().color(&INK))
        .x_label_area_size(40)
        .y_label_area_size(62)
        .build_cartesian_2d(0.0..end, 0.0..height)?;
    let flood = scene.script.during();
    let (from, until) = (seconds(flood.start), seconds(flood.end));
    chart.draw_series([Rectangle::new([(from, 0.0), (until, height)], SHADE.filled())])?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(INK)
        .x_labels(10)
        .y_labels(6)
        .x_desc("seconds")
        .y_desc("requests per second")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .label_style((FONT, 13).into_font().color(&INK))
        .axis_desc_style((FONT, 14).into_font().color(&INK))
        .draw()?;
    for (column, at) in columns(records, scene).iter().zip(0_u64..) {
        let (left, right) = (seconds(at * BIN_MS), seconds((at + 1) * BIN_MS));
        let mut below = 0.0;
        for (count, (_, colour, _)) in column.iter().zip(LAYERS).filter(|(count, _)| **count > 0.0)
        {
            let corners = [(left, below), (right, below + count)];
            chart.draw_series([Rectangle::new(corners, colour.filled())])?;
            below += count;
        }
    }
    marks(&mut chart, (from, until), height, capacity, end)
}

/// When the flood starts and ends, and what the service can do.
fn marks(
    chart: &mut Chart<'_, '_>,
    (from, until): (f64, f64),
    height: f64,
    capacity: Option<f64>,
    end: f64,
) -> Drawn {
    let small = (FONT, 13).into_font().color(&INK);
    for x in [from, until] {
        chart.draw_series(DashedLineSeries::new([(x, 0.0), (x, height)], 4, 4, INK.into()))?;
    }
    let label = (from + end * 0.01, height * 0.99);
    chart.draw_series([Text::new("flood", label, small.clone())])?;
    if let Some(capacity) = capacity {
        let line = [(0.0, capacity), (end, capacity)];
        chart.draw_series(DashedLineSeries::new(line, 8, 4, INK.stroke_width(2)))?;
        let label = (end * 0.01, capacity + height * 0.07);
        chart.draw_series([Text::new(format!("capacity {capacity:.0}/s"), label, small)])?;
    }
    Ok(())
}

fn legend(area: &Area<'_>) -> Drawn {
    for ((name, colour, _), x) in LAYERS.into_iter().zip((330..).step_by(200)) {
        area.draw(&Rectangle::new([(x, 8), (x + 16, 24)], colour.filled()))?;
        let style = (FONT, 15).into_font().color(&INK);
        area.draw(&Text::new(name, (x + 24, 9), style))?;
    }
    Ok(())
}
