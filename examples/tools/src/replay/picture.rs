//! A picture of a replay: what passed and what was refused over time, and the posture of the gate as a band above.
//!
//! A style within the picture makes its ground dark and its ink light for readers who want it so.
//! No text of a log gets into it; names of configurations do, as visible ASCII without what markup is made of.

use plotters::{
    coord::{
        Shift,
        ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter},
        types::RangedCoordf64,
    },
    prelude::*,
};
use portcullis::{Posture, Timestamp};

use super::{
    page::{thousands, visible},
    play::Side,
    report::{About, length},
    run::Replay,
};

const WIDTH: u32 = 1200;
const ROW: u32 = 330;
const FOOT: u32 = 44;
const FONT: &str = "sans-serif";

const INK: RGBColor = RGBColor(0x22, 0x2B, 0x38);
const FAINT: RGBColor = RGBColor(0xC9, 0xCE, 0xD6);
const PASSED: RGBColor = RGBColor(0x2E, 0x8B, 0x57);
const REFUSED: RGBColor = RGBColor(0xE8, 0xA3, 0x3D);

/// Times that are written below.
const LABELS: usize = 12;
/// Seconds between two of them: one of these, or whole days.
const STEPS: [u64; 17] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200];

/// Marks of posture that are written out; further ones are only in the band.
const MARKS: usize = 12;

/// Light ink on a dark ground, for who prefers that.
const STYLE: &str = "<style>@media (prefers-color-scheme: dark) {\
    [fill=\"#FFFFFF\"] { fill: #14181E } \
    [fill=\"#222B38\"] { fill: #DDE3EA } [stroke=\"#222B38\"] { stroke: #DDE3EA } \
    [fill=\"#C9CED6\"] { fill: #424B57 } [stroke=\"#C9CED6\"] { stroke: #424B57 } }</style>";

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Times, RangedCoordf64>>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// The picture, as SVG, with a row for each gate.
///
/// # Errors
/// When there is nothing to draw, or it cannot be drawn.
pub fn draw(replay: &Replay, about: &About) -> Result<String, String> {
    let (side, other) = &replay.sides;
    let mut rows = vec![(side, about.config.as_str())];
    rows.extend(other.iter().zip(about.against.as_deref()));
    let mut svg = String::new();
    picture(&mut svg, &rows).map_err(|error| format!("no picture: {error}"))?;
    // Behind the first tag.
    let at = svg.find('>').map_or(0, |at| at + 1);
    svg.insert_str(at, STYLE);
    Ok(svg)
}

fn picture(svg: &mut String, rows: &[(&Side, &str)]) -> Drawn {
    let count = u32::try_from(rows.len())?;
    let height = ROW * count + FOOT;
    let root = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let (body, foot) = root.split_vertically(height - FOOT);
    let has_postures = rows.iter().any(|(side, _)| !side.tally.story.postures.is_empty());
    legend(&foot, has_postures)?;
    // Both rows have the same scale, so that they can be compared.
    let tallest = rows
        .iter()
        .flat_map(|(side, _)| side.tally.timeline.columns())
        .map(|(_, column)| column.asked)
        .max()
        .ok_or("there is no request")?;
    for (area, (side, name)) in body.split_evenly((rows.len(), 1)).iter().zip(rows) {
        row(area, side, name, tallest as f64)?;
    }
    root.present()?;
    Ok(())
}

fn seconds(at: Timestamp) -> f64 {
    at.as_nanos() as f64 / 1e9
}

fn row(area: &Area<'_>, side: &Side, name: &str, tallest: f64) -> Drawn {
    let line = &side.tally.timeline;
    let width = line.width().as_secs_f64();
    let starts: Vec<_> = line.columns().map(|(at, _)| seconds(at)).collect();
    let start = starts.first().copied().unwrap_or(0.0);
    let end = starts.last().copied().unwrap_or(0.0) + width;
    // Above the columns there is room for the band, and for the words between.
    let height = tallest * 1.4;
    let is_long = end - start > 86_400.0;
    let (passed, refused) = (side.tally.all_passed(), side.tally.all_refused());
    let title =
        format!("{}: {} passed, {} refused", plain(name), thousands(passed), thousands(refused));
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .margin_right(40)
        .caption(title, (FONT, 18).into_font().color(&INK))
        .x_label_area_size(36)
        .y_label_area_size(72)
        .build_cartesian_2d(Times(start, end), 0.0..height)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(INK)
        .x_labels(LABELS)
        .y_labels(6)
        .x_desc("UTC")
        .y_desc(format!("requests per {}", per(&length(line.width()))))
        .x_label_formatter(&|x| clock(*x, is_long))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .label_style((FONT, 13).into_font().color(&INK))
        .axis_desc_style((FONT, 14).into_font().color(&INK))
        .draw()?;
    for (left, (_, column)) in starts.iter().zip(line.columns()) {
        let (passed, asked) = ((column.asked - column.refused) as f64, column.asked as f64);
        let right = left + width;
        for (from, to, colour) in [(0.0, passed, PASSED), (passed, asked, REFUSED)] {
            if to > from {
                let corners = [(*left, from), (right, to)];
                chart.draw_series([Rectangle::new(corners, colour.filled())])?;
            }
        }
    }
    postures(&mut chart, side, (start, end), height)
}

/// The posture as a band, and a mark for each change.
fn postures(
    chart: &mut Chart<'_, '_>,
    side: &Side,
    (start, end): (f64, f64),
    height: f64,
) -> Drawn {
    let changes = &side.tally.story.postures;
    if changes.is_empty() {
        return Ok(());
    }
    let mut from = (start, Posture::Normal);
    let ends = changes.iter().map(|(at, to)| (seconds(*at).clamp(start, end), *to));
    for (at, to) in ends.chain([(end, Posture::Normal)]) {
        let corners = [(from.0, height * 0.94), (at, height)];
        chart.draw_series([Rectangle::new(corners, colour(from.1).filled())])?;
        from = (at, to);
    }
    let small = (FONT, 13).into_font().color(&INK);
    for ((at, to), line) in changes.iter().take(MARKS).zip(0..) {
        let x = seconds(*at).clamp(start, end);
        let y = height * (0.91 - 0.06 * f64::from(line % 3));
        chart.draw_series([TriangleMarker::new((x, y - height * 0.02), 4, INK.filled())])?;
        let place = (x + 0.006 * (end - start), y);
        chart.draw_series([Text::new(to.name(), place, small.clone())])?;
    }
    Ok(())
}

fn legend(area: &Area<'_>, has_postures: bool) -> Drawn {
    let layers = [("passed", PASSED), ("refused", REFUSED)];
    let postures = Posture::ALL.map(|posture| (posture.name(), colour(posture)));
    let postures = postures.into_iter().filter(|_| has_postures);
    let mut x = 30;
    for (name, colour) in layers.into_iter().chain(postures) {
        area.draw(&Rectangle::new([(x, 10), (x + 14, 24)], colour.filled()))?;
        let style = (FONT, 13).into_font().color(&INK);
        area.draw(&Text::new(name, (x + 19, 10), style))?;
        x += 110;
    }
    Ok(())
}

const fn colour(posture: Posture) -> RGBColor {
    match posture {
        Posture::Normal => RGBColor(0xA9, 0xCF, 0xB8),
        Posture::Elevated => RGBColor(0xF2, 0xD2, 0x66),
        Posture::Overload => RGBColor(0x9D, 0xB8, 0xE6),
        Posture::Defend => RGBColor(0xF0, 0x9A, 0x6B),
        Posture::Lockdown => RGBColor(0xB5, 0x3B, 0x52),
    }
}

/// `30 minutes`, and `minute` of `1 minute`.
fn per(length: &str) -> String {
    length.strip_prefix("1 ").unwrap_or(length).into()
}

/// The axis below: seconds since 1970, from one time to another, with round times written at it.
struct Times(f64, f64);

impl Ranged for Times {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range()).map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        labels(self.0, self.1)
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.0..self.1
    }
}

impl ValueFormatter<f64> for Times {
    fn format(at: &f64) -> String {
        clock(*at, true)
    }
}

/// Round times between two others.
fn labels(start: f64, end: f64) -> Vec<f64> {
    let fits = |step: &u64| (end - start) / *step as f64 <= LABELS as f64;
    let days = (end - start) / 86_400.0 / LABELS as f64;
    let step =
        STEPS.into_iter().find(fits).map_or(days.ceil().max(1.0) * 86_400.0, |step| step as f64);
    let first = (start / step).ceil();
    (0..=LABELS).map(|count| (first + count as f64) * step).filter(|at| *at <= end).collect()
}

fn clock(x: f64, is_long: bool) -> String {
    let format = if is_long { "%d %b %H:%M" } else { "%H:%M:%S" };
    jiff::Timestamp::from_second(x as i64)
        .map_or_else(|_| String::new(), |at| at.strftime(format).to_string())
}

/// Without what markup is made of.
fn plain(name: &str) -> String {
    visible(name.as_bytes()).replace(['<', '>', '&', '"', '\''], "_")
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::{About, Replay, Side, draw, labels, plain};
    use crate::replay::spread::Span;

    fn replay(log: &str) -> Replay {
        let toml = "[[limit]]\nname = \"a < b & c\"\nquota = \"1/hour\"\n";
        let side = |text| Side::from_toml(text, 1).unwrap();
        let mut replay = Replay::new(side(toml), Some(side("")), Span::AsWritten);
        replay.read("log", None, Cursor::new(log.to_string()), &mut || {});
        replay.end();
        replay
    }

    #[test]
    fn a_picture_has_a_row_for_each_gate_and_nothing_of_the_log() {
        let line =
            "192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET /<script>&x HTTP/1.1\" 200 5\n";
        let about = About {
            config: "<script>.toml".into(),
            against: Some("other.toml".into()),
            ..About::default()
        };
        let svg = draw(&replay(&line.repeat(3)), &about).unwrap();
        assert!(!svg.contains("<script"), "{svg}");
        assert!(svg.contains("_script_.toml: 1 passed, 2 refused"), "{svg}");
        assert!(svg.contains("other.toml: 3 passed, 0 refused"), "{svg}");
        assert!(svg.starts_with("<svg ") && svg.contains("prefers-color-scheme"), "{svg}");
        // The style speaks of these colours as they are written.
        for colour in ["#FFFFFF", "#222B38", "#C9CED6"] {
            assert!(svg.matches(&format!("\"{colour}\"")).count() > 1, "{colour}: {svg}");
        }
        assert_eq!(
            svg,
            draw(&replay(&line.repeat(3)), &about).unwrap(),
            "it is the same each time"
        );
        assert_eq!(plain("a\x1b<\u{e4}"), r"a\x1b_\u{e4}");
    }

    #[test]
    fn times_below_are_round() {
        let day = 86_400.0;
        assert_eq!(labels(0.5, 2.0), [1.0, 2.0]);
        assert_eq!(labels(36_000.0, 38_400.0)[..3], [36_000.0, 36_300.0, 36_600.0]);
        assert_eq!(labels(16_572.0 * day, 16_576.0 * day).len(), 9, "each half day");
        assert_eq!(labels(16_572.0 * day, 16_599.5 * day)[1], 16_575.0 * day);
        assert_eq!(labels(0.0, 1e12).len(), 12);
    }

    #[test]
    fn nothing_is_not_drawn() {
        let error = draw(&replay(""), &About::default()).unwrap_err();
        assert_eq!(error, "no picture: there is no request");
    }
}
