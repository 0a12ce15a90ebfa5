//! Curves as a picture.

use plotters::prelude::{
    BLUE, ChartBuilder, Color as _, IntoDrawingArea as _, LineSeries, RGBColor, SVGBackend, WHITE,
};
use std::path::Path;
use wasmtime::{Error, Result};

/// One curve in a field of its own.
#[derive(Debug, Clone)]
pub struct Curve {
    /// What it shows.
    pub title: String,
    /// What goes to the right.
    pub x: String,
    /// What goes up.
    pub y: String,
    /// The points, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// Width and height of one field.
const FIELD: (u32, u32) = (480, 240);
const GRID: RGBColor = RGBColor(225, 225, 225);

/// Draws curves, two in a row, from zero up.
///
/// # Errors
/// If the file cannot be written.
pub fn draw(path: &Path, curves: &[Curve]) -> Result<()> {
    let failed =
        |error: &dyn std::fmt::Display| Error::msg(format!("cannot draw {}: {error}", path.display()));
    let rows = curves.len().div_ceil(2);
    let height = FIELD.1 * u32::try_from(rows)?;
    let area = SVGBackend::new(path, (FIELD.0 * 2, height)).into_drawing_area();
    area.fill(&WHITE).map_err(|error| failed(&error))?;
    for (curve, field) in curves.iter().zip(area.split_evenly((rows, 2))) {
        let most = |of: fn(&(f64, f64)) -> f64| curve.points.iter().map(of).fold(0.0, f64::max).max(1e-9);
        let mut chart = ChartBuilder::on(&field)
            .caption(&curve.title, ("sans-serif", 15))
            .margin(8)
            .x_label_area_size(32)
            .y_label_area_size(52)
            .build_cartesian_2d(0.0..most(|point| point.0), 0.0..most(|point| point.1) * 1.1)
            .map_err(|error| failed(&error))?;
        chart
            .configure_mesh()
            .x_desc(&curve.x)
            .y_desc(&curve.y)
            .light_line_style(WHITE)
            .bold_line_style(GRID)
            .draw()
            .map_err(|error| failed(&error))?;
        chart
            .draw_series(LineSeries::new(curve.points.iter().copied(), BLUE.stroke_width(2)))
            .map_err(|error| failed(&error))?;
    }
    area.present().map_err(|error| failed(&error))
}
